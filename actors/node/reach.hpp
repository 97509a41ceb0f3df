// With what a server reaches its nodes: the switchboard of tunnels, the egress before it, the other servers behind it.
#pragma once
#include "actors/egress/messages.hpp"
#include "actors/node/ground.hpp"
#include "actors/runtime/world.hpp"
#include "actors/tunnel/messages.hpp"

namespace troupe::node {

struct node_reach {
  tunnel::switchboard_actor switchboard;
  egress::egress_actor egress;
  egress::peers_actor peers;                ///< Once it is open, and where there may be others.
  std::vector<caf::strong_actor_ptr> all;   ///< What is to be ended with the server.
};
/// Before the API stands: tunnels may be opened, nodes are reached by name.
node_reach make_reach(const rt::world& in, const ground& on);
/// The API stands: addresses are known from now on, and (`peers`, of a store that is shared) so are the other servers.
void open_reach(const rt::world& in, node_reach& reach, const ground& on, const client::api_actor& api, const server_keys* peers);

}  // namespace troupe::node
