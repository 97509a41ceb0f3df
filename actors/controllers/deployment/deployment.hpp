// Deployments: one ReplicaSet per template, and the way from the old ones to the new one. Pure; each decision takes the next
// step only, what it brings about leads to the next (pkg/controller/deployment).
#pragma once
#include "actors/controllers/workshop/plan.hpp"

namespace troupe::controllers {

plan decide_deployment(const store& all, const std::string& key, const moment& at);

/// maxSurge and maxUnavailable as counts of pods: percentages of `replicas`, surge rounded up, unavailable down; when both come
/// to nothing one may be unavailable.
struct rolling_limits { std::int64_t surge = 0, unavailable = 0; };
rolling_limits limits_of(const json& deployment);
/// The label pod-template-hash of a template: ten characters at most, a function of the template and the collisions so far.
std::string template_hash(const json& pod_template, std::int64_t collisions);
/// How many replicas each ReplicaSet gets so that together they have `allowed`, in proportion to what they have; the largest
/// first, what is left over goes to the first.
std::vector<std::int64_t> proportions(const std::vector<std::int64_t>& now, std::int64_t allowed);

}  // namespace troupe::controllers
