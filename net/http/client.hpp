// The client's half of HTTP/1.1 on one stream: one request at a time, kept alive between them.
// Everything runs on the stream's shard.
#pragma once
#include <functional>
#include <memory>

#include "basis/task.hpp"
#include "net/http/message.hpp"
#include "net/shard.hpp"

namespace troupe::net::http {

/// Where an answer goes. on_head comes first and once; then data in pieces; then exactly one on_end.
struct answer_sink {
  callback<void(int status, header_list headers)> on_head;
  callback<void(std::string_view data)> on_data;
  callback<void(result<void>)> on_end;     ///< ok: complete. closed | timeout | invalid: cut short.
};

class client_connection {
 public:
  virtual ~client_connection() = default;   ///< Aborts; no callback comes afterwards.
  /// True when a request may be sent: open and no answer outstanding.
  virtual bool idle() const = 0;
  virtual bool open() const = 0;
  /// Sends `ask` (content-length and host are added when missing). The answer's head must come
  /// within `patience`. Only while idle().
  virtual void send(const request& ask, std::string_view host, duration patience, answer_sink to) = 0;
  /// Sends an upgrade (or CONNECT) request and hands the stream over on 101 or 200; otherwise fails
  /// with the status in the note ("502: text").
  virtual void upgrade(const request& ask, std::string_view host, duration patience,
                       callback<void(result<std::pair<response, stream_ptr>>)> done) = 0;
  /// Holds the answer's data back at its source, and lets it come again; bounded bytes still come after a pause.
  virtual void pause() = 0;
  virtual void resume() = 0;
  /// Calls `then` when the peer ends an idle connection. Replaces the former.
  virtual void on_closed(task then) = 0;
};

std::unique_ptr<client_connection> attach(shard& on, stream_ptr stream);

/// Sends one request and collects the whole answer (at most body_max bytes), then calls `done`.
/// `connection` must stay alive until then.
void fetch(client_connection& connection, const request& ask, std::string_view host, duration patience,
           callback<void(result<response>)> done, std::size_t body_max = 64 * 1024 * 1024);

}  // namespace troupe::net::http
