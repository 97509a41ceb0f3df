#include "actors/controllers/deploy/manifests.hpp"

#include <algorithm>
#include <cstdio>

#include "actors/model/schema/schema.hpp"
#include "basis/yaml.hpp"

namespace troupe::controllers {
namespace {

std::string base_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }
bool is_manifest(const std::string& name) {
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}
/// A folder's path, or the file's name without its last extension.
bool is_disabled(const std::string& path, const std::set<std::string>& disabled) {
  for (auto cut = path.find('/'); cut != std::string::npos; cut = path.find('/', cut + 1))
    if (disabled.contains(path.substr(0, cut))) return true;
  const auto name = base_of(path);
  return disabled.contains(name.substr(0, name.rfind('.')));
}

const model::schema::kind* kind_of(const std::string& version, const std::string& kind) {
  const auto slash = version.find('/');
  return model::schema::find_by_name(slash == std::string::npos ? "" : version.substr(0, slash), version.substr(slash == std::string::npos ? 0 : slash + 1), kind);
}
std::string root_of(const model::schema::kind& of) { return (of.group.empty() ? "/api/" : "/apis/") + std::string(of.api_version); }

void add(std::vector<json>& to, json one) {
  const auto& items = dig(one, "items");
  if (!text_or(dig(one, "kind")).ends_with("List") || !items.is_array()) return to.push_back(std::move(one));
  for (const auto& each : items) to.push_back(each);
}

}  // namespace

std::vector<manifest_file> choose_manifests(std::vector<manifest_file> all, const std::set<std::string>& disabled) {
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  std::set<std::string> paths, taken;
  for (const auto& one : all) paths.insert(one.path);
  std::vector<manifest_file> out;
  for (auto& one : all) {
    const auto name = base_of(one.path);
    if (!is_manifest(name) || paths.contains(one.path + ".skip")) continue;
    one.addon = name.substr(0, name.find('.'));
    one.disabled = is_disabled(one.path, disabled);
    if (taken.insert(one.addon).second) out.push_back(std::move(one));
  }
  return out;
}

result<std::vector<json>> read_objects(const std::string& text) {
  std::vector<json> out;
  if (auto one = parse_json(text); one.ok() && one->is_object()) {
    add(out, std::move(*one));
  } else {
    auto documents = parse_yaml_documents(text);
    if (!documents.ok()) return documents.why();
    for (auto& each : *documents)
      if (!each.is_null()) add(out, std::move(each));
  }
  for (std::size_t i = 0; i < out.size(); ++i)
    if (!out[i].is_object() || text_or(dig(out[i], "kind")).empty() || text_or(dig(out[i], "apiVersion")).empty())
      return fail(errc::invalid, "object " + std::to_string(i + 1) + " has no apiVersion or no kind");
  std::stable_partition(out.begin(), out.end(), [](const json& one) { return text_or(dig(one, "kind")) == "Namespace"; });
  return out;
}

result<object_place> place_of(const json& object) {
  const auto version = text_or(dig(object, "apiVersion")), called = text_or(dig(object, "kind"));
  const auto* kind = kind_of(version, called);
  if (!kind || kind->asked_only) return fail(errc::invalid, "no matches for kind \"" + called + "\" in version \"" + version + "\"");
  object_place out;
  out.kind = (kind->group.empty() ? "/" : "") + std::string(kind->api_version) + ", Kind=" + called;
  out.name = text_or(dig(object, "metadata", "name"));
  if (out.name.empty()) return fail(errc::invalid, called + ": metadata.name is required");
  out.all = out.collection = root_of(*kind) + "/" + std::string(kind->plural);
  if (!kind->namespaced) return out;
  out.ns = text_or(dig(object, "metadata", "namespace"), "default");
  out.collection = root_of(*kind) + "/namespaces/" + out.ns + "/" + std::string(kind->plural);
  return out;
}

std::string path_of_kind(const std::string& kind) {
  const auto cut = kind.find(", Kind=");
  if (cut == std::string::npos) return {};
  const auto* found = kind_of(kind.substr(kind.starts_with('/') ? 1 : 0, cut - (kind.starts_with('/') ? 1 : 0)), kind.substr(cut + 7));
  return found ? root_of(*found) + "/" + std::string(found->plural) : std::string();
}

std::string set_of(const std::string& addon) {
  std::uint64_t digest = 1469598103934665603ull;   // FNV-1a: the same for ever, and not for secrets
  for (const unsigned char c : "kube-system/" + addon) digest = (digest ^ c) * 1099511628211ull;
  char out[20];
  std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(digest));
  return out;
}

json marked(const json& object, const std::string& addon) {
  json out = object;
  auto& meta = out["metadata"];
  for (const char* map : {"labels", "annotations"})
    if (!dig(meta, map).is_object()) meta[map] = json::object();
  meta["labels"][label_set] = set_of(addon);
  meta["annotations"][annotation_applied] = to_text(object);
  meta["annotations"]["objectset.rio.cattle.io/id"] = "";
  meta["annotations"]["objectset.rio.cattle.io/owner-gvk"] = "k3s.cattle.io/v1, Kind=Addon";
  meta["annotations"][annotation_owner] = addon;
  meta["annotations"]["objectset.rio.cattle.io/owner-namespace"] = "kube-system";
  return out;
}

bool is_of(const json& object, const std::string& addon) {
  return text_or(dig(object, "metadata", "labels", label_set)) == set_of(addon) && text_or(dig(object, "metadata", "annotations", annotation_owner)) == addon;
}

}  // namespace troupe::controllers
