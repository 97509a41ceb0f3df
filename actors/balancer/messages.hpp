// The agent's balancer: one local port behind which the servers come and go.
#pragma once
#include <memory>
#include <vector>

#include "actors/front/messages.hpp"
#include "actors/runtime/handle.hpp"
#include "basis/ids.hpp"
#include "net/stream.hpp"

namespace troupe::balancer {

/// node -> balancer. Answers the bound address; fails as net::acceptor says.
struct start_balancing { endpoint at; };
/// enrolment, refresher -> balancer: only a newer generation is applied.
struct set_roster { std::vector<endpoint> servers; std::uint64_t generation = 0; };
/// tunnel -> balancer: what a tunnel knows of its server.
struct server_lost { endpoint at; };
struct server_recovered { endpoint at; };
/// its own callbacks -> balancer.
struct client_arrived { std::shared_ptr<net::stream_ptr> stream; };
struct dial_settled { std::uint64_t number = 0; std::shared_ptr<net::stream_ptr> stream; error why; };
struct relay_ended { std::uint64_t number = 0; };
/// anyone -> balancer.
struct show_roster {};
struct roster_view {
  endpoint current;
  std::vector<std::pair<endpoint, std::string>> servers;   ///< With their state.
  std::size_t relays = 0;
};

using balancer_actor =
    rt::handle<endpoint(start_balancing), void(set_roster), void(server_lost), void(server_recovered),
               void(client_arrived), void(dial_settled), void(relay_ended), roster_view(show_roster)>;

}  // namespace troupe::balancer

RT_MESSAGE(troupe::balancer::start_balancing)
RT_MESSAGE(troupe::balancer::set_roster)
RT_MESSAGE(troupe::balancer::server_lost)
RT_MESSAGE(troupe::balancer::server_recovered)
RT_MESSAGE(troupe::balancer::client_arrived)
RT_MESSAGE(troupe::balancer::dial_settled)
RT_MESSAGE(troupe::balancer::relay_ended)
RT_MESSAGE(troupe::balancer::show_roster)
RT_MESSAGE(troupe::balancer::roster_view)
