#include "actors/controllers/workshop/pods.hpp"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace troupe::controllers {
namespace {

/// Less goes first: controller_utils.go, ActivePodsWithRanks.
struct rank {
  bool assigned = false;
  int phase = 0;                     // Pending, Unknown, Running
  bool ready = false;
  std::int64_t cost = 0;
  std::int64_t crowd = 0;            // the more of them on its node, the sooner
  std::string ready_since;           // the later, the sooner
  std::int64_t restarts = 0;         // the more, the sooner
  std::string created, name;
  bool operator<(const rank& other) const {
    return std::tie(assigned, phase, ready, cost, other.crowd, other.ready_since, other.restarts, other.created, name) <
           std::tie(other.assigned, other.phase, other.ready, other.cost, crowd, ready_since, restarts, created, other.name);
  }
};

rank rank_of(const json& pod, const std::map<std::string, std::int64_t>& crowds) {
  rank out;
  const auto node = text_or(dig(pod, "spec", "nodeName")), phase = text_or(dig(pod, "status", "phase"));
  out.assigned = !node.empty();
  out.phase = phase == "Running" ? 2 : phase == "Unknown" ? 1 : 0;
  out.ready = is_ready(pod);
  const auto cost = text_or(dig(pod, "metadata", "annotations", "controller.kubernetes.io/pod-deletion-cost"));
  std::from_chars(cost.data(), cost.data() + cost.size(), out.cost);
  if (const auto found = crowds.find(node); found != crowds.end()) out.crowd = found->second;
  if (out.ready) out.ready_since = text_or(dig(condition(pod, "Ready"), "lastTransitionTime"));
  for (const auto& each : dig(pod, "status", "containerStatuses")) out.restarts = std::max(out.restarts, number(dig(each, "restartCount")));
  out.created = meta(pod, "creationTimestamp");
  out.name = meta(pod, "name");
  return out;
}

}  // namespace

bool is_active(const json& pod) {
  const auto phase = text_or(dig(pod, "status", "phase"));
  return phase != "Succeeded" && phase != "Failed" && !is_going(pod);
}

bool is_ready(const json& pod) { return dig(condition(pod, "Ready"), "status") == "True"; }

bool is_available(const json& pod, std::int64_t min_ready_seconds, wall_time now, std::optional<duration>* wait) {
  if (!is_ready(pod)) return false;
  if (min_ready_seconds == 0) return true;
  const auto since = parse_rfc3339(text_or(dig(condition(pod, "Ready"), "lastTransitionTime")));
  if (!since) return false;
  const auto left = *since + std::chrono::seconds(min_ready_seconds) - now;
  if (left <= duration::zero()) return true;
  if (wait) *wait = *wait ? std::min(**wait, duration(left)) : duration(left);
  return false;
}

json pod_of(const json& owner, const json& pod_template) {
  json metadata{{"generateName", meta(owner, "name") + "-"}, {"namespace", meta(owner, "namespace")},
                {"ownerReferences", json::array({controller_reference(owner)})}};
  for (auto key : {"labels", "annotations", "finalizers"})
    if (const auto& value = dig(pod_template, "metadata", key); !value.is_null()) metadata[key] = value;
  return {{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", std::move(metadata)}, {"spec", dig(pod_template, "spec")}};
}

std::vector<object_ptr> first_to_go(std::vector<object_ptr> pods, std::size_t count) {
  std::map<std::string, std::int64_t> crowds;
  for (const auto& each : pods) ++crowds[text_or(dig(*each, "spec", "nodeName"))];
  std::vector<std::pair<rank, object_ptr>> ranked;
  for (auto& each : pods) ranked.emplace_back(rank_of(*each, crowds), std::move(each));
  std::ranges::sort(ranked, [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<object_ptr> out;
  for (std::size_t i = 0; i < count && i < ranked.size(); ++i) out.push_back(std::move(ranked[i].second));
  return out;
}

std::vector<object_ptr> controlled(const store& all, const std::string& plural, const std::string& uid) {
  std::vector<object_ptr> out;
  for (const auto& [kind, key] : all.dependents(uid)) {
    if (kind != plural) continue;
    auto object = all.find(kind, key);
    if (object && text_or(dig(controller_of(*object), "uid")) == uid) out.push_back(std::move(object));
  }
  return out;
}

}  // namespace troupe::controllers
