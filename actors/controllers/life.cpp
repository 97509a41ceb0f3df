#include "actors/controllers/life.hpp"

#include <map>

namespace troupe::controllers {
namespace {
constexpr const char* not_ready = "node.kubernetes.io/not-ready";
constexpr const char* unreachable = "node.kubernetes.io/unreachable";
/// What else keeps new pods away while it holds, and says nothing to those that run.
struct keeps_away { const char *condition, *taint; };
constexpr keeps_away pressures[] = {{"MemoryPressure", "node.kubernetes.io/memory-pressure"}, {"DiskPressure", "node.kubernetes.io/disk-pressure"},
                                    {"PIDPressure", "node.kubernetes.io/pid-pressure"}, {"NetworkUnavailable", "node.kubernetes.io/network-unavailable"}};
constexpr const char* cordoned = "node.kubernetes.io/unschedulable";

std::string status_of(const json& node, std::string_view type) {
  for (const auto& c : dig(node, "status", "conditions"))
    if (text_or(dig(c, "type")) == type) return text_or(dig(c, "status"));
  return {};
}

/// By taint: whether it is to be there.
std::map<std::string, bool, std::less<>> quiet_taints(const json& node) {
  std::map<std::string, bool, std::less<>> out{{cordoned, dig(node, "spec", "unschedulable") == true}};
  for (const auto& one : pressures) out[one.taint] = status_of(node, one.condition) == "True";
  return out;
}
}  // namespace

std::string readiness(const json& node) { return status_of(node, "Ready"); }

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
  auto quiet = quiet_taints(node);
  for (const auto& taint : present) {
    const auto key = text_or(dig(taint, "key")), effect = text_or(dig(taint, "effect"));
    const bool ours = key == not_ready || key == unreachable;
    if (ours && key != wanted) {
      changed = true;
      continue;
    }
    if (const auto known = quiet.find(key); known != quiet.end() && effect == "NoSchedule") {
      if (!known->second) {
        changed = true;
        continue;
      }
      known->second = false;   // it is there
    }
    if (ours) (effect == "NoExecute" ? execute : schedule) = true;
    next.push_back(taint);
  }
  if (!wanted.empty() && !schedule) next.push_back({{"key", wanted}, {"effect", "NoSchedule"}, {"timeAdded", to_rfc3339(now)}}), changed = true;
  // A node that never was ready has run nothing, so there is nothing to evict.
  if (!wanted.empty() && !execute && !ready.empty())
    next.push_back({{"key", wanted}, {"effect", "NoExecute"}, {"timeAdded", to_rfc3339(now)}}), changed = true;
  for (const auto& [key, lacks] : quiet)
    if (lacks) next.push_back({{"key", key}, {"effect", "NoSchedule"}, {"timeAdded", to_rfc3339(now)}}), changed = true;
  if (!changed) return std::nullopt;
  return next;
}

bool clock_differs(std::string_view renewed, wall_time now) {
  const auto said = parse_rfc3339(renewed);
  return said.ok() && (*said > now ? *said - now : now - *said) > clock_gap_max;
}

}  // namespace troupe::controllers
