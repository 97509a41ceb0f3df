// Small duties of a cluster: pods on nodes that refuse them or are gone, what a disruption budget allows. Pure.
#pragma once
#include "actors/controllers/workshop/plan.hpp"

namespace troupe::controllers {

/// A pod under a NoExecute taint goes when its tolerations say so; one whose node is gone goes for good. Only where some time has
/// passed since the taint; before that the plan says when to look again.
plan decide_pod_end(const store& all, const std::string& key, const moment& at);
/// The status of a PodDisruptionBudget.
plan decide_budget(const store& all, const std::string& key, const moment& at);

/// How long a pod may stay under the node's NoExecute taints: nothing for ever, zero for not at all; counted from the taint.
std::optional<duration> stay_left(const json& pod, const json& node, wall_time now);

}  // namespace troupe::controllers
