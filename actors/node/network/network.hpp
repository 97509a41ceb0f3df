// What gives this node's pods a network: flannel's part, the service proxy, DNS. A list, as agent.cpp is.
#pragma once
#include <vector>

#include "actors/client/messages.hpp"
#include "actors/node/config.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::node {

struct network_needs {
  const agent_config& config;
  node_name node;
  const json& cluster;               ///< What servers tell their agents of the cluster.
};
/// Makes all of them, for a node that runs containers; the caller ends them. None where this process may not change the
/// network, or another node of this machine keeps it: that is said in the log, once.
std::vector<caf::strong_actor_ptr> start_network(const rt::world& in, const network_needs& with, const client::api_actor& api);

/// "10.42.0.0/16" of {"IP": "10.42.0.0", "Mask": "//8AAA=="}, as servers write networks; empty when it is none.
std::string cidr_text(const json& network);

}  // namespace troupe::node
