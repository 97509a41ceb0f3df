#include "actors/controllers/collector/collector.hpp"

#include "actors/model/schema/schema.hpp"

namespace troupe::controllers {
namespace {

/// The plural of an owner's kind, or "" when such a kind is not served: then nobody can say that it is gone.
const model::schema::kind* kind_of(const json& reference) {
  const auto version = text_or(dig(reference, "apiVersion"));
  const auto slash = version.find('/');
  const auto group = slash == std::string::npos ? std::string() : version.substr(0, slash);
  return model::schema::find_by_name(group, slash == std::string::npos ? version : version.substr(slash + 1), text_or(dig(reference, "kind")));
}

/// True when somebody of the dependents still holds up the owner's end.
bool blocked(const store& all, const json& owner, plan& out) {
  const auto uid = uid_of(owner);
  bool waits = false;
  stage removes;
  for (const auto& [plural, key] : all.dependents(uid)) {
    const auto object = all.find(plural, key);
    if (!object) continue;
    for (const auto& each : dig(*object, "metadata", "ownerReferences"))
      if (dig(each, "uid") == uid && dig(each, "blockOwnerDeletion") == true) waits = true;
    if (is_going(*object)) continue;
    const bool has_own = !all.dependents(uid_of(*object)).empty();
    removes.push_back(remove_object(plural, object, has_own ? "Foreground" : "Background"));
  }
  if (!removes.empty()) out.stages.push_back(std::move(removes));
  return waits;
}

step without_finalizer(const std::string& plural, const json& object, const char* name) {
  json next = object;
  json left = json::array();
  for (const auto& each : dig(object, "metadata", "finalizers"))
    if (each != name) left.push_back(each);
  return patch_object(plural, object, {{"metadata", {{"finalizers", left.empty() ? json() : left},
                                                     {"resourceVersion", meta(object, "resourceVersion")}}}}, merge_patch);
}

void orphan_all(const store& all, const std::string& plural, const json& owner, plan& out) {
  stage lets_go;
  for (const auto& [kind, key] : all.dependents(uid_of(owner)))
    if (const auto object = all.find(kind, key)) lets_go.push_back(release(kind, *object, uid_of(owner)));
  if (!lets_go.empty()) out.stages.push_back(std::move(lets_go));
  out.add(without_finalizer(plural, owner, "orphan"));
}

/// GET of an owner that is not known: the plan goes on only when it is not there.
step must_be_gone(const model::schema::kind& kind, const json& reference, const std::string& ns) {
  step out;
  out.method = "GET";
  out.path = collection_path(std::string(kind.plural), kind.namespaced ? ns : "") + "/" + text_or(dig(reference, "name"));
  if (kind.storage == kind.index) out.plural = kind.plural;
  out.must_be_absent = true;
  out.absent_uid = text_or(dig(reference, "uid"));
  return out;
}

}  // namespace

plan decide_collection(const store& all, const std::string& plural, const std::string& key) {
  plan out;
  const auto object = all.find(plural, key);
  if (!object) return out;
  if (is_going(*object)) {
    if (has_finalizer(*object, "orphan")) orphan_all(all, plural, *object, out);
    else if (has_finalizer(*object, "foregroundDeletion") && !blocked(all, *object, out))
      out.add(without_finalizer(plural, *object, "foregroundDeletion"));
    return out;
  }
  const auto& owners = dig(*object, "metadata", "ownerReferences");
  if (owners.empty()) return out;
  stage asks;
  std::vector<std::string> gone;
  bool alive = false, foreground = false;
  for (const auto& each : owners) {
    const auto uid = text_or(dig(each, "uid"));
    const auto* kind = kind_of(each);
    if (const auto known = all.find_uid(uid)) {
      const auto owner = all.find(known->first, known->second);
      const bool waits = owner && is_going(*owner) && has_finalizer(*owner, "foregroundDeletion");
      foreground = foreground || waits;
      alive = alive || !waits;
    } else if (!kind) {
      alive = true;
    } else {
      asks.push_back(must_be_gone(*kind, each, meta(*object, "namespace")));
      gone.push_back(uid);
    }
  }
  if (gone.empty()) return out;   // an owner in the foreground removes its dependents itself
  out.stages.push_back(std::move(asks));
  // Said, because of some kinds whoever says nothing leaves the pods behind; what somebody asked for before stays.
  const char* policy = has_finalizer(*object, "orphan") ? "Orphan" : has_finalizer(*object, "foregroundDeletion") ? "Foreground" : "Background";
  if (!alive && !foreground) return out.add(remove_object(plural, object, policy)), out;
  if (alive)
    for (const auto& uid : gone) out.add(release(plural, *object, uid));
  return out;
}

}  // namespace troupe::controllers
