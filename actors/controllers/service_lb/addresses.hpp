// Which addresses a LoadBalancer Service is answered with: those of nodes, as K3s's ServiceLB does it. Pure.
//
// Ports are claimed on nodes, first come first served: of two Services that want one port, the older has it and the
// younger gets no address of that node. Labels as K3s: with svccontroller.k3s.cattle.io/enablelb=true on any node only such
// nodes serve, and .../lbpool ties Services to nodes of the same pool.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "basis/json.hpp"

namespace troupe::controllers {

using object_map = std::map<std::string, std::shared_ptr<const json>>;

struct balanced {
  json ingress = json::array();      ///< status.loadBalancer.ingress.
  std::string blocked_by;            ///< The Service that has one of its ports on every node it could be on; else empty.
};

/// The names of nodes with a ready endpoint, from the slices of one Service.
std::set<std::string> nodes_with_endpoints(const std::vector<std::shared_ptr<const json>>& slices);

/// For every LoadBalancer Service without a class (or of K3s's), by key. `local` says where ready endpoints are, for Services whose externalTrafficPolicy is
/// Local. `reserved` are TCP ports of the node itself, which nobody gets.
std::map<std::string, balanced> balance(const object_map& services, const object_map& nodes, const std::map<std::string, std::set<std::string>>& local,
                                        const std::set<int>& reserved);

}  // namespace troupe::controllers
