#include "actors/controllers/workshop/plan.hpp"

namespace troupe::controllers {

step make_object(const std::string& plural, const std::string& ns, json object) {
  step out;
  out.method = "POST";
  out.path = collection_path(plural, ns);
  out.body = std::move(object);
  out.plural = plural;
  return out;
}

step put_object(const std::string& plural, json object) {
  step out;
  out.method = "PUT";
  out.path = object_path(plural, object);
  out.body = std::move(object);
  out.plural = plural;
  return out;
}

step put_status(const std::string& plural, const json& object, json status) {
  auto next = object;
  next["status"] = std::move(status);
  auto out = put_object(plural, std::move(next));
  out.path += "/status";
  out.may_be_gone = true;
  return out;
}

step patch_object(const std::string& plural, const json& object, json patch, const char* type) {
  step out;
  out.method = "PATCH";
  out.path = object_path(plural, object);
  patch["metadata"]["uid"] = uid_of(object);
  out.body = std::move(patch);
  out.type = type;
  out.plural = plural;
  out.may_be_gone = true;
  return out;
}

step remove_object(const std::string& plural, const object_ptr& object, const char* propagation) {
  step out;
  out.method = "DELETE";
  out.path = object_path(plural, *object);
  out.body = {{"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"preconditions", {{"uid", uid_of(*object)}}}};
  if (propagation) out.body["propagationPolicy"] = propagation;
  out.plural = plural;
  out.gone = object;
  out.may_be_gone = true;
  return out;
}

void add_slowly(plan& to, std::vector<step> all) {
  std::size_t size = 1;
  for (std::size_t at = 0; at < all.size(); size *= 2) {
    stage next;
    for (std::size_t i = 0; i < size && at < all.size(); ++i) next.push_back(std::move(all[at++]));
    to.stages.push_back(std::move(next));
  }
}

step adopt(const std::string& plural, const json& object, const json& owner) {
  auto out = patch_object(plural, object, {{"metadata", {{"ownerReferences", json::array({controller_reference(owner)})}}}}, strategic_patch);
  return out;
}

step release(const std::string& plural, const json& object, const std::string& owner_uid) {
  const json gone{{"$patch", "delete"}, {"uid", owner_uid}};
  return patch_object(plural, object, {{"metadata", {{"ownerReferences", json::array({gone})}}}}, strategic_patch);
}

json with_condition(const json& conditions, const std::string& type, const std::string& status, const std::string& reason,
                    const std::string& message, wall_time now, bool updates) {
  json out = conditions.is_array() ? conditions : json::array();
  const auto at = to_rfc3339(now);
  for (auto& each : out) {
    if (dig(each, "type") != type) continue;
    if (dig(each, "status") == status && dig(each, "reason") == reason && dig(each, "message") == message) return out;
    if (dig(each, "status") != status) each["lastTransitionTime"] = at;
    if (updates) each["lastUpdateTime"] = at;
    each["status"] = status, each["reason"] = reason, each["message"] = message;
    return out;
  }
  json one{{"type", type}, {"status", status}, {"reason", reason}, {"message", message}, {"lastTransitionTime", at}};
  if (updates) one["lastUpdateTime"] = at;
  out.push_back(std::move(one));
  return out;
}

const json& condition(const json& object, std::string_view type) {
  static const json none;
  for (const auto& each : dig(object, "status", "conditions"))
    if (dig(each, "type") == type) return each;
  return none;
}

}  // namespace troupe::controllers
