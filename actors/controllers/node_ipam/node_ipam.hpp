// Makes the controller that gives every Node its spec.podCIDR, once: a piece of the cluster's network that no other has.
#pragma once
#include "actors/controllers/controllers.hpp"

namespace troupe::controllers {

struct node_ipam_config {
  std::string cluster_cidr = "10.42.0.0/16";            ///< IPv4; checked by problems(server_config).
  duration retry_after = std::chrono::seconds(1);
};
controller_actor make_node_ipam(const rt::world& in, node_ipam_config config, client::api_actor api);

}  // namespace troupe::controllers
