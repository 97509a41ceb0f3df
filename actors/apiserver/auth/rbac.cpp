#include "actors/apiserver/auth/rbac.hpp"

#include <algorithm>

#include "actors/model/document.hpp"

namespace troupe::apiserver {
namespace {

bool has(const std::vector<std::string>& list, std::string_view wanted) { return std::find(list.begin(), list.end(), wanted) != list.end(); }
bool has_or_any(const std::vector<std::string>& list, std::string_view wanted) { return has(list, "*") || has(list, wanted); }

bool covers_resource(const policy_rule& rule, std::string_view resource, std::string_view sub) {
  if (has(rule.resources, "*")) return true;
  if (sub.empty()) return has(rule.resources, resource);
  return has(rule.resources, std::string(resource) + "/" + std::string(sub)) || has(rule.resources, "*/" + std::string(sub));
}
bool covers_path(const policy_rule& rule, std::string_view path) {
  return std::any_of(rule.paths.begin(), rule.paths.end(), [&](const std::string& one) {
    return one == "*" || one == path || (one.ends_with('*') && path.starts_with(std::string_view(one).substr(0, one.size() - 1)));
  });
}
std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

/// Each thing that a rule allows, by itself, as upstream breaks rules down to compare them.
std::vector<wanted_access> parts_of(const policy_rule& rule) {
  std::vector<wanted_access> out;
  for (const auto& verb : rule.verbs) {
    for (const auto& path : rule.paths) out.push_back({verb, "", "", "", "", "", path});
    for (const auto& group : rule.groups)
      for (const auto& whole : rule.resources) {
        const auto slash = whole.find('/');
        wanted_access one{verb, group, whole.substr(0, slash), slash == std::string::npos ? "" : whole.substr(slash + 1), "", "", ""};
        if (rule.names.empty()) out.push_back(one);
        for (const auto& name : rule.names) one.name = name, out.push_back(one);
      }
  }
  return out;
}

}  // namespace

std::vector<std::string> texts(const json& list) {
  std::vector<std::string> out;
  if (list.is_array())
    for (const auto& one : list) out.push_back(text_or(one));
  return out;
}

std::vector<policy_rule> rules_of(const json& role) {
  std::vector<policy_rule> out;
  for (const auto& one : dig(role, "rules"))
    out.push_back({texts(dig(one, "verbs")), texts(dig(one, "apiGroups")), texts(dig(one, "resources")), texts(dig(one, "resourceNames")),
                   texts(dig(one, "nonResourceURLs"))});
  return out;
}

json rules_json(const std::vector<policy_rule>& rules) {
  json out = json::array();
  for (const auto& one : rules) {
    json rule{{"verbs", one.verbs}};
    if (!one.groups.empty()) rule["apiGroups"] = one.groups;
    if (!one.resources.empty()) rule["resources"] = one.resources;
    if (!one.names.empty()) rule["resourceNames"] = one.names;
    if (!one.paths.empty()) rule["nonResourceURLs"] = one.paths;
    out.push_back(std::move(rule));
  }
  return out;
}

wanted_access access_of(const target& asked) {
  if (!asked.kind) return {lower(asked.method == "HEAD" ? "GET" : asked.method), "", "", "", "", "", asked.path};
  wanted_access out{std::string(to_string(asked.what)), std::string(asked.kind->group), std::string(asked.kind->plural), asked.subresource,
             asked.kind->plural == "namespaces" && asked.kind->group.empty() ? asked.name : asked.ns, asked.name, ""};
  // A list or watch of one name is a request about that name.
  if (out.name.empty() && (asked.what == verb::list || asked.what == verb::watch)) out.name = std::string(asked.ask.fields.required_name());
  return out;
}

bool covers(const policy_rule& rule, const wanted_access& what) {
  if (!has_or_any(rule.verbs, what.verb)) return false;
  if (!what.path.empty()) return covers_path(rule, what.path);
  if (!has_or_any(rule.groups, what.group) || !covers_resource(rule, what.resource, what.subresource)) return false;
  return rule.names.empty() || (!what.name.empty() && has(rule.names, what.name));
}

bool covers_all(const std::vector<policy_rule>& held, const std::vector<policy_rule>& wanted) {
  for (const auto& rule : wanted)
    for (const auto& part : parts_of(rule))
      if (std::none_of(held.begin(), held.end(), [&](const policy_rule& h) { return covers(h, part); })) return false;
  return true;
}

void rbac_book::set(std::string_view plural, const model::snapshot& all) {
  const bool cluster = plural.starts_with("cluster");
  if (plural.ends_with("roles")) {
    auto& into = cluster ? cluster_roles_ : roles_;
    into.clear();
    all.each("", [&](const model::document_ptr& doc) { return into.emplace(std::string(doc->key()), rules_of(model::parse(*doc))), true; });
    return;
  }
  auto& into = cluster ? cluster_bindings_ : bindings_;
  into.clear();
  all.each("", [&](const model::document_ptr& doc) {
    const auto object = model::parse(*doc);
    binding one;
    one.name = text_or(dig(object, "metadata", "name"));
    one.ns = text_or(dig(object, "metadata", "namespace"));
    one.role = text_or(dig(object, "roleRef", "name"));
    one.cluster_role = text_or(dig(object, "roleRef", "kind")) == "ClusterRole";
    for (const auto& s : dig(object, "subjects")) one.subjects.push_back({text_or(dig(s, "kind")), text_or(dig(s, "name")), text_or(dig(s, "namespace"))});
    into.push_back(std::move(one));
    return true;
  });
}

bool rbac_book::is_meant(const binding& b, const user_info& user) {
  return std::any_of(b.subjects.begin(), b.subjects.end(), [&](const subject& s) {
    if (s.kind == "User") return s.name == user.name;
    if (s.kind == "Group") return has(user.groups, s.name);
    if (s.kind != "ServiceAccount") return false;
    return user.name == "system:serviceaccount:" + (s.ns.empty() ? b.ns : s.ns) + ":" + s.name;
  });
}

const std::vector<policy_rule>* rbac_book::role_of(const binding& b) const {
  const auto& from = b.cluster_role ? cluster_roles_ : roles_;
  const auto found = from.find(b.cluster_role ? b.role : b.ns + "/" + b.role);
  return found == from.end() ? nullptr : &found->second;
}

template <class F>
void rbac_book::each_binding(const user_info& user, std::string_view ns, F then) const {
  for (const auto& b : cluster_bindings_)
    if (b.cluster_role && is_meant(b, user))
      if (const auto* rules = role_of(b); rules && then(b, *rules, true)) return;
  if (ns.empty()) return;
  for (const auto& b : bindings_)
    if (b.ns == ns && is_meant(b, user))
      if (const auto* rules = role_of(b); rules && then(b, *rules, false)) return;
}

std::vector<policy_rule> rbac_book::rules_for(const user_info& user, std::string_view ns) const {
  std::vector<policy_rule> out;
  each_binding(user, ns, [&](const binding&, const std::vector<policy_rule>& rules, bool) {
    out.insert(out.end(), rules.begin(), rules.end());
    return false;
  });
  return out;
}

bool rbac_book::allows(const user_info& user, const wanted_access& what, std::string* why) const {
  bool yes = false;
  each_binding(user, what.path.empty() ? std::string_view(what.ns) : std::string_view(), [&](const binding& b, const std::vector<policy_rule>& rules, bool cluster) {
    yes = std::any_of(rules.begin(), rules.end(), [&](const policy_rule& rule) { return covers(rule, what); });
    if (yes && why)
      *why = std::string("RBAC: allowed by ") + (cluster ? "ClusterRoleBinding \"" + b.name : "RoleBinding \"" + b.name + "/" + b.ns) + "\" of " +
             (b.cluster_role ? "ClusterRole" : "Role") + " \"" + b.role + "\"";
    return yes;
  });
  return yes;
}

std::vector<policy_rule> rbac_book::referred(const json& role_ref, std::string_view ns) const {
  binding b;
  b.role = text_or(dig(role_ref, "name"));
  b.ns = std::string(ns);
  b.cluster_role = text_or(dig(role_ref, "kind")) == "ClusterRole";
  const auto* found = role_of(b);
  return found ? *found : std::vector<policy_rule>();
}

}  // namespace troupe::apiserver
