// One stream inside a tunnel. Internal to net/tunnel: the session's core owns the table of lines, the
// holder of the stream owns a handle; a line stays until both have let go.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "basis/clock.hpp"
#include "net/shard.hpp"
#include "net/stream.hpp"

namespace troupe::net::tunnel {

class session_core;

struct line {
  std::int64_t number = 0;
  std::weak_ptr<session_core> owner;
  shard* on = nullptr;             ///< Outlives both.
  stream_sink* sink = nullptr;
  std::string incoming;            ///< Came while nobody took it; bounded by Pause.
  std::string outgoing;            ///< Waits for its turn in the fair queue.
  std::size_t outgoing_at = 0;     ///< What of it has been sent.
  mono_time since{};
  endpoint far;
  std::optional<error> ended;      ///< The far side, or the tunnel, has ended it.
  bool started = false, paused = false;          ///< By our holder.
  bool peer_paused = false, pause_sent = false;  ///< Two flags: who holds whom.
  bool closing = false;            ///< Our holder wants an orderly end after `outgoing`.
  bool error_sent = false, told = false, dropped = false, queued = false, waking = false;
  std::size_t unsent() const { return outgoing.size() - outgoing_at; }
};
using line_ptr = std::shared_ptr<line>;

stream_ptr make_stream(line_ptr of);
/// Hands over what came, then the end, as far as our holder takes it.
void deliver(const line_ptr& l);

}  // namespace troupe::net::tunnel
