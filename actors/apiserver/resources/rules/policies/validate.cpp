// What must hold for the kinds that rule over others: who may what, priorities, certificates, budgets, networks, scaling.
#include <algorithm>

#include "actors/apiserver/resources/rules/policies/policies.hpp"
#include "actors/model/match.hpp"

namespace troupe::apiserver::rules {
namespace {

constexpr std::string_view immutable = "field is immutable";
constexpr std::int64_t user_priority_max = 1'000'000'000;
struct system_class { const char* name; std::int64_t value; };
constexpr system_class system_classes[] = {{"system-cluster-critical", 2'000'000'000}, {"system-node-critical", 2'000'001'000}};

void check_rule(const json& rule, const std::string& at, bool namespaced, causes& out) {
  if (list_of(rule, "verbs").empty()) out.push_back(required_value(at + ".verbs", "verbs must contain at least one value"));
  if (!list_of(rule, "nonResourceURLs").empty()) {
    if (namespaced)
      out.push_back(invalid_value(at + ".nonResourceURLs", rule["nonResourceURLs"], "namespaced rules cannot apply to non-resource URLs"));
    if (!list_of(rule, "apiGroups").empty() || !list_of(rule, "resources").empty() || !list_of(rule, "resourceNames").empty())
      out.push_back(invalid_value(at + ".nonResourceURLs", rule["nonResourceURLs"],
                                  "rules cannot apply to both regular resources and non-resource URLs"));
    return;
  }
  if (list_of(rule, "apiGroups").empty()) out.push_back(required_value(at + ".apiGroups", "resource rules must supply at least one api group"));
  if (list_of(rule, "resources").empty()) out.push_back(required_value(at + ".resources", "resource rules must supply at least one resource"));
}

void check_subject(const json& subject, const std::string& at, bool namespaced, causes& out) {
  const auto kind = text_or(dig(subject, "kind")), name = text_or(dig(subject, "name")), group = text_or(dig(subject, "apiGroup"));
  if (name.empty()) out.push_back(required_value(at + ".name"));
  if (kind == "ServiceAccount") {
    if (!name.empty())
      if (auto why = name_problem(name, schema::name_rule::subdomain); !why.empty()) out.push_back(invalid_value(at + ".name", name, why));
    if (!group.empty()) out.push_back(not_supported(at + ".apiGroup", group, {""}));
    if (!namespaced && text_or(dig(subject, "namespace")).empty()) out.push_back(required_value(at + ".namespace"));
  } else if (kind == "User" || kind == "Group") {
    if (group != "rbac.authorization.k8s.io") out.push_back(not_supported(at + ".apiGroup", group, {"rbac.authorization.k8s.io"}));
  } else {
    out.push_back(not_supported(at + ".kind", kind, {"ServiceAccount", "User", "Group"}));
  }
}

void check_access(const schema::kind& kind, const json& object, causes& out) {
  if (kind.name == "Role" || kind.name == "ClusterRole") {
    const auto& rules = list_of(object, "rules");
    for (std::size_t i = 0; i < rules.size(); ++i) check_rule(rules[i], "rules[" + std::to_string(i) + "]", kind.namespaced, out);
    return;
  }
  const auto role = text_or(dig(object, "roleRef", "kind"));
  if (dig(object, "roleRef", "apiGroup") != "rbac.authorization.k8s.io")
    out.push_back(not_supported("roleRef.apiGroup", text_or(dig(object, "roleRef", "apiGroup")), {"rbac.authorization.k8s.io"}));
  if (kind.namespaced ? role != "Role" && role != "ClusterRole" : role != "ClusterRole")
    out.push_back(not_supported("roleRef.kind", role, kind.namespaced ? std::vector<std::string>{"Role", "ClusterRole"} : std::vector<std::string>{"ClusterRole"}));
  if (text_or(dig(object, "roleRef", "name")).empty()) out.push_back(required_value("roleRef.name"));
  const auto& subjects = list_of(object, "subjects");
  for (std::size_t i = 0; i < subjects.size(); ++i) check_subject(subjects[i], "subjects[" + std::to_string(i) + "]", kind.namespaced, out);
}

void check_priority_class(const json& object, causes& out) {
  const auto name = text_or(dig(object, "metadata", "name"));
  const auto value = number_or(dig(object, "value"), 0);
  if (name.starts_with("system-")) {
    const auto known = std::ranges::find_if(system_classes, [&](const auto& each) { return name == each.name && value == each.value; });
    if (known == std::end(system_classes))
      out.push_back(forbidden_value("metadata.name", "priority class names with 'system-' prefix are reserved for system use only. error: " + name +
                                                         " is not a known system priority class"));
  } else if (value > user_priority_max) {
    out.push_back(forbidden_value("value", "maximum allowed value of a user defined priority is 1000000000"));
  }
  const auto policy = text_or(dig(object, "preemptionPolicy"));
  if (policy != "Never" && policy != "PreemptLowerPriority")
    out.push_back(not_supported("preemptionPolicy", policy, {"Never", "PreemptLowerPriority"}));
}

void check_request(const json& object, causes& out) {
  const auto& spec = dig(object, "spec");
  if (text_or(dig(spec, "request")).empty()) out.push_back(required_value("spec.request"));
  const auto signer = text_or(dig(spec, "signerName"));
  if (signer.empty()) out.push_back(required_value("spec.signerName"));
  else if (signer.find('/') == std::string::npos)
    out.push_back(invalid_value("spec.signerName", signer, "must be a fully qualified domain and path of the form 'example.com/signer-name'"));
  if (list_of(spec, "usages").empty()) out.push_back(required_value("spec.usages"));
  const auto& life = dig(spec, "expirationSeconds");
  if (life.is_number_integer() && life.get<std::int64_t>() < 600)
    out.push_back(invalid_value("spec.expirationSeconds", life, "may not specify a duration less than 600 seconds (10 minutes)"));
}

void check_budget(const json& object, causes& out) {
  const auto& spec = dig(object, "spec");
  if (!dig(spec, "minAvailable").is_null() && !dig(spec, "maxUnavailable").is_null())
    out.push_back(invalid_value("spec", spec, "minAvailable and maxUnavailable cannot be both set"));
  for (auto key : {"minAvailable", "maxUnavailable"})
    if (dig(spec, key).is_number_integer() && number_or(dig(spec, key), 0) < 0)
      out.push_back(invalid_value(std::string("spec.") + key, dig(spec, key), "must be greater than or equal to 0"));
  std::string where;
  if (auto why = model::label_match_problem(dig(spec, "selector"), where); !why.empty())
    out.push_back(invalid_value("spec.selector." + where, dig(spec, "selector"), why));
}

void check_ingress(const json& object, causes& out) {
  const auto& spec = dig(object, "spec");
  if (list_of(spec, "rules").empty() && !dig(spec, "defaultBackend").is_object())
    out.push_back(invalid_value("spec", spec.is_null() ? json::object() : spec, "either `defaultBackend` or `rules` must be specified"));
  const auto& rules = list_of(spec, "rules");
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const auto& paths = list_of(dig(rules[i], "http"), "paths");
    for (std::size_t k = 0; k < paths.size(); ++k) {
      const auto at = "spec.rules[" + std::to_string(i) + "].http.paths[" + std::to_string(k) + "]";
      const auto type = text_or(dig(paths[k], "pathType")), path = text_or(dig(paths[k], "path"));
      if (type.empty()) out.push_back(required_value(at + ".pathType", "pathType must be specified"));
      else if (type != "Exact" && type != "Prefix" && type != "ImplementationSpecific")
        out.push_back(not_supported(at + ".pathType", type, {"Exact", "ImplementationSpecific", "Prefix"}));
      if (type != "ImplementationSpecific" && !path.starts_with("/"))
        out.push_back(invalid_value(at + ".path", path, "must be an absolute path"));
      if (!dig(paths[k], "backend", "service").is_object() && !dig(paths[k], "backend", "resource").is_object())
        out.push_back(required_value(at + ".backend", "must specify either service or resource"));
    }
  }
}

void check_autoscaler(const json& object, causes& out) {
  const auto& spec = dig(object, "spec");
  const auto most = number_or(dig(spec, "maxReplicas"), 0), least = number_or(dig(spec, "minReplicas"), 1);
  if (least < 1) out.push_back(invalid_value("spec.minReplicas", least, "must be greater than or equal to 1"));
  if (most < 1) out.push_back(invalid_value("spec.maxReplicas", most, "must be greater than 0"));
  else if (most < least) out.push_back(invalid_value("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"));
  if (text_or(dig(spec, "scaleTargetRef", "kind")).empty()) out.push_back(required_value("spec.scaleTargetRef.kind"));
  if (text_or(dig(spec, "scaleTargetRef", "name")).empty()) out.push_back(required_value("spec.scaleTargetRef.name"));
}

}  // namespace

bool check_policy(const schema::kind& kind, const json& object, causes& out) {
  if (kind.group == "rbac.authorization.k8s.io") return check_access(kind, object, out), true;
  if (kind.name == "PriorityClass") return check_priority_class(object, out), true;
  if (kind.name == "CertificateSigningRequest") return check_request(object, out), true;
  if (kind.name == "PodDisruptionBudget") return check_budget(object, out), true;
  if (kind.name == "Ingress") return check_ingress(object, out), true;
  if (kind.name == "HorizontalPodAutoscaler") return check_autoscaler(object, out), true;
  return check_storage(kind, object, out);
}

void check_policy_change(const schema::kind& kind, const json& old, const json& now, causes& out) {
  if (kind.name == "RoleBinding" || kind.name == "ClusterRoleBinding") {
    if (dig(old, "roleRef") != dig(now, "roleRef")) out.push_back(invalid_value("roleRef", dig(now, "roleRef"), "cannot change roleRef"));
    return;
  }
  if (kind.name == "PriorityClass") {
    if (dig(old, "value") != dig(now, "value")) out.push_back(forbidden_value("value", "may not be changed in an update."));
    if (dig(old, "preemptionPolicy") != dig(now, "preemptionPolicy"))
      out.push_back(invalid_value("preemptionPolicy", dig(now, "preemptionPolicy"), std::string(immutable)));
    return;
  }
  if (kind.name == "RuntimeClass" && dig(old, "handler") != dig(now, "handler"))
    out.push_back(invalid_value("handler", dig(now, "handler"), std::string(immutable)));
  if (kind.name == "IngressClass" && dig(old, "spec", "controller") != dig(now, "spec", "controller"))
    out.push_back(invalid_value("spec.controller", dig(now, "spec", "controller"), std::string(immutable)));
  check_storage_change(kind, old, now, out);
}

}  // namespace troupe::apiserver::rules
