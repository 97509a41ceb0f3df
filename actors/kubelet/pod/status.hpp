// The status of a pod, as upstream's kubelet writes it. Pure.
#pragma once
#include "actors/kubelet/pod/plan.hpp"

namespace troupe::kubelet {

struct host_facts {
  std::vector<std::string> addresses;      ///< Of the node.
  json present = json::object();           ///< The status as it was last written or read: times of change are kept from it.
  std::map<std::string, std::string> termination_messages;   ///< By container id, as read from their files.
};

/// The whole status to be patched (strategic merge): phase, conditions with their times of change kept from the pod's
/// present status, container statuses, addresses.
json pod_status(const pod_wish& wish, const port::pod_view& seen, const pod_memory& memory, const host_facts& host, wall_time now);
/// "Guaranteed", "Burstable" or "BestEffort".
std::string qos_class(const json& pod);

}  // namespace troupe::kubelet
