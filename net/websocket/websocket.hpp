// WebSocket (RFC 6455) messages on a stream; framing is wslay's. Runs on the stream's shard.
// No extensions are negotiated. Fragments and interleaved control frames are put together.
#pragma once
#include <functional>
#include <memory>

#include "basis/rng.hpp"
#include "net/http/client.hpp"
#include "net/http/server.hpp"

namespace troupe::net::websocket {

enum class role : std::uint8_t { client, server };

class sink {
 public:
  virtual ~sink() = default;
  virtual void on_message(bool binary, std::string_view data) = 0;
  virtual void on_ping() {}
  virtual void on_pong() {}
  virtual void on_drained() {}
  /// Once, last: closed (in order, or by the stream's end) or invalid (protocol error, too large).
  virtual void on_closed(const error& why) = 0;
};

class connection {
 public:
  virtual ~connection() = default;
  virtual void start(sink* to) = 0;
  virtual void send(bool binary, std::string_view data) = 0;
  /// One binary message in two pieces, for whoever would have to put a long one together first.
  virtual void send_parts(std::string_view head, std::string_view body) { send(true, std::string(head).append(body)); }
  virtual void ping() = 0;              ///< Empty payload. Pings of the peer are answered by themselves.
  virtual void close(std::uint16_t code, std::string_view reason) = 0;
  virtual std::size_t unsent() const = 0;
  virtual void pause() = 0;
  virtual void resume() = 0;
};
using connection_ptr = std::unique_ptr<connection>;

inline constexpr std::size_t message_bytes_max = 4 * 1024 * 1024;

/// Wraps a stream that has been upgraded already.
connection_ptr wrap(shard& on, stream_ptr stream, role as, entropy& masks,
                    std::size_t message_max = message_bytes_max);

/// True when `ask` is a well-formed WebSocket upgrade (GET, version 13, key).
bool is_upgrade(const http::request& ask);
/// Answers a valid upgrade with 101, choosing `protocol` when it is not empty. Null when the peer is gone.
connection_ptr accept(shard& on, const http::request& ask, http::exchange& answer, std::string_view protocol,
                      entropy& masks);
/// Asks for an upgrade over `over` (kept alive until done) and checks the answer's key.
void connect(shard& on, http::client_connection& over, std::string_view host, std::string_view path,
             const http::header_list& extra, std::string_view protocol, duration patience, entropy& masks,
             callback<void(result<connection_ptr>)> done);

}  // namespace troupe::net::websocket
