// What controllers ask about pods. Pure.
#pragma once
#include <string>
#include <vector>

#include "actors/controllers/workshop/plan.hpp"

namespace troupe::controllers {

/// Neither ended nor going.
bool is_active(const json& pod);
bool is_ready(const json& pod);
/// Ready for that long; `wait`, when given, becomes how long until it may be, if only time is missing.
bool is_available(const json& pod, std::int64_t min_ready_seconds, wall_time now, std::optional<duration>* wait = nullptr);
/// A pod of the owner's template: labels, annotations and finalizers of the template, name by generateName, owned.
json pod_of(const json& owner, const json& pod_template);
/// The first `count` of them in the order in which upstream takes pods away; `crowd` is how many of all the related pods run on
/// the same node.
std::vector<object_ptr> first_to_go(std::vector<object_ptr> pods, std::size_t count);
/// The same object controlled by `uid`: pods, or what `plural` names.
std::vector<object_ptr> controlled(const store& all, const std::string& plural, const std::string& uid);

}  // namespace troupe::controllers
