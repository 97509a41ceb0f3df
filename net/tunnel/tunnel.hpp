// One end of a tunnel: many streams inside one WebSocket, in the wire format of rancher/remotedialer
// (docs/operations/tunnel-format.md). The server dials through the agent; the agent carries out.
//
// Lives on the shard of its WebSocket. Data, pause, resume, fair queueing and flow control stay in
// here; whoever owns the session hears of its life only. A refused dial costs one stream.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "net/dialer.hpp"
#include "net/shard.hpp"
#include "net/websocket/websocket.hpp"

namespace troupe::net::tunnel {

/// What the far side asks this side to dial, e.g. {"tcp", "127.0.0.1:10250"}.
struct dial_request {
  std::string protocol;
  std::string address;
};

struct session_config {
  websocket::role side = websocket::role::server;
  std::string name;                     ///< The node, for error notes.
  /// Carries out the far side's dials; null refuses all. Finishes with a stream or an error whose
  /// note is sent back. Must not call back inside the call.
  std::function<void(const dial_request&, dialer::dialed)> on_dial;
  std::function<void(const error&)> on_end;   ///< Once. The session may be destroyed in here.
  /// The far side asks for streams that it does not get: why not, the last time, and how many since this was told last.
  /// At once for the first, then at most once in `refusals_every`, however many there are.
  std::function<void(std::string_view why, std::uint64_t count)> on_refusals;
  duration ping_every = std::chrono::seconds(5);        ///< Client side.
  duration silence_max = std::chrono::seconds(15);      ///< No frame at all for so long ends the session.
  duration sync_every = std::chrono::seconds(60);       ///< Client side.
  std::size_t receive_max = 2 * 1024 * 1024;            ///< Per stream, then Pause is sent.
  std::size_t streams_max = 10000;                      ///< Open at once; as many dials for the far side may be under way.
  std::size_t answers_max = 4 * 1024 * 1024;            ///< Unsent, then nothing more is read until the far side reads, too.
  duration refusals_every = std::chrono::minutes(10);
};

/// As a dialer it opens streams at the far side; the endpoint is what the far side shall dial. The
/// wire has no acknowledgement: a dial succeeds at once and a refusal ends the stream.
class session : public dialer {
 public:
  virtual std::size_t streams() const = 0;
  virtual duration silence() const = 0;   ///< Since anything was heard from the far side.
  virtual std::uint64_t bytes_in() const = 0;
  virtual std::uint64_t bytes_out() const = 0;
  virtual void close(std::string_view reason) = 0;
};

std::unique_ptr<session> open(shard& on, websocket::connection_ptr over, session_config config, rng chance);

}  // namespace troupe::net::tunnel
