// Where answers and watch streams go: an HTTP exchange, or an actor inside the process.
#pragma once
#include "actors/apiserver/watch/fan.hpp"
#include "actors/client/messages.hpp"

namespace troupe::apiserver {

std::unique_ptr<watch_sink> make_http_sink(net::http::exchange_ptr to);
/// Ends with one CLOSED event.
std::unique_ptr<watch_sink> make_local_sink(std::uint64_t number, client::watcher_actor to);
/// An exchange without a connection: what is answered is given to `done` as a whole.
net::http::exchange_ptr make_local_exchange(std::function<void(client::api_answer)> done);

}  // namespace troupe::apiserver
