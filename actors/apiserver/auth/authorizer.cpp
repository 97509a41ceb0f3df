#include "actors/apiserver/auth/authorizer.hpp"

#include <algorithm>
#include <set>

namespace troupe::apiserver {
namespace {

constexpr std::string_view lease_namespace = "kube-node-lease";

bool in_group(const user_info& user, std::string_view group) {
  return std::ranges::find(user.groups, group) != user.groups.end();
}

bool reads(const target& asked) {
  return asked.what == verb::get || asked.what == verb::list || asked.what == verb::watch;
}
bool changes(const target& asked) { return asked.what == verb::update || asked.what == verb::patch; }

bool is(const target& asked, std::string_view group, std::string_view plural) {
  return asked.kind->group == group && asked.kind->plural == plural;
}

bool is_network(const target& asked) {
  return is(asked, "", "services") || is(asked, "", "endpoints") || is(asked, "discovery.k8s.io", "endpointslices");
}

/// Paths that anybody may read.
bool is_public(const target& asked) {
  if (asked.method != "GET" && asked.method != "HEAD") return false;
  for (auto path : {"/version", "/healthz", "/livez", "/readyz", "/ping", "/cacerts"}) {
    if (asked.path == path) return true;
    bool check = std::string_view(path).ends_with('z') && asked.path.starts_with(std::string(path) + "/");
    if (check) return true;
  }
  return false;
}

verdict yes() { return {true, {}}; }
verdict no(std::string reason) { return {false, std::move(reason)}; }

verdict unrelated(std::string_view node) {
  return no("no relationship found between node '" + std::string(node) + "' and this object");
}

/// The one name a request is about: of the path, or required by its field selector.
std::string_view only_name(const target& asked) {
  return asked.name.empty() ? asked.ask.fields.required_name() : std::string_view(asked.name);
}

verdict node_on_nodes(std::string_view node, const target& asked) {
  // Whoever leads packets to other nodes' pods must know those nodes; K3s gives its agents another identity for that.
  if (!asked.sub && reads(asked)) return yes();
  bool own = only_name(asked) == node;
  if (asked.sub) {
    bool allowed = own && asked.subresource == "status" && changes(asked);
    return allowed ? yes() : no("node '" + std::string(node) + "' may only change the status of its own Node");
  }
  if (asked.what == verb::create) return yes();  // restrict_create() sees the name.
  if (own && changes(asked)) return yes();
  return no("node '" + std::string(node) + "' cannot change any other Node");
}

verdict node_on_leases(std::string_view node, const target& asked) {
  if (asked.sub || asked.ns != lease_namespace)
    return no("can only access leases in the \"" + std::string(lease_namespace) + "\" system namespace");
  if (asked.what == verb::create) return yes();
  bool known = asked.what == verb::get || changes(asked) || asked.what == verb::remove;
  return known && asked.name == node ? yes()
                                     : no("can only access node lease with the same name as the requesting node");
}

verdict node_on_pods(std::string_view node, const target& asked, const node_relation& uses) {
  if (asked.what == verb::list || asked.what == verb::watch) {
    bool selected = !asked.sub && asked.ask.fields.required("spec.nodeName") == node;
    return selected ? yes() : no("can only list/watch pods with spec.nodeName field selector");
  }
  if (asked.what == verb::create && !asked.sub) return yes();  // Mirrors of static pods: restrict_create() sees which.
  bool read = asked.what == verb::get && (!asked.sub || asked.subresource == "status");
  bool reports = changes(asked) && asked.subresource == "status";
  bool removes = asked.what == verb::remove && !asked.sub;
  if (!read && !reports && !removes) return no("");
  return uses && uses(node, "pods", asked.ns, asked.name) ? yes() : unrelated(node);
}

/// Secrets and configmaps: one at a time, and only when a pod of the node refers to it.
verdict node_on_references(std::string_view node, const target& asked, const node_relation& uses) {
  if (!reads(asked) || asked.sub || asked.ns.empty()) return no("can only read resources of this type");
  auto name = only_name(asked);
  if (name.empty()) return no("No Object name found");
  return uses && uses(node, asked.kind->plural, asked.ns, name) ? yes() : unrelated(node);
}

verdict node_on_accounts(std::string_view node, const target& asked, const node_relation& uses) {
  bool token = asked.what == verb::create && asked.subresource == "token";
  bool read = asked.what == verb::get && !asked.sub;
  if (!token && !read) return no("");
  return uses && uses(node, "serviceaccounts", asked.ns, asked.name) ? yes() : unrelated(node);
}

verdict authorize_node(std::string_view node, const target& asked, const node_relation& uses) {
  if (is(asked, "", "nodes")) return node_on_nodes(node, asked);
  if (is(asked, "coordination.k8s.io", "leases")) return node_on_leases(node, asked);
  if (is(asked, "", "pods")) return node_on_pods(node, asked, uses);
  if (is(asked, "", "secrets") || is(asked, "", "configmaps")) return node_on_references(node, asked, uses);
  if (is(asked, "", "serviceaccounts")) return node_on_accounts(node, asked, uses);
  bool reports = !asked.sub && (asked.what == verb::create || changes(asked));
  if (asked.kind->plural == "events") return reports ? yes() : no("");
  if (is(asked, "node.k8s.io", "runtimeclasses") && asked.what == verb::get) return yes();
  if (is_network(asked)) return !asked.sub && reads(asked) ? yes() : no("");
  return no("");
}

/// The node a user speaks for; "" when the user is none.
std::string_view node_of(const user_info& user) {
  if (!in_group(user, group_nodes) || !user.name.starts_with(node_user_prefix)) return {};
  return std::string_view(user.name).substr(node_user_prefix.size());
}

/// Whether a label of `domain` (before its '/') is one that pods are steered by, and not the kubelet's to set.
bool is_reserved(std::string_view key) {
  static constexpr std::string_view own[] = {
      "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
      "beta.kubernetes.io/instance-type", "topology.kubernetes.io/region", "topology.kubernetes.io/zone",
      "failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone"};
  const auto domain = key.substr(0, std::min(key.find('/'), key.size()));
  const auto within = [&](std::string_view of) { return domain == of || (domain.ends_with(of) && domain[domain.size() - of.size() - 1] == '.'); };
  if (domain.size() == key.size() || (!within("kubernetes.io") && !within("k8s.io"))) return false;
  return !within("node.kubernetes.io") && !within("kubelet.kubernetes.io") && std::ranges::find(own, key) == std::end(own);
}

/// The reserved labels in which the two differ, with commas between.
std::string reserved_changes(const json& before, const json& after) {
  std::set<std::string> changed;
  const auto compare = [&](const json& one, const json& other) {
    if (!one.is_object()) return;
    for (const auto& [key, value] : one.items())
      if (is_reserved(key) && dig(other, key) != value) changed.insert(key);
  };
  compare(before, after);
  compare(after, before);
  std::string out;
  for (const auto& key : changed) out += (out.empty() ? "" : ", ") + key;
  return out;
}

const json& list_or_empty(const json& of) {
  static const json none = json::array();
  return of.is_null() ? none : of;
}

}  // namespace

verdict authorize(const user_info& user, const target& asked, const node_relation& uses) {
  if (in_group(user, group_masters)) return yes();
  if (!asked.kind) return is_public(asked) ? yes() : no("");
  if (auto node = node_of(user); !node.empty()) return authorize_node(node, asked, uses);
  bool proxy = user.name == "system:k3s-controller" || user.name == "system:kube-proxy";
  bool known = proxy && in_group(user, group_authenticated);
  bool needed = !asked.sub && reads(asked) && (is_network(asked) || is(asked, "", "nodes"));
  return known && needed ? yes() : no("");
}

std::optional<api_error> restrict_create(const user_info& user, const target& asked, const json& object) {
  auto node = node_of(user);
  if (in_group(user, group_masters) || node.empty() || !asked.kind || asked.what != verb::create || asked.sub)
    return std::nullopt;
  auto name = text_or(dig(object, "metadata", "name"));
  if (is(asked, "", "pods")) {
    const auto& marks = dig(object, "metadata", "annotations");
    if (!marks.is_object() || !marks.contains("kubernetes.io/config.mirror"))
      return forbidden(*asked.kind, name, "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"" + std::string(node) + "\" can only create mirror pods");
    if (text_or(dig(object, "spec", "nodeName")) != node)
      return forbidden(*asked.kind, name, "node \"" + std::string(node) + "\" can only create pods with spec.nodeName set to itself");
    return std::nullopt;
  }
  bool own_only = is(asked, "", "nodes") || is(asked, "coordination.k8s.io", "leases");
  if (is(asked, "", "nodes") && name == node) {
    const auto labels = reserved_changes(json(), dig(object, "metadata", "labels"));
    if (labels.empty()) return std::nullopt;
    return forbidden(*asked.kind, name, "node \"" + std::string(node) + "\" is not allowed to set the following labels: " + labels);
  }
  if (!own_only || name == node) return std::nullopt;
  return forbidden(*asked.kind, name, "node \"" + std::string(node) + "\" is not allowed to create \"" + name + "\"");
}

std::optional<api_error> restrict_change(const user_info& user, const target& asked, const json& old, const json& next) {
  const auto node = node_of(user);
  if (in_group(user, group_masters) || node.empty() || !asked.kind || asked.sub || !is(asked, "", "nodes")) return std::nullopt;
  const auto refuse = [&](const std::string& what) {
    return forbidden(*asked.kind, asked.name, "node \"" + std::string(node) + "\" is not allowed to modify " + what);
  };
  const auto differ = [&](const char* part, const char* field) { return list_or_empty(dig(old, part, field)) != list_or_empty(dig(next, part, field)); };
  if (differ("spec", "taints")) return refuse("taints");
  if (differ("metadata", "ownerReferences")) return refuse("ownerReferences");
  if (const auto labels = reserved_changes(dig(old, "metadata", "labels"), dig(next, "metadata", "labels")); !labels.empty()) return refuse("labels: " + labels);
  return std::nullopt;
}

api_error refusal(const user_info& user, const target& asked, const verdict& why) {
  if (!asked.kind) {
    std::string method = asked.method;
    std::ranges::transform(method, method.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return forbidden_path(user.name, method, asked.path);
  }
  auto resource = std::string(asked.kind->plural);
  if (asked.sub) resource.append("/").append(asked.subresource);
  auto ns = is(asked, "", "namespaces") ? asked.name : asked.ns;
  auto text = "User " + to_text(json(user.name)) + " cannot " + std::string(to_string(asked.what)) + " resource " +
              to_text(json(resource)) + " in API group " + to_text(json(asked.kind->group));
  text += ns.empty() ? std::string(" at the cluster scope") : " in the namespace " + to_text(json(ns));
  if (!why.reason.empty()) text.append(": ").append(why.reason);
  return forbidden(*asked.kind, asked.name, text);
}

}  // namespace troupe::apiserver
