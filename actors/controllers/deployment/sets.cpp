// The ReplicaSets of a deployment: names, notes, counts.
#include <algorithm>

#include "actors/controllers/deployment/parts.hpp"

namespace troupe::controllers {

std::string template_hash(const json& pod_template, std::int64_t collisions) {
  constexpr std::string_view letters = "bcdfghjklmnpqrstvwxz2456789";
  auto text = to_text(pod_template);
  if (collisions > 0) text += "/" + std::to_string(collisions);
  std::uint32_t sum = 2166136261U;
  for (unsigned char c : text) sum = (sum ^ c) * 16777619U;
  auto out = std::to_string(sum);
  for (char& c : out) c = letters[static_cast<unsigned char>(c) % letters.size()];
  return out;
}

std::vector<std::int64_t> proportions(const std::vector<std::int64_t>& now, std::int64_t allowed) {
  std::int64_t total = 0;
  for (const auto each : now) total += each;
  auto out = now;
  if (total == 0 || now.empty()) return out;
  std::int64_t left = allowed - total;
  const auto change = left;
  for (std::size_t i = 0; i < out.size(); ++i) {
    // Rounded to the nearest, and never past what there is to share.
    const double exact = static_cast<double>(now[i]) * static_cast<double>(allowed) / static_cast<double>(total);
    auto more = static_cast<std::int64_t>(exact + 0.5) - now[i];
    more = change > 0 ? std::clamp<std::int64_t>(more, 0, left) : std::clamp<std::int64_t>(more, left, 0);
    out[i] += more;
    left -= more;
  }
  out[0] = std::max<std::int64_t>(0, out[0] + left);
  return out;
}

namespace rollout {
namespace {

/// Notes that belong to a set, not to the deployment they are copied from.
bool is_own(const std::string& name) {
  return name == revision_note || name == "deployment.kubernetes.io/revision-history" || name == desired_note || name == most_note ||
         name == "kubectl.kubernetes.io/last-applied-configuration" || name == "deprecated.deployment.rollback.to";
}

json notes_for(const scene& now, const json& before, std::int64_t revision) {
  json out = before.is_object() ? before : json::object();
  for (const auto& [name, value] : dig(*now.deployment, "metadata", "annotations").items())
    if (!is_own(name)) out[name] = value;
  const auto was = text_or(dig(out, revision_note));
  if (const auto is = std::to_string(revision); was != is) {
    if (!was.empty()) {
      auto& history = out["deployment.kubernetes.io/revision-history"];
      history = history.is_string() ? history.get<std::string>() + "," + was : was;
    }
    out[revision_note] = is;
  }
  out[desired_note] = std::to_string(now.wanted);
  out[most_note] = std::to_string(now.most());
  return out;
}

/// How many pods the new set may begin with.
std::int64_t first_count(const scene& now) {
  if (!now.rolling) return now.wanted;
  const auto have = sum(now.old, &held);
  return std::clamp<std::int64_t>(now.most() - have, 0, now.wanted);
}

void make_fresh(const scene& now, std::int64_t revision, plan& out) {
  const auto& deployment = *now.deployment;
  const auto hash = template_hash(dig(deployment, "spec", "template"), number(dig(deployment, "status", "collisionCount")));
  json pod = dig(deployment, "spec", "template"), selector = dig(deployment, "spec", "selector");
  pod["metadata"]["labels"][hash_label] = hash;
  selector["matchLabels"][hash_label] = hash;
  const auto count = first_count(now);
  json set{{"apiVersion", "apps/v1"}, {"kind", "ReplicaSet"},
           {"metadata", {{"name", meta(deployment, "name") + "-" + hash}, {"namespace", meta(deployment, "namespace")},
                         {"labels", pod["metadata"]["labels"]}, {"annotations", notes_for(now, json(), revision)},
                         {"ownerReferences", json::array({controller_reference(deployment)})}}},
           {"spec", {{"replicas", count}, {"selector", std::move(selector)}, {"template", std::move(pod)}}}};
  if (const auto& patience = dig(deployment, "spec", "minReadySeconds"); !patience.is_null()) set["spec"]["minReadySeconds"] = patience;
  const auto name = meta(set, "name");
  auto one = make_object("replicasets", meta(deployment, "namespace"), std::move(set));
  one.about = now.deployment;
  if (count > 0) one.done = {"Normal", "ScalingReplicaSet", "Scaled up replica set " + name + " from 0 to " + std::to_string(count), component};
  one.failed = {"Warning", "ReplicaSetCreateError", "Failed to create new replica set \"" + name + "\": {why}", component};
  out.add(std::move(one));
}

}  // namespace

std::optional<step> rescale(const scene& now, const object_ptr& set, std::int64_t replicas) {
  const auto have = replicas_of(*set);
  const bool noted = note(*set, desired_note) == now.wanted && note(*set, most_note) == now.most();
  if (have == replicas && noted) return std::nullopt;
  json next = *set;
  next["spec"]["replicas"] = replicas;
  next["metadata"]["annotations"][desired_note] = std::to_string(now.wanted);
  next["metadata"]["annotations"][most_note] = std::to_string(now.most());
  auto out = put_object("replicasets", std::move(next));
  if (have == replicas) return out;
  out.about = now.deployment;
  out.done = {"Normal", "ScalingReplicaSet", std::string("Scaled ") + (have < replicas ? "up" : "down") + " replica set " + meta(*set, "name") +
                                                 " from " + std::to_string(have) + " to " + std::to_string(replicas), component};
  return out;
}

void settle_fresh(const scene& now, plan& out) {
  const auto& deployment = *now.deployment;
  std::int64_t newest = 0;
  for (const auto& each : now.old) newest = std::max(newest, note(*each, revision_note));
  const auto revision = now.fresh ? std::max(note(*now.fresh, revision_note), newest + 1) : newest + 1;
  if (!now.fresh) {
    // The name is taken by somebody who is not ours: the next hash.
    const auto hash = template_hash(dig(deployment, "spec", "template"), number(dig(deployment, "status", "collisionCount")));
    if (now.all.find("replicasets", meta(deployment, "namespace") + "/" + meta(deployment, "name") + "-" + hash)) {
      json status = dig(deployment, "status");
      status["collisionCount"] = number(dig(status, "collisionCount")) + 1;
      return out.add(put_status("deployments", deployment, std::move(status)));
    }
    make_fresh(now, revision, out);
  } else {
    json notes = notes_for(now, dig(*now.fresh, "metadata", "annotations"), revision);
    // Counts are noted when they are given.
    for (auto key : {desired_note, most_note}) notes[key] = dig(*now.fresh, "metadata", "annotations", key);
    const auto patience = dig(deployment, "spec", "minReadySeconds");
    if (notes != dig(*now.fresh, "metadata", "annotations") || patience != dig(*now.fresh, "spec", "minReadySeconds")) {
      json next = *now.fresh;
      next["metadata"]["annotations"] = std::move(notes);
      if (patience.is_null()) next["spec"].erase("minReadySeconds");
      else next["spec"]["minReadySeconds"] = patience;
      out.add(put_object("replicasets", std::move(next)));
    }
  }
  if (note(deployment, revision_note) != revision)
    out.add(patch_object("deployments", deployment, {{"metadata", {{"annotations", {{revision_note, std::to_string(revision)}}}}}}, merge_patch));
}

}  // namespace rollout
}  // namespace troupe::controllers
