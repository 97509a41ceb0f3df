#include "actors/controllers/life.hpp"

namespace troupe::controllers {
namespace {
constexpr const char* not_ready = "node.kubernetes.io/not-ready";
constexpr const char* unreachable = "node.kubernetes.io/unreachable";
}  // namespace

std::string readiness(const json& node) {
  for (const auto& c : dig(node, "status", "conditions"))
    if (text_or(dig(c, "type")) == "Ready") return text_or(dig(c, "status"));
  return {};
}

std::optional<json> status_change(const json& node, pulse heart, wall_time now) {
  if (heart == pulse::beating || readiness(node) == "Unknown") return std::nullopt;
  json conditions = json::array();
  const std::string at = to_rfc3339(now);
  for (const char* type : {"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"})
    conditions.push_back({{"type", type}, {"status", "Unknown"}, {"reason", "NodeStatusUnknown"},
                          {"message", "Kubelet stopped posting node status."}, {"lastTransitionTime", at}});
  return json{{"status", {{"conditions", std::move(conditions)}}}};
}

std::optional<json> taint_change(const json& node, wall_time now) {
  const auto ready = readiness(node);
  const std::string wanted = ready == "True" ? "" : ready == "Unknown" ? unreachable : not_ready;
  const json present = dig(node, "spec", "taints").is_array() ? dig(node, "spec", "taints") : json::array();
  json next = json::array();
  bool schedule = false, execute = false, changed = false;
  for (const auto& taint : present) {
    const auto key = text_or(dig(taint, "key")), effect = text_or(dig(taint, "effect"));
    const bool ours = key == not_ready || key == unreachable;
    if (ours && key != wanted) {
      changed = true;
      continue;
    }
    if (ours) (effect == "NoExecute" ? execute : schedule) = true;
    next.push_back(taint);
  }
  if (!wanted.empty() && !schedule) next.push_back({{"key", wanted}, {"effect", "NoSchedule"}, {"timeAdded", to_rfc3339(now)}}), changed = true;
  // A node that never was ready has run nothing, so there is nothing to evict.
  if (!wanted.empty() && !execute && !ready.empty())
    next.push_back({{"key", wanted}, {"effect", "NoExecute"}, {"timeAdded", to_rfc3339(now)}}), changed = true;
  if (!changed) return std::nullopt;
  return next;
}

bool clock_differs(std::string_view renewed, wall_time now) {
  const auto said = parse_rfc3339(renewed);
  return said.ok() && (*said > now ? *said - now : now - *said) > clock_gap_max;
}

}  // namespace troupe::controllers
