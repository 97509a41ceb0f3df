// A reliable two-way flow of bytes: a TCP connection, a TLS session on one, or a stream inside a
// tunnel; whoever holds it cannot tell which.
//
// Owned by one holder (unique_ptr), used only on the shard it was made on. Destroying it aborts.
// Data is pushed to the sink; a sink that cannot take more calls pause(), and the peer is held back.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "basis/bytes.hpp"
#include "basis/clock.hpp"
#include "basis/ids.hpp"
#include "basis/result.hpp"

namespace troupe::net {

/// What TLS proved about the other side. Empty on plain streams and for clients without certificate.
struct peer_identity {
  bool verified = false;                    ///< A certificate was given and chains to the trusted CA.
  std::string common_name;
  std::vector<std::string> organizations;
  std::string serial;                       ///< Hexadecimal.
  wall_time not_before{};                   ///< The certificate's beginning.
  std::string server_name;                  ///< SNI that the client asked for (server side only).
};

/// Receives what a stream has to tell. Calls come from the shard's loop, never from inside a call
/// of ours to the stream, and never after on_closed or after the stream is gone.
class stream_sink {
 public:
  virtual ~stream_sink() = default;
  virtual void on_data(std::string_view data) = 0;
  /// unsent() has fallen below low_water after it was above.
  virtual void on_drained() {}
  /// The end, once: `closed` when the peer ended in order, else what went wrong.
  virtual void on_closed(const error& why) = 0;
};

class stream {
 public:
  static constexpr std::size_t low_water = 64 * 1024;

  virtual ~stream() = default;
  /// Delivers from now on to `sink`, which must outlive the stream or be replaced by another. Data
  /// that came before is kept and delivered first. Null holds everything, the end too, until the next.
  virtual void start(stream_sink* sink) = 0;
  /// Queues bytes; never blocks. After close() it is ignored.
  virtual void write(std::string_view data) = 0;
  virtual void write(const bytes& data) { write(data.view()); }
  /// Bytes queued and not yet given to the kernel (or the carrier).
  virtual std::size_t unsent() const = 0;
  /// Stops and resumes the delivery of data; bounded bytes may still come after a pause.
  virtual void pause() = 0;
  virtual void resume() = 0;
  /// Sends what is queued, then ends in order; on_closed follows. Idempotent.
  /// Data that still comes is dropped; a holder may destroy the stream without cutting what was queued.
  virtual void close() = 0;
  virtual const peer_identity& peer() const = 0;
  virtual endpoint local_address() const = 0;
  virtual endpoint remote_address() const = 0;
};

using stream_ptr = std::unique_ptr<stream>;

}  // namespace troupe::net
