// Carries out what plan.hpp wants on this node's links: looks at what is, changes what differs. Blocks for some
// milliseconds; knows no actor.
#pragma once
#include "actors/flannel/plan.hpp"
#include "net/link/link.hpp"

namespace troupe::flannel {

struct place {
  backend with = backend::vxlan;
  std::string node, address, link;      ///< As in flannel_config.
};
/// Answers the MTU that pods may use. Fails with the first thing that could not be done; the others are done all the same
/// where they can be. not_found until the node's own peer has a network.
result<unsigned> settle(net::link_table& links, const place& at, const std::map<std::string, peer>& peers);

}  // namespace troupe::flannel
