#include "actors/controllers/workshop/store.hpp"

#include <charconv>

#include "actors/model/schema/schema.hpp"

namespace troupe::controllers {
namespace {

std::int64_t version_of(const json& object) {
  const auto text = meta(object, "resourceVersion");
  std::int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

const model::schema::kind* kind_of(const std::string& plural) {
  for (const auto& kind : model::schema::kinds())
    if (kind.plural == plural && kind.storage == kind.index) return &kind;
  return nullptr;
}

}  // namespace

bool store::put(const std::string& plural, const std::string& key, object_ptr object) {
  const auto uid = uid_of(*object);
  if (ended_.contains(uid)) return false;
  auto& slot = kinds_[plural][key];
  if (slot && version_of(*slot) > version_of(*object)) return false;
  if (slot) index(plural, key, *slot, false);
  slot = std::move(object);
  index(plural, key, *slot, true);
  return true;
}

object_ptr store::drop(const std::string& plural, const std::string& key, const std::string& uid, bool told) {
  if (told) ended_.erase(uid);
  else if (ended_.size() >= ended_max) ended_.clear();
  auto& kind = kinds_[plural];
  const auto found = kind.find(key);
  if (found == kind.end() || uid_of(*found->second) != uid) return nullptr;   // another one has its name now
  if (!told) ended_.insert(uid);
  auto out = std::move(found->second);
  kind.erase(found);
  index(plural, key, *out, false);
  return out;
}

void store::index(const std::string& plural, const std::string& key, const json& object, bool add) {
  const object_ref ref{plural, key};
  const auto uid = uid_of(object);
  if (add) uids_[uid] = ref;
  else if (const auto found = uids_.find(uid); found != uids_.end() && found->second == ref) uids_.erase(found);
  for (const auto& each : dig(object, "metadata", "ownerReferences")) {
    const auto owner = text_or(dig(each, "uid"));
    if (add) {
      dependents_[owner].insert(ref);
      continue;
    }
    const auto found = dependents_.find(owner);
    if (found == dependents_.end()) continue;
    found->second.erase(ref);
    if (found->second.empty()) dependents_.erase(found);
  }
  if (plural != "pods" && plural != "replicasets") return;
  if (add && controller_of(object).is_null()) orphans_[plural].insert(key);
  else orphans_[plural].erase(key);
}

object_ptr store::find(const std::string& plural, const std::string& key) const {
  const auto& kind = all(plural);
  const auto found = kind.find(key);
  return found == kind.end() ? nullptr : found->second;
}

const std::map<std::string, object_ptr>& store::all(const std::string& plural) const {
  static const std::map<std::string, object_ptr> none;
  const auto found = kinds_.find(plural);
  return found == kinds_.end() ? none : found->second;
}

const std::set<object_ref>& store::dependents(const std::string& uid) const {
  static const std::set<object_ref> none;
  const auto found = dependents_.find(uid);
  return found == dependents_.end() ? none : found->second;
}

std::vector<object_ptr> store::orphans(const std::string& plural, const std::string& ns) const {
  std::vector<object_ptr> out;
  const auto found = orphans_.find(plural);
  if (found == orphans_.end()) return out;
  const auto prefix = ns + "/";
  for (auto it = found->second.lower_bound(prefix); it != found->second.end() && it->starts_with(prefix); ++it)
    if (auto object = find(plural, *it)) out.push_back(std::move(object));
  return out;
}

std::optional<object_ref> store::find_uid(const std::string& uid) const {
  const auto found = uids_.find(uid);
  return found == uids_.end() ? std::nullopt : std::optional(found->second);
}

std::string meta(const json& object, const char* name) { return text_or(dig(object, "metadata", name)); }
std::string key_of(const json& object) {
  const auto ns = meta(object, "namespace");
  return (ns.empty() ? "" : ns + "/") + meta(object, "name");
}
std::string uid_of(const json& object) { return meta(object, "uid"); }

const json& controller_of(const json& object) {
  static const json none;
  for (const auto& each : dig(object, "metadata", "ownerReferences"))
    if (dig(each, "controller") == true) return each;
  return none;
}
bool is_going(const json& object) { return dig(object, "metadata", "deletionTimestamp").is_string(); }
bool has_finalizer(const json& object, std::string_view name) {
  for (const auto& each : dig(object, "metadata", "finalizers"))
    if (each == name) return true;
  return false;
}
std::int64_t number(const json& value, std::int64_t otherwise) { return value.is_number_integer() ? value.get<std::int64_t>() : otherwise; }

std::string collection_path(const std::string& plural, const std::string& ns) {
  const auto* kind = kind_of(plural);
  if (!kind) return {};
  auto out = kind->group.empty() ? "/api/" + std::string(kind->version) : "/apis/" + std::string(kind->api_version);
  if (!ns.empty()) out += "/namespaces/" + ns;
  return out + "/" + plural;
}
std::string object_path(const std::string& plural, const json& object) {
  return collection_path(plural, meta(object, "namespace")) + "/" + meta(object, "name");
}
json controller_reference(const json& owner) {
  return {{"apiVersion", text_or(dig(owner, "apiVersion"))}, {"kind", text_or(dig(owner, "kind"))}, {"name", meta(owner, "name")},
          {"uid", uid_of(owner)}, {"controller", true}, {"blockOwnerDeletion", true}};
}

}  // namespace troupe::controllers
