#include "actors/controllers/deployment/deployment.hpp"

#include <algorithm>

#include "actors/controllers/deployment/parts.hpp"
#include "actors/controllers/workshop/pods.hpp"
#include "actors/model/match.hpp"

namespace troupe::controllers {
namespace {

using namespace rollout;

std::int64_t share(const json& value, std::int64_t of, bool up) {
  if (value.is_number_integer()) return value.get<std::int64_t>();
  std::int64_t percent = 0;
  for (char c : text_or(value))
    if (c >= '0' && c <= '9') percent = percent * 10 + (c - '0');
  return (percent * of + (up ? 99 : 0)) / 100;
}

json without_hash(json pod_template) {
  if (dig(pod_template, "metadata", "labels").is_object()) pod_template["metadata"]["labels"].erase(hash_label);
  if (dig(pod_template, "metadata", "labels").empty() && dig(pod_template, "metadata").is_object()) pod_template["metadata"].erase("labels");
  return pod_template;
}

bool older(const object_ptr& a, const object_ptr& b) {
  const auto first = meta(*a, "creationTimestamp"), second = meta(*b, "creationTimestamp");
  return first != second ? first < second : meta(*a, "name") < meta(*b, "name");
}

scene look(const store& all, const object_ptr& deployment, const moment& at) {
  scene out{all, at, deployment, controlled(all, "replicasets", uid_of(*deployment)), nullptr, {}, 1, true, {}};
  std::ranges::sort(out.sets, older);
  const auto wanted = without_hash(dig(*deployment, "spec", "template"));
  for (const auto& each : out.sets) {
    const bool same = !out.fresh && without_hash(dig(*each, "spec", "template")) == wanted;
    if (same) out.fresh = each;
    else out.old.push_back(each);
  }
  out.wanted = number(dig(*deployment, "spec", "replicas"), 1);
  out.rolling = dig(*deployment, "spec", "strategy", "type") != "Recreate";
  out.limits = limits_of(*deployment);
  return out;
}

void add(plan& out, std::optional<step> one) {
  if (one) out.add(std::move(*one));
}

/// Somebody changed how many there shall be: everybody grows or shrinks in proportion, and the rollout goes on from there.
void scale(const scene& now, plan& out) {
  std::vector<object_ptr> active;
  for (const auto& each : now.sets)
    if (replicas_of(*each) > 0) active.push_back(each);
  if (active.size() <= 1) {
    const auto& only = active.empty() ? now.fresh : active[0];
    if (only) add(out, rescale(now, only, now.wanted));
    return;
  }
  // The new one has all that are wanted: the old ones are only in the way.
  if (now.fresh && replicas_of(*now.fresh) == now.wanted && seen(*now.fresh, "availableReplicas") == now.wanted) {
    for (const auto& each : now.old)
      if (replicas_of(*each) > 0) add(out, rescale(now, each, 0));
    return;
  }
  if (!now.rolling) return;
  std::ranges::stable_sort(active, [](const auto& a, const auto& b) { return replicas_of(*a) > replicas_of(*b); });
  std::vector<std::int64_t> counts;
  for (const auto& each : active) counts.push_back(replicas_of(*each));
  const auto next = proportions(counts, now.wanted > 0 ? now.most() : 0);
  for (std::size_t i = 0; i < active.size(); ++i) add(out, rescale(now, active[i], next[i]));
}

bool is_scaling(const scene& now) {
  return std::ranges::any_of(now.sets, [&](const object_ptr& each) { return replicas_of(*each) > 0 && note(*each, desired_note) != now.wanted; });
}

/// True when it did something.
bool grow_fresh(const scene& now, plan& out) {
  const auto have = replicas_of(*now.fresh);
  if (have == now.wanted) return false;
  if (have > now.wanted) return add(out, rescale(now, now.fresh, now.wanted)), true;
  const auto total = sum(now.old, &held) + have;
  if (total >= now.most()) return false;
  add(out, rescale(now, now.fresh, std::min(now.wanted, have + now.most() - total)));
  return true;
}

void shrink_old(const scene& now, plan& out) {
  const auto least = now.wanted - now.limits.unavailable;
  const auto missing = replicas_of(*now.fresh) - seen(*now.fresh, "availableReplicas");
  auto room = sum(now.sets, &replicas_of) - least - missing;
  if (room <= 0) return;
  stage changes;
  std::map<std::string, std::int64_t> left;
  for (const auto& each : now.old) left[meta(*each, "name")] = replicas_of(*each);
  // First what does not work anyway, then what does while enough remain.
  for (const auto& each : now.old) {
    auto& count = left[meta(*each, "name")];
    const auto broken = std::min({room, count, count - seen(*each, "availableReplicas")});
    if (broken > 0) count -= broken, room -= broken;
  }
  auto spare = sum(now.sets, [](const json& set) { return seen(set, "availableReplicas"); }) - least;
  for (const auto& each : now.old) {
    auto& count = left[meta(*each, "name")];
    const auto fewer = std::min({spare, count});
    if (fewer > 0) count -= fewer, spare -= fewer;
  }
  for (const auto& each : now.old)
    if (left[meta(*each, "name")] != replicas_of(*each))
      if (auto one = rescale(now, each, left[meta(*each, "name")])) changes.push_back(std::move(*one));
  if (!changes.empty()) out.stages.push_back(std::move(changes));
}

/// All old pods are gone before the first new one is made.
void recreate(const scene& now, plan& out) {
  bool any = false;
  for (const auto& each : now.old)
    if (replicas_of(*each) > 0) add(out, rescale(now, each, 0)), any = true;
  if (any) return;
  for (const auto& each : now.old)
    for (const auto& pod : controlled(now.all, "pods", uid_of(*each))) {
      const auto phase = text_or(dig(*pod, "status", "phase"));
      if (phase != "Succeeded" && phase != "Failed") return;
    }
  if (!now.fresh) return settle_fresh(now, out);
  settle_fresh(now, out);
  add(out, rescale(now, now.fresh, now.wanted));
}

/// Sets that hold nothing and are older than the history reaches.
void forget_history(const scene& now, plan& out) {
  const auto& limit = dig(*now.deployment, "spec", "revisionHistoryLimit");
  if (!limit.is_number_integer()) return;
  auto kept = now.old;
  std::erase_if(kept, [](const object_ptr& each) { return is_going(*each); });
  std::ranges::stable_sort(kept, [](const auto& a, const auto& b) { return note(*a, revision_note) < note(*b, revision_note); });
  const auto too_many = static_cast<std::int64_t>(kept.size()) - limit.get<std::int64_t>();
  for (std::int64_t i = 0; i < too_many; ++i) {
    const auto& each = kept[static_cast<std::size_t>(i)];
    const bool idle = seen(*each, "replicas") == 0 && replicas_of(*each) == 0 &&
                      number(dig(*each, "metadata", "generation")) <= seen(*each, "observedGeneration");
    if (idle) out.add(remove_object("replicasets", each));
  }
}

void roll(const scene& now, plan& out) {
  if (!now.rolling) return recreate(now, out);
  settle_fresh(now, out);
  if (!now.fresh || !out.stages.empty()) return;
  if (!grow_fresh(now, out)) shrink_old(now, out);
}

}  // namespace

rolling_limits limits_of(const json& deployment) {
  const auto wanted = number(dig(deployment, "spec", "replicas"), 1);
  const auto& rolling = dig(deployment, "spec", "strategy", "rollingUpdate");
  rolling_limits out{share(dig(rolling, "maxSurge"), wanted, true), share(dig(rolling, "maxUnavailable"), wanted, false)};
  if (out.surge == 0 && out.unavailable == 0) out.unavailable = 1;
  out.unavailable = std::min(out.unavailable, wanted);
  return out;
}

plan decide_deployment(const store& all, const std::string& key, const moment& at) {
  plan out;
  const auto deployment = all.find("deployments", key);
  if (!deployment) return out;
  const auto match = model::label_match::of(dig(*deployment, "spec", "selector"));
  if (!is_going(*deployment))
    for (const auto& set : all.orphans("replicasets", meta(*deployment, "namespace")))
      if (!is_going(*set) && match.matches(dig(*set, "metadata", "labels"))) out.add(adopt("replicasets", *set, *deployment));
  if (!out.stages.empty()) return out;
  const auto now = look(all, deployment, at);
  auto status = status_of(now, out);
  const bool told = status == dig(*deployment, "status");
  if (is_going(*deployment)) {
    if (!told) out.add(put_status("deployments", *deployment, std::move(status)));
    return out;
  }
  if (dig(*deployment, "spec", "paused") == true || (now.rolling && is_scaling(now))) scale(now, out);
  else roll(now, out);
  if (out.stages.empty()) forget_history(now, out);
  // Last, because its revision is the deployment's own: what came before may have noted something there.
  if (!told && std::ranges::none_of(out.stages, [](const stage& each) { return each[0].plural == "deployments"; }))
    out.add(put_status("deployments", *deployment, std::move(status)));
  return out;
}

}  // namespace troupe::controllers
