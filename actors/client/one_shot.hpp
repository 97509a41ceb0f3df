// One HTTPS request on a connection of its own. For handshakes, not for traffic.
#pragma once
#include <string>

#include "actors/runtime/world.hpp"
#include "basis/task.hpp"
#include "net/http/message.hpp"

namespace troupe::client {

struct one_shot {
  endpoint to;
  net::tls::client_options with;
  net::http::request ask;
  duration patience = std::chrono::seconds(10);   ///< For the dial and for the answer, each.
  std::size_t body_max = 1024 * 1024;
};
/// Calls `done` once, on the net shard: the whole answer, or why there is none (refused, timeout, untrusted, closed ...).
void fetch_once(const rt::world& in, one_shot what, callback<void(result<net::http::response>)> done);

}  // namespace troupe::client
