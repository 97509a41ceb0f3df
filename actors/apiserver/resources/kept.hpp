// What a kind keeper computes about the objects it keeps. Pure.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/apiserver/status.hpp"
#include "actors/model/schema/schema.hpp"
#include "actors/model/snapshot.hpp"
#include "storage/engine.hpp"

namespace troupe::apiserver {

/// What leads from `known` to `page` (everything below `prefix` at one revision), in the order of revisions. An object that
/// went and came again shows as erased at the revision before it was created, then created; what is gone, as erased at the
/// page's head. So revisions may come more than once.
std::vector<storage::change> differences(const model::snapshot& known, const storage::page& page, std::string_view prefix);

/// The namespaces there are, by name, and whether objects may be created there.
std::shared_ptr<const std::map<std::string, bool, std::less<>>> active_namespaces(const model::snapshot& namespaces);

/// What a write that the datastore did not commit is answered with.
api_error storage_refusal(const storage::outcome& got, const model::schema::kind& kind, std::string_view name);

/// Events whose latest time is before `oldest` (RFC 3339 in UTC), and the oldest ones beyond `most`.
std::vector<model::document_ptr> outlived(const model::snapshot& events, std::string_view oldest, std::size_t most);

}  // namespace troupe::apiserver
