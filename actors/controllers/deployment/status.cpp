#include <algorithm>

#include "actors/controllers/deployment/parts.hpp"

namespace troupe::controllers::rollout {
namespace {

struct verdict { std::string status, reason, message; };

/// Whether the rollout moves, has arrived, or is stuck; nothing when what is said may stay.
std::optional<verdict> progress(const scene& now, const json& status, plan& out) {
  const auto& deployment = *now.deployment;
  const auto& before = condition(deployment, "Progressing");
  if (dig(deployment, "spec", "progressDeadlineSeconds").is_null()) return std::nullopt;
  const std::string what = now.fresh ? "ReplicaSet \"" + meta(*now.fresh, "name") + "\"" : "Deployment \"" + meta(deployment, "name") + "\"";
  const auto count = [&status](const char* name) { return number(dig(status, name)); };
  const bool paused = dig(deployment, "spec", "paused") == true;
  const auto reason = text_or(dig(before, "reason"));
  if (paused) return verdict{"Unknown", "DeploymentPaused", "Deployment is paused"};
  if (reason == "DeploymentPaused") return verdict{"Unknown", "DeploymentResumed", "Deployment is resumed"};
  if (!now.fresh) return std::nullopt;
  const bool complete = count("updatedReplicas") == now.wanted && count("replicas") == now.wanted && count("availableReplicas") == now.wanted;
  if (complete) return verdict{"True", "NewReplicaSetAvailable", what + " has successfully progressed."};
  const auto& was = dig(deployment, "status");
  const auto older = count("replicas") - count("updatedReplicas"), older_was = number(dig(was, "replicas")) - number(dig(was, "updatedReplicas"));
  const bool moves = count("updatedReplicas") > number(dig(was, "updatedReplicas")) || older < older_was ||
                     count("readyReplicas") > number(dig(was, "readyReplicas")) || count("availableReplicas") > number(dig(was, "availableReplicas"));
  const bool anew = reason == "NewReplicaSetAvailable" || before.is_null();
  if (moves || anew) return verdict{"True", "ReplicaSetUpdated", what + " is progressing."};
  const auto since = parse_rfc3339(text_or(dig(before, "lastUpdateTime")));
  const auto limit = std::chrono::seconds(number(dig(deployment, "spec", "progressDeadlineSeconds"), 600));
  if (!since || reason == "ProgressDeadlineExceeded") return std::nullopt;
  if (now.at.now - *since > limit) return verdict{"False", "ProgressDeadlineExceeded", what + " has timed out progressing."};
  const auto left = duration(*since + limit - now.at.now) + std::chrono::seconds(1);
  out.again = out.again ? std::min(*out.again, left) : left;
  return std::nullopt;
}

}  // namespace

std::int64_t sum(const std::vector<object_ptr>& sets, std::int64_t (*of)(const json&)) {
  std::int64_t out = 0;
  for (const auto& each : sets) out += of(*each);
  return out;
}
std::int64_t seen(const json& set, const char* name) { return number(dig(set, "status", name)); }

json status_of(const scene& now, plan& out) {
  json status = json::object();
  auto count = [&status](const char* name, std::int64_t value) {
    if (value != 0) status[name] = value;
  };
  const auto available = sum(now.sets, [](const json& set) { return seen(set, "availableReplicas"); });
  const auto total = sum(now.sets, [](const json& set) { return seen(set, "replicas"); });
  status["observedGeneration"] = number(dig(*now.deployment, "metadata", "generation"));
  count("replicas", total);
  count("updatedReplicas", now.fresh ? seen(*now.fresh, "replicas") : 0);
  count("readyReplicas", sum(now.sets, [](const json& set) { return seen(set, "readyReplicas"); }));
  count("availableReplicas", available);
  count("unavailableReplicas", std::max<std::int64_t>(0, sum(now.sets, &replicas_of) - available));
  if (const auto& collisions = dig(*now.deployment, "status", "collisionCount"); !collisions.is_null()) status["collisionCount"] = collisions;
  json conditions = dig(*now.deployment, "status", "conditions");
  const bool enough = available >= now.wanted - (now.rolling ? now.limits.unavailable : 0);
  conditions = with_condition(conditions, "Available", enough ? "True" : "False", enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                              enough ? "Deployment has minimum availability." : "Deployment does not have minimum availability.", now.at.now, true);
  if (const auto moved = progress(now, status, out)) {
    conditions = with_condition(conditions, "Progressing", moved->status, moved->reason, moved->message, now.at.now, true);
    // The deadline counts from the last step, also when what is said of it stays the same.
    if (moved->reason == "ReplicaSetUpdated")
      for (auto& each : conditions)
        if (dig(each, "type") == "Progressing" && to_text(status) != to_text([&] { auto was = dig(*now.deployment, "status"); if (was.is_object()) was.erase("conditions"); return was; }()))
          each["lastUpdateTime"] = to_rfc3339(now.at.now);
  }
  const json* failure = nullptr;
  for (const auto& set : now.sets)
    if (const auto& one = condition(*set, "ReplicaFailure"); one.is_object()) failure = &one;
  if (failure)
    conditions = with_condition(conditions, "ReplicaFailure", "True", text_or(dig(*failure, "reason")), text_or(dig(*failure, "message")), now.at.now, true);
  else
    std::erase_if(conditions.get_ref<json::array_t&>(), [](const json& each) { return dig(each, "type") == "ReplicaFailure"; });
  status["conditions"] = std::move(conditions);
  return status;
}

}  // namespace troupe::controllers::rollout
