// The agent's balancer: local ports behind which the servers come and go.
#pragma once
#include <memory>
#include <vector>

#include "actors/balancer/roster.hpp"
#include "actors/connection/messages.hpp"
#include "actors/front/messages.hpp"
#include "actors/runtime/handle.hpp"
#include "basis/ids.hpp"
#include "net/stream.hpp"

namespace troupe::balancer {

/// node -> balancer: listen here too. Answers the bound address; fails as net::acceptor says.
struct start_balancing { endpoint at; };
/// node, as enrolment and refresher tell it -> balancer: only a newer generation is applied.
struct set_roster { std::vector<endpoint> servers; std::uint64_t generation = 0; };
/// node, when a tunnel came or went -> balancer: look after this server at once.
struct doubt_server { endpoint at; };
/// its own callbacks -> balancer.
struct client_arrived { std::shared_ptr<net::stream_ptr> stream; };
/// balancer -> itself, each second: drains end, relays return, the snapshot is told anew.
struct look_due {};
/// anyone -> balancer.
struct show_roster {};
struct roster_view {
  endpoint current;
  std::vector<roster::row> rows;
  std::uint64_t generation = 0;
  std::size_t relays = 0, waiting = 0;   ///< Clients carried, as the connections last told; clients that wait for a server.
};

using balancer_actor =
    rt::handle<endpoint(start_balancing), void(set_roster), void(doubt_server), void(client_arrived),
               void(connection::dial_settled), void(connection::server_seen), void(connection::client_refused), void(look_due), roster_view(show_roster)>;

}  // namespace troupe::balancer

RT_MESSAGE(troupe::balancer::start_balancing)
RT_MESSAGE(troupe::balancer::set_roster)
RT_MESSAGE(troupe::balancer::doubt_server)
RT_MESSAGE(troupe::balancer::client_arrived)
RT_MESSAGE(troupe::balancer::look_due)
RT_MESSAGE(troupe::balancer::show_roster)
RT_MESSAGE(troupe::balancer::roster_view)
