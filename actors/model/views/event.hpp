// The Event by which somebody says what he did to an object, as `kubectl describe` and `kubectl events` show it. Pure.
#pragma once
#include <string>

#include "basis/clock.hpp"
#include "basis/json.hpp"

namespace troupe::model {

struct event_words {
  std::string type = "Normal";       ///< Or "Warning".
  std::string reason, message;
  std::string component;             ///< Who says it: "default-scheduler", "deployment-controller".
};
/// A core/v1 Event about `object` (which has kind, apiVersion and metadata). Its name follows from the object's uid, the
/// reason and the message: the same thing said again is the same event, whose count whoever says it raises.
json event_about(const json& object, const event_words& say, wall_time now);
/// The collection it belongs to: "/api/v1/namespaces/NS/events".
std::string events_path(const json& event);
/// The merge patch that says it happened once more.
json event_again(std::int64_t count, wall_time now);

}  // namespace troupe::model
