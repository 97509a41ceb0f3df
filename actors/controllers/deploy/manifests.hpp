// Files of manifests that a server deploys: which files count, what is in them, and where each object belongs. Pure.
//
// Source of names: K3s (pkg/deploy), wrangler's objectset.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "basis/clock.hpp"
#include "basis/json.hpp"

namespace troupe::controllers {

inline constexpr const char* label_set = "objectset.rio.cattle.io/hash";
inline constexpr const char* annotation_applied = "objectset.rio.cattle.io/applied";
inline constexpr const char* annotation_owner = "objectset.rio.cattle.io/owner-name";
inline constexpr const char* annotation_kinds = "addon.k3s.cattle.io/gvks";

struct manifest_file {
  std::string path;                  ///< Below the folder of manifests.
  std::string addon;                 ///< The file's name up to its first dot.
  std::uint64_t bytes = 0;
  wall_time written{};
  bool disabled = false;             ///< Its objects, its Addon and the file itself are to go.
};
/// Of all files below the folder, those that are deployed: .yaml, .yml, .json, neither hidden nor with a fellow NAME.skip.
/// `disabled` has names without their last extension, or of folders. Of two files with one Addon's name the first stands.
std::vector<manifest_file> choose_manifests(std::vector<manifest_file> all, const std::set<std::string>& disabled);

/// The objects of a file in their order, Namespaces first; lists are taken apart. `invalid` says what is wrong and where.
result<std::vector<json>> read_objects(const std::string& text);

/// Where an object lives in the API.
struct object_place {
  std::string kind;                  ///< "apps/v1, Kind=Deployment", as annotation_kinds has it.
  std::string all, collection, name; ///< Paths: of the kind in all namespaces, and of its own namespace.
  std::string ns;                    ///< Empty: of the whole cluster.
  std::string path() const { return collection + "/" + name; }
};
/// `invalid`: no such kind here, or it has no name.
result<object_place> place_of(const json& object);
/// The path of all objects of a kind that annotation_kinds names; empty when there is no such kind any more.
std::string path_of_kind(const std::string& kind);

/// The value of label_set for an Addon.
std::string set_of(const std::string& addon);
/// The object as it is written: with the marks by which it is known to be of this Addon, and with what was asked for.
json marked(const json& object, const std::string& addon);
/// Whether the Addon made it.
bool is_of(const json& object, const std::string& addon);

}  // namespace troupe::controllers
