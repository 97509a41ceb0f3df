// Which writes may be answered before they are on disk, because whoever made them repeats them within seconds or nobody
// misses the newest of them: the schema says it per kind (`relaxed`, `heartbeats` in kinds.data). Pure.
#pragma once
#include <string_view>

#include "actors/model/schema/schema.hpp"
#include "basis/json.hpp"
#include "storage/engine.hpp"

namespace troupe::apiserver {

/// By where the object stands: events everywhere, renewals of nodes' leases; a leader's lease must never come back, and who
/// made or removed a lease does so once.
inline bool relaxed_by_place(const model::schema::kind& of, std::string_view ns, storage::operation::kind what) {
  if (of.relaxed_in == "*") return true;
  return !of.relaxed_in.empty() && of.relaxed_in == ns && what == storage::operation::kind::update;
}

/// By what changed: a status that says what it said before, only later.
inline bool relaxed_by_content(const model::schema::kind& of, std::string_view subresource, const json& before,
                               const json& after) {
  if (!of.heartbeats || subresource != "status") return false;
  const auto without_heartbeats = [](json object) {
    if (auto meta = object.find("metadata"); meta != object.end() && meta->is_object()) {
      meta->erase("managedFields");  // Carries the time of the write.
      meta->erase("resourceVersion");
    }
    const auto status = object.find("status");
    if (status == object.end() || !status->is_object()) return object;
    const auto conditions = status->find("conditions");
    if (conditions == status->end() || !conditions->is_array()) return object;
    for (auto& one : *conditions)
      if (one.is_object()) one.erase("lastHeartbeatTime");
    return object;
  };
  return without_heartbeats(before) == without_heartbeats(after);
}

}  // namespace troupe::apiserver
