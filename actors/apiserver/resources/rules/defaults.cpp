// Values that Kubernetes fills in. OpenAPI names some of them; the others are told kind by kind.
#include "actors/apiserver/resources/rules/parts.hpp"
#include "basis/bytes.hpp"

namespace troupe::apiserver::rules {
namespace {

using schema::container;
using schema::field;
using schema::field_type;

void set_missing(json& object, const char* key, json value) {
  auto& slot = object[key];
  if (slot.is_null()) slot = std::move(value);
}

bool worth_a_default(const field& each) {
  auto text = each.default_json();
  if (text.empty()) return false;
  // Zero values of fields that JSON leaves out would only come and go.
  bool zero = text == "0" || text == "false" || text == "\"\"";
  return !zero || each.has(field::pointer) || !each.has(field::omit_empty);
}

void namespace_defaults(json& object, bool creating) {
  auto& metadata = metadata_of(object);
  auto& labels = metadata["labels"];
  if (!labels.is_object()) labels = json::object();
  labels["kubernetes.io/metadata.name"] = text_or(dig(metadata, "name"));
  if (!creating) return;
  auto& finalizers = object["spec"]["finalizers"];
  if (!finalizers.is_array()) finalizers = json::array();
  for (const auto& each : finalizers)
    if (each == "kubernetes") return;
  finalizers.push_back("kubernetes");
}

/// stringData is write-only: its texts become data.
void secret_defaults(json& object) {
  set_missing(object, "type", "Opaque");
  if (auto texts = object.find("stringData"); texts != object.end()) {
    json taken = std::move(*texts);
    object.erase(texts);
    for (const auto& [key, value] : taken.items()) object["data"][key] = to_base64(text_or(value));
  }
}

void service_port_defaults(json& spec) {
  for (auto& port : spec["ports"]) {
    set_missing(port, "protocol", "TCP");
    const auto& target = dig(port, "targetPort");
    bool unset = target.is_null() || target == 0 || target == "";
    if (unset && port.contains("port")) port["targetPort"] = port["port"];
  }
}

void service_defaults(json& object) {
  auto& spec = object["spec"];
  if (!spec.is_object()) spec = json::object();
  set_missing(spec, "sessionAffinity", "None");
  if (spec["sessionAffinity"] == "None") spec.erase("sessionAffinityConfig");
  if (spec["sessionAffinity"] == "ClientIP") {
    auto& timeout = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"];
    if (timeout.is_null()) timeout = 10800;
  }
  set_missing(spec, "type", "ClusterIP");
  if (dig(spec, "ports").is_array()) service_port_defaults(spec);
  auto type = text_or(spec["type"]);
  bool outside = type == "NodePort" || type == "LoadBalancer";
  if (outside) set_missing(spec, "externalTrafficPolicy", "Cluster");
  if (outside || type == "ClusterIP") set_missing(spec, "internalTrafficPolicy", "Cluster");
  if (type == "LoadBalancer") set_missing(spec, "allocateLoadBalancerNodePorts", true);
  if (type == "ExternalName") {
    for (auto key : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}) spec.erase(key);
    return;
  }
  auto address = text_or(dig(spec, "clusterIP"));
  if (!address.empty() && !spec.contains("clusterIPs")) spec["clusterIPs"] = json::array({address});
  if (address.empty() && dig(spec, "clusterIPs").is_array() && !spec["clusterIPs"].empty())
    spec["clusterIP"] = spec["clusterIPs"][0];
  set_missing(spec, "ipFamilyPolicy", "SingleStack");
  set_missing(spec, "ipFamilies", json::array({address.find(':') == std::string::npos ? "IPv4" : "IPv6"}));
}

void endpoints_defaults(json& object) {
  for (auto& subset : object["subsets"])
    for (auto& port : subset["ports"]) set_missing(port, "protocol", "TCP");
  for (auto it = object["subsets"].begin(); it != object["subsets"].end(); ++it)
    if ((*it)["ports"].is_null()) it->erase("ports");
}

void endpoint_slice_defaults(json& object) {
  if (!object["endpoints"].is_array()) object["endpoints"] = json::array();
  for (auto& port : object["ports"]) {
    set_missing(port, "name", "");
    set_missing(port, "protocol", "TCP");
  }
  if (object["ports"].is_null()) object["ports"] = json::array();
}

}  // namespace

void fill_schema_defaults(json& value, const schema::message& as) {
  for (const auto& each : as.fields()) {
    if (worth_a_default(each)) {
      auto& slot = value[std::string(each.name())];
      if (slot.is_null()) slot = json::parse(each.default_json(), nullptr, false);
      continue;
    }
    if (each.type != field_type::message) continue;
    auto found = value.find(each.name());
    if (found == value.end()) continue;
    const auto& inner = schema::message_at(each.message_index);
    if (each.shape == container::single && found->is_object()) fill_schema_defaults(*found, inner);
    if (each.shape == container::single) continue;
    for (auto& element : *found)
      if (element.is_object()) fill_schema_defaults(element, inner);
  }
}

void fill_defaults(const schema::kind& kind, json& object, bool creating) {
  fill_schema_defaults(object, schema::message_at(kind.message));
  if (kind.group == "discovery.k8s.io") return endpoint_slice_defaults(object);
  if (fill_workload_defaults(kind, object, creating) || fill_policy_defaults(kind, object, creating)) return;
  if (!kind.group.empty()) return;
  if (kind.name == "Namespace") namespace_defaults(object, creating);
  if (kind.name == "Secret") secret_defaults(object);
  if (kind.name == "Service") service_defaults(object);
  if (kind.name == "Endpoints" && object.contains("subsets")) endpoints_defaults(object);
  if (kind.name == "Pod") fill_pod_defaults(object);
}

}  // namespace troupe::apiserver::rules
