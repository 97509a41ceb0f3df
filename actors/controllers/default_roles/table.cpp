#include "actors/controllers/default_roles/default_roles.hpp"

#include <algorithm>

// Facts of Kubernetes' documented default roles, in our own compact form: one line per rule, "verbs | groups | resources", '-' the core
// group, several of each by commas; a path rule has only two parts.

namespace troupe::controllers {
namespace {

constexpr const char* read_verbs = "get,list,watch";
constexpr const char* write_verbs = "create,delete,deletecollection,patch,update";

struct role_row {
  const char* name;
  const char* label;                     ///< Which sum it is part of: "admin", "edit", "view" or "".
  std::vector<std::string> rules;
};

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> out;
  while (true) {
    const auto at = text.find(by);
    auto one = text.substr(0, at);
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    out.emplace_back(one == "-" ? "" : one);
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

json rule_of(const std::string& row) {
  const auto parts = split(row, '|');
  const auto list = [](const std::string& text) {
    json out = json::array();
    for (auto& one : split(text, ',')) out.push_back(std::move(one));
    return out;
  };
  if (parts.size() == 2) return {{"verbs", list(parts[0])}, {"nonResourceURLs", list(parts[1])}};
  return {{"verbs", list(parts[0])}, {"apiGroups", list(parts[1].empty() ? "-" : parts[1])}, {"resources", list(parts[2])}};
}

json meta(const std::string& name, const char* ns = nullptr) {
  json out{{"name", name}, {"labels", {{"kubernetes.io/bootstrapping", "rbac-defaults"}}},
           {"annotations", {{"rbac.authorization.kubernetes.io/autoupdate", "true"}}}};
  if (ns) out["namespace"] = ns;
  return out;
}

json cluster_role(const role_row& row) {
  json rules = json::array();
  for (const auto& one : row.rules) rules.push_back(rule_of(one));
  json out{{"apiVersion", "rbac.authorization.k8s.io/v1"}, {"kind", "ClusterRole"}, {"metadata", meta(row.name)}, {"rules", rules}};
  if (*row.label) out["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-" + std::string(row.label)] = "true";
  return out;
}
json sum_role(const std::string& name, const char* part_of) {
  json out = cluster_role({name.c_str(), part_of, {}});
  out["aggregationRule"] = {{"clusterRoleSelectors", json::array({{{"matchLabels", {{"rbac.authorization.k8s.io/aggregate-to-" + name, "true"}}}}})}};
  return out;
}
json binding(const std::string& name, const std::string& role, const std::vector<std::pair<std::string, std::string>>& subjects) {
  json whom = json::array();
  for (const auto& [kind, who] : subjects) {
    if (kind == "ServiceAccount") whom.push_back({{"kind", kind}, {"name", who}, {"namespace", "kube-system"}});
    else whom.push_back({{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", kind}, {"name", who}});
  }
  return {{"apiVersion", "rbac.authorization.k8s.io/v1"}, {"kind", "ClusterRoleBinding"}, {"metadata", meta(name)},
          {"roleRef", {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "ClusterRole"}, {"name", role}}}, {"subjects", whom}};
}

const std::vector<role_row>& rows() {
  static const std::string read = read_verbs, write = write_verbs;
  static const std::vector<role_row> all{
      {"cluster-admin", "", {"* | * | *", "* | *"}},
      {"system:aggregate-to-admin", "admin", {"create | authorization.k8s.io | localsubjectaccessreviews", write + "," + read + " | rbac.authorization.k8s.io | roles,rolebindings"}},
      {"system:aggregate-to-edit", "edit",
       {read + " | - | pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy", "impersonate | - | serviceaccounts",
        write + " | - | pods,pods/attach,pods/exec,pods/portforward,pods/proxy", "create | - | pods/eviction",
        write + " | - | configmaps,events,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy",
        "create | - | serviceaccounts/token",
        write + " | apps | daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,statefulsets,statefulsets/scale",
        write + " | autoscaling | horizontalpodautoscalers", write + " | batch | cronjobs,jobs", write + " | policy | poddisruptionbudgets",
        write + " | networking.k8s.io | ingresses,networkpolicies", write + "," + read + " | coordination.k8s.io | leases"}},
      {"system:aggregate-to-view", "view",
       {read + " | - | configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/status",
        read + " | - | bindings,events,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,resourcequotas,resourcequotas/status", read + " | - | namespaces",
        read + " | discovery.k8s.io | endpointslices",
        read + " | apps | controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,statefulsets/status",
        read + " | autoscaling | horizontalpodautoscalers,horizontalpodautoscalers/status", read + " | batch | cronjobs,cronjobs/status,jobs,jobs/status",
        read + " | policy | poddisruptionbudgets,poddisruptionbudgets/status", read + " | networking.k8s.io | ingresses,ingresses/status,networkpolicies"}},
      {"system:discovery", "", {"get | /api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/"}},
      {"system:public-info-viewer", "", {"get | /healthz,/livez,/readyz,/version,/version/"}},
      {"system:basic-user", "", {"create | authorization.k8s.io | selfsubjectaccessreviews,selfsubjectrulesreviews", "create | authentication.k8s.io | selfsubjectreviews"}},
      {"system:monitoring", "", {"get | /healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/*"}},
      {"system:service-account-issuer-discovery", "", {"get | /.well-known/openid-configuration,/.well-known/openid-configuration/,/openid/v1/jwks,/openid/v1/jwks/"}},
      {"system:auth-delegator", "", {"create | authentication.k8s.io | tokenreviews", "create | authorization.k8s.io | subjectaccessreviews"}},
      {"system:kubelet-api-admin", "", {read + " | - | nodes", "proxy | - | nodes", "* | - | nodes/log,nodes/metrics,nodes/proxy,nodes/stats"}},
      {"system:node-proxier", "", {"list,watch | - | endpoints,services", "get,list,watch | - | nodes", "create,patch,update | -,events.k8s.io | events", "list,watch | discovery.k8s.io | endpointslices"}},
      {"system:node-bootstrapper", "", {"create,get,list,watch | certificates.k8s.io | certificatesigningrequests"}},
      {"system:kube-dns", "", {"list,watch | - | endpoints,services"}},
      {"system:kube-scheduler", "",
       {"create,patch,update | -,events.k8s.io | events", read + " | - | nodes", "delete,get,list,watch | - | pods", "create | - | bindings,pods/binding", "patch,update | - | pods/status",
        read + " | -,apps | replicationcontrollers,services,replicasets,statefulsets", read + " | policy | poddisruptionbudgets", read + " | - | persistentvolumeclaims,persistentvolumes",
        "create | authentication.k8s.io | tokenreviews", "create | authorization.k8s.io | subjectaccessreviews", read + " | storage.k8s.io | storageclasses", read + " | - | namespaces"}},
      {"system:persistent-volume-provisioner", "",
       {"create,delete,get,list,watch | - | persistentvolumes", "get,list,update,watch | - | persistentvolumeclaims", read + " | storage.k8s.io | storageclasses", "watch | - | events",
        "create,patch,update | -,events.k8s.io | events"}},
      {"system:certificates.k8s.io:certificatesigningrequests:nodeclient", "", {"create | certificates.k8s.io | certificatesigningrequests/nodeclient"}},
      {"system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "", {"create | certificates.k8s.io | certificatesigningrequests/selfnodeclient"}},
  };
  return all;
}

}  // namespace

const std::vector<json>& default_roles() {
  static const std::vector<json> all = [] {
    std::vector<json> out;
    for (const auto& row : rows()) out.push_back(cluster_role(row));
    out.push_back(sum_role("admin", ""));
    out.push_back(sum_role("edit", "admin"));
    out.push_back(sum_role("view", "edit"));
    const std::pair<std::string, std::string> known{"Group", "system:authenticated"}, unknown{"Group", "system:unauthenticated"};
    out.push_back(binding("cluster-admin", "cluster-admin", {{"Group", "system:masters"}}));
    out.push_back(binding("system:discovery", "system:discovery", {known}));
    out.push_back(binding("system:public-info-viewer", "system:public-info-viewer", {known, unknown}));
    out.push_back(binding("system:basic-user", "system:basic-user", {known}));
    out.push_back(binding("system:monitoring", "system:monitoring", {{"Group", "system:monitoring"}}));
    out.push_back(binding("system:node-proxier", "system:node-proxier", {{"User", "system:kube-proxy"}}));
    out.push_back(binding("system:kube-scheduler", "system:kube-scheduler", {{"User", "system:kube-scheduler"}}));
    out.push_back(binding("system:kube-dns", "system:kube-dns", {{"ServiceAccount", "kube-dns"}}));
    out.push_back(binding("system:service-account-issuer-discovery", "system:service-account-issuer-discovery", {{"Group", "system:serviceaccounts"}}));
    // K3s's own: what its servers show themselves to kubelets with.
    out.push_back(binding("kube-apiserver-kubelet-admin", "system:kubelet-api-admin", {{"User", "kube-apiserver"}}));
    // Made with their sums, so that a new cluster's roles are written once; parts first.
    std::vector<const json*> roles;
    for (const auto& one : out)
      if (dig(one, "kind") == "ClusterRole") roles.push_back(&one);
    std::ranges::sort(roles, {}, [](const json* one) { return text_or(dig(*one, "metadata", "name")); });
    for (const char* name : {"view", "edit", "admin"})
      for (auto& role : out)
        if (dig(role, "kind") == "ClusterRole" && dig(role, "metadata", "name") == name) role["rules"] = sum_of_roles(role, roles);
    return out;
  }();
  return all;
}

}  // namespace troupe::controllers
