// The documents that discovery is made of, each as text. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "actors/apiserver/discovery/discovery.hpp"

namespace troupe::apiserver::discovery {

/// A group and version with kinds, in the order of the table.
struct group_version {
  std::string_view group, version;
  std::string api_version() const {
    return group.empty() ? std::string(version) : std::string(group).append("/").append(version);
  }
  /// "api/v1" or "apis/apps/v1".
  std::string path() const { return std::string(group.empty() ? "api/" : "apis/").append(api_version()); }
};
std::vector<group_version> served_versions();
/// Kinds of one group and version, by plural.
std::vector<const schema::kind*> kinds_of(const group_version& of);
/// "create", "delete" ... in alphabetical order.
json verb_names(std::uint16_t verbs);

/// /api, /apis, one group, one group's version; "" when there is no such group or version.
std::string legacy_core(const build_facts& facts);
std::string legacy_groups();
std::string legacy_group(std::string_view group);
std::string legacy_resources(const group_version& of);

/// APIGroupDiscoveryList of /api (`core`) or /apis.
std::string aggregated(bool core, discovery_form as);

/// The OpenAPI v3 document of one group and version.
std::string openapi_document(const group_version& of);
/// Its `paths`.
json openapi_paths(const group_version& of);
/// {"$ref": "#/components/schemas/NAME"}
json schema_ref(std::string_view name);
/// Name of a kind's list schema.
std::string list_schema(const schema::kind& kind);

}  // namespace troupe::apiserver::discovery
