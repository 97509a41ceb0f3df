// The Node as this kubelet describes itself. Pure.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "basis/clock.hpp"
#include "basis/ids.hpp"
#include "basis/json.hpp"
#include "net/host/host.hpp"

namespace troupe::kubelet {

/// What runs containers here, as the Node's status tells it.
struct runtime_facts {
  bool wanted = false;                         ///< False: this node runs none, and is Ready all the same.
  std::string version;                         ///< "containerd://1.6.20"
  bool ready = false;
  std::string why;                             ///< When it is not.
  json images = json::array();                 ///< status.images
};
inline bool runtime_ready(const runtime_facts& of) { return !of.wanted || of.ready; }

struct node_facts {
  node_name name;
  std::vector<std::string> addresses;
  std::uint16_t port = 10250;
  std::string version;                         ///< "v1.33.0+troupe0.1.0"
  std::map<std::string, std::string> labels;   ///< --node-label
  std::vector<json> taints;                    ///< --node-taint, as Node taints.
  net::machine_facts machine;
  runtime_facts runtime;
};

/// A condition as it was said last: the time of its turn stays while its status does.
struct known_condition { std::string status; wall_time since{}; };
using known_conditions = std::map<std::string, known_condition>;   // by type
/// From an object's status; the conditions that a kubelet sets, no others.
known_conditions conditions_of(const json& status);

/// The object to create. It starts with the not-ready taint, as upstream's admission sets it.
json new_node(const node_facts& facts, wall_time now);
/// Labels that every start brings up to date, as a merge patch.
json label_patch(const node_facts& facts);
/// status, with all conditions; `before` says since when those hold that have not turned.
json node_status(const node_facts& facts, wall_time now, const known_conditions& before);
/// What turned, as upstream's kubelet calls it in events: "NodeReady", "NodeHasDiskPressure" ... In upstream's order.
std::vector<std::string> turns(const known_conditions& before, const known_conditions& after);
/// The Lease in kube-node-lease; owned by the Node with this uid.
json node_lease(const node_name& name, const std::string& node_uid, wall_time now, duration life);

}  // namespace troupe::kubelet
