// Makes the controller that answers LoadBalancer Services with the addresses of nodes; the nodes' own rules
// (actors/service_proxy) serve them there.
#pragma once
#include <set>

#include "actors/controllers/controllers.hpp"

namespace troupe::controllers {

struct service_lb_config {
  std::set<int> reserved;                                   ///< TCP ports of the nodes themselves: API, kubelet.
  duration gather_for = std::chrono::milliseconds(100);
  duration retry_after = std::chrono::seconds(2);
};
controller_actor make_service_lb(const rt::world& in, service_lb_config config, client::api_actor api);

}  // namespace troupe::controllers
