#include <algorithm>

#include "actors/apiserver/resources/rules/parts.hpp"
#include "actors/apiserver/resources/rules/subresources/guests.hpp"

namespace troupe::apiserver {
namespace {

using rules::list_of;

std::optional<api_error> check_identity(const schema::kind& kind, const json& old, json& metadata,
                                        const write_context& ctx) {
  const auto& before = old["metadata"];
  auto name = text_or(dig(before, "name")), ns = text_or(dig(before, "namespace"));
  auto given_name = text_or(dig(metadata, "name"), name), given_ns = text_or(dig(metadata, "namespace"), ns);
  auto url_name = ctx.name.empty() ? name : ctx.name;
  if (given_name != url_name)
    return bad_request("the name of the object (" + given_name + ") does not match the name on the URL (" + url_name +
                       ")");
  if (given_ns != ns)
    return bad_request("the namespace of the provided object does not match the namespace sent on the request");
  auto uid = text_or(dig(metadata, "uid"));
  if (!uid.empty() && uid != text_or(dig(before, "uid")))
    return conflict(kind, name, "Precondition failed: UID in precondition: " + uid + ", UID in object meta: " +
                                    text_or(dig(before, "uid")));
  auto version = text_or(dig(metadata, "resourceVersion"));
  bool none = version.empty() || version == "0";
  if (none && !kind.unconditional_update)
    return invalid(kind, name, {{"FieldValueInvalid", "Invalid value: 0x0: must be specified for an update",
                                 "metadata.resourceVersion"}});
  if (!none && version != text_or(dig(before, "resourceVersion"))) return conflict(kind, name);
  return std::nullopt;
}

/// What a client cannot change, whatever it sends.
void keep_metadata(const json& before, json& metadata) {
  for (auto key : {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
                   "generation"}) {
    auto found = before.find(key);
    if (found == before.end()) metadata.erase(key);
    else metadata[key] = *found;
  }
  for (auto key : {"resourceVersion", "selfLink", "managedFields"}) metadata.erase(key);
}

void check_finalizers(const json& before, const json& metadata, rules::causes& out) {
  if (!before.contains("deletionTimestamp")) return;
  std::string added;
  const auto& known = list_of(before, "finalizers");
  for (const auto& each : list_of(metadata, "finalizers"))
    if (std::ranges::find(known, each) == known.end()) added.append(added.empty() ? "" : ", ").append(to_text(each));
  if (!added.empty())
    out.push_back(forbidden_value("metadata.finalizers",
                                  "no new finalizers can be added if the object is being deleted, found new finalizers "
                                  "[]string{" + added + "}"));
}

/// Signing requests: who approves says so in the conditions and nowhere else, and nobody changes what was asked for.
bool keep_request(const schema::kind& kind, const json& old, json& body, std::string_view subresource, wall_time now) {
  if (kind.name != "CertificateSigningRequest") return false;
  json out = old;
  out["metadata"] = std::move(body["metadata"]);
  if (subresource == "approval") {
    auto conditions = list_of(dig(body, "status"), "conditions");
    for (auto& each : conditions)
      for (auto key : {"lastTransitionTime", "lastUpdateTime"})
        if (each.is_object() && !dig(each, key).is_string()) each[key] = to_rfc3339(now);
    if (!conditions.empty()) out["status"]["conditions"] = std::move(conditions);
  }
  body = std::move(out);
  return true;
}

/// Takes from the stored object what this way of writing does not reach.
void keep_unreached(const schema::kind& kind, const json& old, json& body, std::string_view subresource, wall_time now) {
  if (subresource == "status") {
    json out = old;
    out["metadata"] = std::move(body["metadata"]);
    out.erase("status");
    if (auto status = body.find("status"); status != body.end()) out["status"] = std::move(*status);
    body = std::move(out);
    return;
  }
  if (subresource == "ephemeralcontainers") return rules::keep_but_guests(old, body);
  if (subresource == "binding") return;   // made of the stored object
  if (keep_request(kind, old, body, subresource, now)) return;
  bool is_namespace = kind.group.empty() && kind.name == "Namespace";
  if (subresource == "finalize" && is_namespace) {
    json out = old;
    out["metadata"] = std::move(body["metadata"]);
    out["spec"]["finalizers"] = list_of(dig(body, "spec"), "finalizers");
    if (out["spec"]["finalizers"].empty()) out["spec"].erase("finalizers");
    body = std::move(out);
    return;
  }
  if (is_namespace) {
    body.erase("spec");
    if (old.contains("spec")) body["spec"] = old["spec"];
  }
  if (!kind.has_status) return;
  body.erase("status");
  if (auto status = old.find("status"); status != old.end()) body["status"] = *status;
}

/// Values the server chose at creation, when a client leaves them out of a whole new object.
void carry_service_values(const json& old, json& body) {
  auto& spec = body["spec"];
  const auto& before = dig(old, "spec");
  auto type = text_or(dig(spec, "type"), "ClusterIP"), old_type = text_or(dig(before, "type"), "ClusterIP");
  if (type == "ExternalName" || old_type == "ExternalName") return;
  if (text_or(dig(spec, "clusterIP")).empty() && !spec.contains("clusterIPs"))
    for (auto key : {"clusterIP", "clusterIPs"})
      if (before.contains(key)) spec[key] = before[key];
  for (auto key : {"ipFamilies", "ipFamilyPolicy"})
    if (!spec.contains(key) && before.contains(key)) spec[key] = before[key];
  auto outside = [](const std::string& name) { return name == "NodePort" || name == "LoadBalancer"; };
  if (!outside(type) && outside(old_type)) {
    // The type went back: node ports that came along with the old ports go.
    for (auto key : {"externalTrafficPolicy", "allocateLoadBalancerNodePorts", "healthCheckNodePort"}) spec.erase(key);
    if (dig(spec, "ports").is_array())
      for (auto& port : spec["ports"]) port.erase("nodePort");
    return;
  }
  if (!outside(type) || !dig(spec, "ports").is_array()) return;
  for (auto& port : spec["ports"]) {
    if (rules::number_or(dig(port, "nodePort"), 0) != 0) continue;
    for (const auto& known : list_of(before, "ports"))
      if (dig(known, "port") == dig(port, "port") &&
          text_or(dig(known, "protocol"), "TCP") == text_or(dig(port, "protocol"), "TCP") && known.contains("nodePort"))
        port["nodePort"] = known["nodePort"];
  }
}

bool counts_for_generation(const json& old, const json& now) {
  auto counted = [](const std::string& key) { return key != "metadata" && key != "status"; };
  for (const auto& [key, value] : now.items())
    if (counted(key) && dig(old, key) != value) return true;
  for (const auto& [key, value] : old.items())
    if (counted(key) && !now.contains(key)) return true;
  return false;
}

bool finished(const schema::kind& kind, const json& object) {
  const auto& metadata = object["metadata"];
  if (!metadata.contains("deletionTimestamp") || !list_of(metadata, "finalizers").empty()) return false;
  if (rules::number_or(dig(metadata, "deletionGracePeriodSeconds"), 0) != 0) return false;
  bool is_namespace = kind.group.empty() && kind.name == "Namespace";
  return !is_namespace || list_of(dig(object, "spec"), "finalizers").empty();
}

}  // namespace

std::variant<prepared, api_error> prepare_update(const schema::kind& served, const json& old, json body,
                                                 std::string_view subresource, const write_context& ctx) {
  const auto& kind = schema::kinds()[served.storage];
  auto& metadata = rules::metadata_of(body);
  if (auto why = check_identity(kind, old, metadata, ctx)) return std::move(*why);
  keep_metadata(old["metadata"], metadata);
  keep_unreached(kind, old, body, subresource, ctx.now);
  body["apiVersion"] = kind.api_version;
  body["kind"] = kind.name;
  if (kind.group.empty() && kind.name == "Service" && subresource.empty()) carry_service_values(old, body);
  rules::fill_defaults(kind, body, false);
  json before = old;
  before["metadata"].erase("resourceVersion");
  rules::causes causes;
  rules::check_metadata(kind, body["metadata"], causes);
  check_finalizers(before["metadata"], body["metadata"], causes);
  if (subresource.empty()) {
    rules::check_object(kind, body, causes);
    rules::check_change(kind, before, body, causes);
  }
  if (subresource == "ephemeralcontainers") rules::check_guests(before, body, causes);
  auto name = text_or(dig(body, "metadata", "name"));
  if (!causes.empty()) return invalid(kind, name, causes);
  if (kind.has_generation && subresource.empty() && counts_for_generation(before, body))
    body["metadata"]["generation"] = rules::number_or(dig(before, "metadata", "generation"), 0) + 1;
  prepared out;
  out.unchanged = body == before;
  out.erase = finished(kind, body);
  out.object = std::move(body);
  return out;
}

}  // namespace troupe::apiserver
