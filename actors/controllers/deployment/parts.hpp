// What the files of this room share: a deployment with its ReplicaSets. Pure.
#pragma once
#include <algorithm>

#include "actors/controllers/deployment/deployment.hpp"

namespace troupe::controllers::rollout {

inline constexpr const char* component = "deployment-controller";
inline constexpr const char* revision_note = "deployment.kubernetes.io/revision";
inline constexpr const char* desired_note = "deployment.kubernetes.io/desired-replicas";
inline constexpr const char* most_note = "deployment.kubernetes.io/max-replicas";
inline constexpr const char* hash_label = "pod-template-hash";

struct scene {
  const store& all;
  const moment& at;
  object_ptr deployment;
  std::vector<object_ptr> sets;      ///< All of ours, oldest first.
  object_ptr fresh;                  ///< The one of the present template, or null.
  std::vector<object_ptr> old;       ///< The others.
  std::int64_t wanted = 1;
  bool rolling = true;
  rolling_limits limits;

  std::int64_t most() const { return wanted + (rolling ? limits.surge : 0); }
};

inline std::int64_t replicas_of(const json& set) { return number(dig(set, "spec", "replicas"), 1); }
inline std::int64_t note(const json& object, const char* name) {
  const auto text = text_or(dig(object, "metadata", "annotations", name));
  std::int64_t out = 0;
  for (char c : text)
    if (c >= '0' && c <= '9') out = out * 10 + (c - '0');
  return out;
}
std::int64_t sum(const std::vector<object_ptr>& sets, std::int64_t (*of)(const json&));
std::int64_t seen(const json& set, const char* name);
/// What a set wants or still has: pods that shall go count until they do, so that a surge is never exceeded, not for a moment.
inline std::int64_t held(const json& set) { return std::max(replicas_of(set), number(dig(set, "status", "replicas"))); }

/// The status the deployment should have, conditions included.
json status_of(const scene& now, plan& out);
/// A step that gives a set so many replicas, with the notes of the deployment and an event; nothing when it has all that.
std::optional<step> rescale(const scene& now, const object_ptr& set, std::int64_t replicas);
/// Makes the ReplicaSet of the present template, or brings the notes of the one there is up to date.
void settle_fresh(const scene& now, plan& out);

}  // namespace troupe::controllers::rollout
