// What a controller wants done: calls to the API, in stages. Within a stage all are on their way together; the next begins
// when all of one have been done. Decisions make plans, the workshop carries them out. Pure.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "actors/controllers/workshop/store.hpp"
#include "actors/model/views/event.hpp"
#include "basis/clock.hpp"

namespace troupe::controllers {

struct step {
  std::string method, path;
  json body;
  std::string type = "application/json";
  std::string plural;                ///< Kind of what the answer holds; "" when it is not kept.
  object_ptr gone;                   ///< A DELETE: of this very object.
  object_ptr about;                  ///< Whom events are about; null: none are said.
  model::event_words done, failed;   ///< Without a reason: not said. "{name}" stands for the answered object's name.
  bool may_be_gone = false;          ///< 404 is as good as done.
  bool must_be_absent = false;       ///< A GET: goes on only when there is no object of uid `absent_uid`.
  std::string absent_uid;
};
using stage = std::vector<step>;
struct plan {
  std::vector<stage> stages;
  std::optional<duration> again;     ///< Decide anew after so long, whatever happens.
  std::size_t looked_at = 0;         ///< How many dependents were counted: the more, the longer until it is done again.
  void add(step one) { stages.push_back({std::move(one)}); }
};

/// What a decision may know beside the store.
struct moment {
  wall_time now{};
  std::string failure;               ///< Why the last plan of this duty failed; "" when it did not.
};

inline constexpr const char* merge_patch = "application/merge-patch+json";
inline constexpr const char* strategic_patch = "application/strategic-merge-patch+json";

step make_object(const std::string& plural, const std::string& ns, json object);
/// At the object's revision: a conflict means look again.
step put_status(const std::string& plural, const json& object, json status);
step put_object(const std::string& plural, json object);
step patch_object(const std::string& plural, const json& object, json patch, const char* type);
/// Deletes this very object (its uid is the precondition).
step remove_object(const std::string& plural, const object_ptr& object, const char* propagation = "Background");
/// Stages of 1, 2, 4 ...: when creating fails, it fails once and not a hundred times.
void add_slowly(plan& to, std::vector<step> all);
/// Makes `owner` the controller of an orphan, or lets go of a dependent.
step adopt(const std::string& plural, const json& object, const json& owner);
step release(const std::string& plural, const json& object, const std::string& owner_uid);

/// conditions with one set: lastTransitionTime moves with the status, lastUpdateTime (where `updates`) with any change.
json with_condition(const json& conditions, const std::string& type, const std::string& status, const std::string& reason,
                    const std::string& message, wall_time now, bool updates);
const json& condition(const json& object, std::string_view type);

}  // namespace troupe::controllers
