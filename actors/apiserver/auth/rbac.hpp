// Who may do what by the cluster's own rules: Roles, ClusterRoles and their bindings. Pure; rules add up, nothing is taken away.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/apiserver/auth/authorizer.hpp"
#include "actors/model/snapshot.hpp"

namespace troupe::apiserver {

/// A list of texts; what is not one becomes "".
std::vector<std::string> texts(const json& list);

struct policy_rule {
  std::vector<std::string> verbs, groups, resources, names, paths;
};
/// The rules of a Role or ClusterRole.
std::vector<policy_rule> rules_of(const json& role);
json rules_json(const std::vector<policy_rule>& rules);

/// What is asked, without the rest of a request.
struct wanted_access {
  std::string verb, group, resource, subresource, ns, name;
  std::string path;                      ///< Not a resource when set.
};
wanted_access access_of(const target& asked);
bool covers(const policy_rule& rule, const wanted_access& what);
/// True when `held` together allow all that `wanted` allows.
bool covers_all(const std::vector<policy_rule>& held, const std::vector<policy_rule>& wanted);

class rbac_book {
 public:
  /// Everything there is of one of the four kinds (plural), anew.
  void set(std::string_view plural, const model::snapshot& all);
  /// The rules that a user has in `ns` ("" = cluster-wide only), each once, in a stable order.
  std::vector<policy_rule> rules_for(const user_info& user, std::string_view ns) const;
  /// `why` says by which binding.
  bool allows(const user_info& user, const wanted_access& what, std::string* why = nullptr) const;
  /// The rules of a role that a binding in `ns` refers to; nothing when there is no such role.
  std::vector<policy_rule> referred(const json& role_ref, std::string_view ns) const;

 private:
  struct subject { std::string kind, name, ns; };
  struct binding { std::string name, ns, role; bool cluster_role = false; std::vector<subject> subjects; };
  using roles = std::map<std::string, std::vector<policy_rule>, std::less<>>;
  static bool is_meant(const binding& b, const user_info& user);
  template <class F>
  void each_binding(const user_info& user, std::string_view ns, F then) const;
  const std::vector<policy_rule>* role_of(const binding& b) const;
  roles roles_, cluster_roles_;          ///< "ns/name", "name".
  std::vector<binding> bindings_, cluster_bindings_;
};

}  // namespace troupe::apiserver
