// The server's half of HTTP/1.1: turns one stream into requests, one after the other, and carries
// the answers. Everything runs on the stream's shard. Bad input is answered with a plain status and
// closes the connection; bodies are bounded before they are read.
#pragma once
#include <functional>
#include <memory>

#include "basis/task.hpp"
#include "net/http/message.hpp"
#include "net/shard.hpp"

namespace troupe::net::http {

/// One request being answered. Held by whoever answers; outlives the connection safely (then every
/// call is ignored and open() is false). Exactly one of respond / start / upgrade is called.
class exchange {
 public:
  virtual ~exchange() = default;
  virtual bool open() const = 0;
  /// The whole answer.
  virtual void respond(response answer) = 0;
  /// Begins an answer of unknown length (chunked); the head is sent at once.
  virtual void start(int status, header_list headers) = 0;
  virtual void chunk(std::string_view data) = 0;
  /// Ends a started answer in order; the connection is kept for the next request.
  virtual void finish() = 0;
  /// Cuts the connection (a started answer that cannot be completed).
  virtual void abort() = 0;
  /// Answers 101 (or 200 for CONNECT) with these headers and hands over the stream; bytes that came
  /// after the head are delivered first. Null when the peer is gone.
  virtual stream_ptr upgrade(int status, header_list headers) = 0;
  /// Bytes of this answer that wait for the socket.
  virtual std::size_t unsent() const = 0;
  /// Calls `then` once when unsent() is low again; replaces the former.
  virtual void on_drained(task then) = 0;
  /// Calls `then` once if the peer goes away before the answer is complete.
  virtual void on_gone(task then) = 0;
};
using exchange_ptr = std::shared_ptr<exchange>;

/// `on_error` lets the owner dress a refusal of the codec (400, 408, 413, 431, 501 ...) as it likes.
struct server_config {
  std::function<void(request, exchange_ptr)> on_request;
  std::function<response(int status, const std::string& why)> on_error;
  std::function<void()> on_end;        ///< The connection is over; it may be destroyed in here.
  std::size_t body_max = body_bytes_max;
  std::size_t unsent_max = 8 * 1024 * 1024;   ///< A reader this slow is cut off.
  const wall_clock* wall = nullptr;           ///< What the date header says; none is sent without.
};

class server_connection {
 public:
  virtual ~server_connection() = default;
  /// Ends when the present answer is complete; at once when idle.
  virtual void drain() = 0;
};

/// Takes over `on`; destroying the connection aborts it. `config` is shared by many connections.
std::unique_ptr<server_connection> serve(shard& on, stream_ptr stream, std::shared_ptr<const server_config> config);

}  // namespace troupe::net::http
