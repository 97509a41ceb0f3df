// The Event by which somebody says what he did to an object, as `kubectl describe` and `kubectl events` show it. Pure.
#pragma once
#include <map>
#include <string>

#include "basis/clock.hpp"
#include "basis/json.hpp"

namespace troupe::model {

struct event_words {
  std::string type = "Normal";       ///< Or "Warning".
  std::string reason, message;
  std::string component;             ///< Who says it: "default-scheduler", "deployment-controller".
};
/// A core/v1 Event about `object` (which has kind, apiVersion and metadata), with a name that nobody gave before.
json event_about(const json& object, const event_words& say, wall_time now);
/// The collection it belongs to: "/api/v1/namespaces/NS/events".
std::string events_path(const json& event);
/// The merge patch that says of an Event that is there how often it happened, and when last.
json event_again(const json& event);

/// What one says: the whole Event, and whether it was said before. Then raising its count is enough, unless it is gone meanwhile.
struct told_event { json event; bool again = false; };

/// Remembers what somebody said, so that the same thing said again is the same Event, counted. Pure.
class event_counter {
 public:
  /// `max`: different ones that are remembered; with one more all are forgotten, and are new ones when they are said again.
  explicit event_counter(std::size_t max = 4096) : max_(max) {}
  told_event say(const json& object, const event_words& say, wall_time now);

 private:
  struct entry { std::string name, first; std::int64_t count = 0; };
  std::size_t max_;
  std::map<std::string, entry> known_;
};

}  // namespace troupe::model
