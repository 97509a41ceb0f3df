// Defaults of the kinds that rule over others: who may what, priorities, storage, networks, scaling.
#include "actors/apiserver/resources/rules/parts.hpp"

namespace troupe::apiserver::rules {
namespace {

constexpr const char* rbac_group = "rbac.authorization.k8s.io";

void set_missing(json& object, const char* key, json value) {
  auto& slot = object[key];
  if (slot.is_null()) slot = std::move(value);
}

void binding_defaults(json& object) {
  if (dig(object, "roleRef").is_object() && text_or(dig(object, "roleRef", "apiGroup")).empty()) object["roleRef"]["apiGroup"] = rbac_group;
  if (!dig(object, "subjects").is_array()) return;
  for (auto& each : object["subjects"]) {
    const auto kind = text_or(dig(each, "kind"));
    if (text_or(dig(each, "apiGroup")).empty() && (kind == "User" || kind == "Group")) each["apiGroup"] = rbac_group;
  }
}

void limit_range_defaults(json& object) {
  if (!dig(object, "spec", "limits").is_array()) return;
  for (auto& limit : object["spec"]["limits"]) {
    if (dig(limit, "type") != "Container") continue;
    auto fill = [&limit](const char* from, const char* to) {
      const json given = dig(limit, from);
      for (const auto& [name, amount] : given.items()) {
        auto& slot = limit[to][name];
        if (slot.is_null()) slot = amount;
      }
    };
    fill("max", "default");             // no default: the maximum
    fill("default", "defaultRequest");  // no request: the default
    fill("min", "defaultRequest");
  }
}

void network_policy_defaults(json& object) {
  auto& spec = object["spec"];
  if (!spec.is_object()) spec = json::object();
  set_missing(spec, "podSelector", json::object());
  if (dig(spec, "policyTypes").empty()) {
    spec["policyTypes"] = json::array({"Ingress"});
    if (!dig(spec, "egress").empty()) spec["policyTypes"].push_back("Egress");
  }
  for (auto way : {"ingress", "egress"}) {
    if (!dig(spec, way).is_array()) continue;
    for (auto& rule : spec[way])
      if (dig(rule, "ports").is_array())
        for (auto& port : rule["ports"]) set_missing(port, "protocol", "TCP");
  }
}

void autoscaler_defaults(json& object) {
  auto& spec = object["spec"];
  if (!spec.is_object()) spec = json::object();
  set_missing(spec, "minReplicas", 1);
  if (dig(spec, "metrics").empty())
    spec["metrics"] = json::array({{{"type", "Resource"},
                                    {"resource", {{"name", "cpu"}, {"target", {{"type", "Utilization"}, {"averageUtilization", 80}}}}}}});
}

bool fill_core(const schema::kind& kind, json& object) {
  if (kind.name == "LimitRange") return limit_range_defaults(object), true;
  if (kind.name == "ResourceQuota") return true;
  if (kind.name == "PersistentVolume") {
    set_missing(object["spec"], "persistentVolumeReclaimPolicy", "Retain");
    set_missing(object["spec"], "volumeMode", "Filesystem");
    return true;
  }
  if (kind.name != "PersistentVolumeClaim") return false;
  set_missing(object["spec"], "volumeMode", "Filesystem");
  return true;
}

}  // namespace

bool fill_policy_defaults(const schema::kind& kind, json& object, bool) {
  if (kind.group.empty()) return fill_core(kind, object);
  if (kind.group == rbac_group) {
    if (kind.name == "RoleBinding" || kind.name == "ClusterRoleBinding") binding_defaults(object);
    return true;
  }
  if (kind.name == "PriorityClass") return set_missing(object, "preemptionPolicy", "PreemptLowerPriority"), true;
  if (kind.name == "StorageClass") {
    set_missing(object, "reclaimPolicy", "Delete");
    return set_missing(object, "volumeBindingMode", "Immediate"), true;
  }
  if (kind.name == "NetworkPolicy") return network_policy_defaults(object), true;
  if (kind.group == "autoscaling") return autoscaler_defaults(object), true;
  return false;
}

}  // namespace troupe::apiserver::rules
