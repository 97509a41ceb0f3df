// Writes that reach one part of an object: scale, a pod's binding, a pod's eviction. Pure.
#pragma once
#include <optional>
#include <string>
#include <variant>

#include "actors/apiserver/resources/rules/write.hpp"
#include "actors/model/snapshot.hpp"

namespace troupe::apiserver {

/// The autoscaling/v1 Scale of an object that has one, with the selector as text.
json scale_of(const json& object);

/// What the body of a write to `subresource` makes of the stored object: a Scale sets spec.replicas, a Binding spec.nodeName
/// and the condition PodScheduled (409 when the pod is bound or going). Bodies of other subresources are the object itself
/// and come back as they are.
std::variant<json, api_error> apply_part(const schema::kind& kind, std::string_view subresource, const json& old, json body, wall_time now);
/// What such a write is answered with instead of the object: JSON text, or nothing.
std::optional<std::string> part_answer(std::string_view subresource, const model::document& now);
/// The subresource that the rules of updating see: a Scale's change is a change of the object.
std::string_view part_rule(std::string_view subresource);
/// apply_patch to the object's Scale.
std::variant<prepared, api_error> patch_scale(std::string_view content_type, const json& old, std::string_view body, const write_context& ctx);

/// What an eviction comes to: 429 or 500, or the budget that pays for it (with its patch), or neither.
struct eviction {
  std::optional<api_error> refused;
  std::string budget;         ///< Name of the PodDisruptionBudget whose /status takes `patch` first; "" when none is asked.
  json patch;                 ///< Merge patch, at the budget's revision.
};
eviction judge_eviction(const json& pod, const model::snapshot& budgets, wall_time now);

}  // namespace troupe::apiserver
