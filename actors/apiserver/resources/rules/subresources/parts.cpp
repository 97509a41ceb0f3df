#include "actors/apiserver/resources/rules/parts.hpp"
#include "actors/apiserver/resources/rules/subresources/subresources.hpp"
#include "actors/model/match.hpp"

namespace troupe::apiserver {
namespace {

using rules::number_or;

std::variant<json, api_error> rescaled(const schema::kind& kind, const json& old, const json& scale) {
  const auto& wanted = dig(scale, "spec", "replicas");
  const auto name = text_or(dig(old, "metadata", "name"));
  const auto count = number_or(wanted, 0);
  if (count < 0)
    return invalid(kind, name, {invalid_value("spec.replicas", wanted, "must be greater than or equal to 0")});
  const auto uid = text_or(dig(scale, "metadata", "uid"));
  if (!uid.empty() && uid != text_or(dig(old, "metadata", "uid")))
    return conflict(kind, name, "Precondition failed: UID in precondition: " + uid + ", UID in object meta: " + text_or(dig(old, "metadata", "uid")));
  auto out = old;
  out["spec"]["replicas"] = count;
  const auto version = text_or(dig(scale, "metadata", "resourceVersion"));
  if (version.empty()) out["metadata"].erase("resourceVersion");
  else out["metadata"]["resourceVersion"] = version;
  return out;
}

api_error binding_conflict(const schema::kind& kind, const std::string& name, const std::string& why) {
  auto out = conflict(kind, name, why);
  out.message = "Operation cannot be fulfilled on pods/binding " + to_text(json(name)) + ": " + why;
  return out;
}

void set_scheduled(json& pod, wall_time now) {
  auto& conditions = pod["status"]["conditions"];
  if (!conditions.is_array()) conditions = json::array();
  for (auto it = conditions.begin(); it != conditions.end(); ++it)
    if (dig(*it, "type") == "PodScheduled") {
      conditions.erase(it);
      break;
    }
  conditions.push_back({{"type", "PodScheduled"}, {"status", "True"}, {"lastTransitionTime", to_rfc3339(now)}});
}

std::variant<json, api_error> bound(const schema::kind& kind, const json& pod, const json& binding, wall_time now) {
  const auto name = text_or(dig(pod, "metadata", "name")), node = text_or(dig(pod, "spec", "nodeName"));
  const auto target = text_or(dig(binding, "target", "name")), what = text_or(dig(binding, "target", "kind"));
  rules::causes causes;
  if (!what.empty() && what != "Node") causes.push_back(not_supported("target.kind", what, {"Node", "<empty>"}));
  if (target.empty()) causes.push_back(required_value("target.name"));
  if (!causes.empty()) return invalid(kind, name, causes);
  const auto uid = text_or(dig(binding, "metadata", "uid"));
  if (!uid.empty() && uid != text_or(dig(pod, "metadata", "uid")))
    return binding_conflict(kind, name, "Precondition failed: UID in precondition: " + uid + ", UID in object meta: " + text_or(dig(pod, "metadata", "uid")));
  if (dig(pod, "metadata", "deletionTimestamp").is_string())
    return binding_conflict(kind, name, "pod " + name + " is being deleted, cannot be assigned to a host");
  if (!node.empty()) return binding_conflict(kind, name, "pod " + name + " is already assigned to node " + to_text(json(node)));
  if (!rules::list_of(dig(pod, "spec"), "schedulingGates").empty())
    return binding_conflict(kind, name, "pod " + name + " has non-empty .spec.schedulingGates");
  auto out = pod;
  out["metadata"].erase("resourceVersion");
  out["spec"]["nodeName"] = target;
  for (const auto& [key, value] : dig(binding, "metadata", "annotations").items()) out["metadata"]["annotations"][key] = value;
  set_scheduled(out, now);
  return out;
}

}  // namespace

json scale_of(const json& object) {
  json meta = json::object();
  for (auto key : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"})
    if (const auto& value = dig(object, "metadata", key); !value.is_null()) meta[key] = value;
  const auto& selector = dig(object, "spec", "selector");
  const bool plain = text_or(dig(object, "kind")) == "ReplicationController";
  const auto text = (plain ? model::label_match::of_map(selector) : model::label_match::of(selector)).text();
  json out{{"kind", "Scale"}, {"apiVersion", "autoscaling/v1"}, {"metadata", std::move(meta)}, {"spec", json::object()},
           {"status", {{"replicas", number_or(dig(object, "status", "replicas"), 0)}}}};
  if (const auto count = number_or(dig(object, "spec", "replicas"), 0); count != 0) out["spec"]["replicas"] = count;
  if (!text.empty()) out["status"]["selector"] = text;
  return out;
}

std::variant<json, api_error> apply_part(const schema::kind& kind, std::string_view subresource, const json& old, json body, wall_time now) {
  if (subresource == "scale") return rescaled(kind, old, body);
  if (subresource == "binding") return bound(kind, old, body, now);
  return body;
}

std::optional<std::string> part_answer(std::string_view subresource, const model::document& now) {
  if (subresource == "scale") return to_text(scale_of(model::parse(now)));
  if (subresource != "binding") return std::nullopt;
  return to_text({{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::object()}, {"status", "Success"}, {"code", 201}});
}

std::string_view part_rule(std::string_view subresource) { return subresource == "scale" ? std::string_view() : subresource; }

}  // namespace troupe::apiserver
