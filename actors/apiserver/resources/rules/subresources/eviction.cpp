// May this pod go now? (registry/core/pod/rest/eviction.go)
#include "actors/apiserver/resources/rules/parts.hpp"
#include "actors/apiserver/resources/rules/subresources/subresources.hpp"
#include "actors/model/match.hpp"

namespace troupe::apiserver {
namespace {

using rules::number_or;

bool is_ready(const json& pod) {
  for (const auto& each : dig(pod, "status", "conditions"))
    if (dig(each, "type") == "Ready") return dig(each, "status") == "True";
  return false;
}

/// A pod that has ended, was never placed, or is going already takes nothing from anybody.
bool is_free(const json& pod) {
  const auto phase = text_or(dig(pod, "status", "phase"));
  return phase == "Succeeded" || phase == "Failed" || phase == "Pending" || dig(pod, "metadata", "deletionTimestamp").is_string();
}

api_error violates(const std::string& budget, const json& status) {
  auto out = too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", 0);
  out.details["causes"] = json::array({{{"reason", "DisruptionBudget"},
      {"message", "The disruption budget " + budget + " needs " + std::to_string(number_or(dig(status, "desiredHealthy"), 0)) +
                      " healthy pods and has " + std::to_string(number_or(dig(status, "currentHealthy"), 0)) + " currently"}}});
  return out;
}

}  // namespace

eviction judge_eviction(const json& pod, const model::snapshot& budgets, wall_time now) {
  eviction out;
  if (is_free(pod)) return out;
  const auto ns = text_or(dig(pod, "metadata", "namespace"));
  json mine;
  bool several = false;
  budgets.each(ns + "/", [&](const model::document_ptr& doc) {
    if (doc->ns() != ns) return false;
    auto budget = model::parse(*doc);
    if (!model::label_match::of(dig(budget, "spec", "selector")).matches(dig(pod, "metadata", "labels"))) return true;
    several = !mine.is_null();
    mine = std::move(budget);
    return !several;
  });
  if (mine.is_null()) return out;
  if (several) {
    out.refused = internal_error("");
    out.refused->message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    return out;
  }
  const auto name = text_or(dig(mine, "metadata", "name"));
  const auto& status = dig(mine, "status");
  const auto policy = text_or(dig(mine, "spec", "unhealthyPodEvictionPolicy"));
  const bool enough = number_or(dig(status, "currentHealthy"), 0) >= number_or(dig(status, "desiredHealthy"), 0) && number_or(dig(status, "desiredHealthy"), 0) > 0;
  // A pod that is not ready is not among the healthy ones: it may go while there are enough of those.
  if (!is_ready(pod) && (policy == "AlwaysAllow" || enough)) return out;
  if (number_or(dig(status, "observedGeneration"), 0) < number_or(dig(mine, "metadata", "generation"), 0)) {
    out.refused = too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", 10);
    out.refused->details["causes"] = json::array({{{"reason", "DisruptionBudget"}, {"message", "The disruption budget " + name + " is still being processed by the server."}}});
    return out;
  }
  const auto allowed = number_or(dig(status, "disruptionsAllowed"), 0);
  if (allowed <= 0) {
    out.refused = violates(name, status);
    return out;
  }
  out.budget = name;
  out.patch = {{"metadata", {{"resourceVersion", dig(mine, "metadata", "resourceVersion")}}},
               {"status", {{"disruptionsAllowed", allowed - 1}, {"disruptedPods", {{text_or(dig(pod, "metadata", "name")), to_rfc3339(now)}}}}}};
  return out;
}

}  // namespace troupe::apiserver
