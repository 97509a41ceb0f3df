// The front owns port 6443 on its net shard and hands each request to the actor whose prefix it has.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/revocation/messages.hpp"
#include "actors/runtime/handle.hpp"
#include "net/http/server.hpp"
#include "net/listener.hpp"
#include "net/tls/tls.hpp"

namespace troupe::front {

/// front -> handler: a whole request, to be answered through its exchange (on the net shard).
struct request_arrived {
  std::shared_ptr<net::http::request> ask;
  net::http::exchange_ptr answer;
};
/// Actors pinned to the front's shard.
using handler_actor = rt::handle<void(request_arrived)>;

/// node -> front: listen at `at`. Answers the bound address; fails as net::acceptor says.
struct start_listening {
  endpoint at;
  std::shared_ptr<const net::tls::server_context> tls;
};
/// certificates -> front: new connections present this identity.
struct replace_identity { std::shared_ptr<const net::tls::server_context> tls; };
/// node -> front: requests whose path starts with `prefix` go to `to`; the longest prefix wins.
struct route_prefix { std::string prefix; handler_actor to; };
/// callbacks -> front, on its own shard.
struct stream_accepted { std::shared_ptr<net::stream_ptr> stream; };
struct connection_ended { std::uint64_t number = 0; };
/// node -> front: stop accepting, end what is idle.
struct stop_listening {};

using front_actor = rt::handle<endpoint(start_listening), void(replace_identity), void(route_prefix),
                               void(stream_accepted), void(connection_ended), void(stop_listening),
                               void(revocation::revocations_changed)>;

}  // namespace troupe::front

RT_MESSAGE(troupe::front::request_arrived)
RT_MESSAGE(troupe::front::start_listening)
RT_MESSAGE(troupe::front::replace_identity)
RT_MESSAGE(troupe::front::route_prefix)
RT_MESSAGE(troupe::front::stream_accepted)
RT_MESSAGE(troupe::front::connection_ended)
RT_MESSAGE(troupe::front::stop_listening)
RT_MESSAGE(troupe::endpoint)
