// Who may do what, decided from facts that are handed in. Nothing is allowed by default. Pure.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/apiserver/router.hpp"

namespace troupe::apiserver {

struct user_info {
  std::string name;
  std::vector<std::string> groups;
  std::string uid = {};
  std::vector<std::pair<std::string, std::vector<std::string>>> extra = {};   ///< As of a pod's token: which pod, which node.
};
inline constexpr std::string_view group_masters = "system:masters";
inline constexpr std::string_view group_nodes = "system:nodes";
inline constexpr std::string_view group_authenticated = "system:authenticated";
inline constexpr std::string_view group_unauthenticated = "system:unauthenticated";
inline constexpr std::string_view node_user_prefix = "system:node:";

/// True when a pod bound to `node` refers to the secret or configmap (`plural`) of that namespace and name, or, for
/// "pods" with its name, when that pod is bound to the node, or, for "serviceaccounts", when such a pod runs as it.
using node_relation = std::function<bool(std::string_view node, std::string_view plural, std::string_view ns,
                                         std::string_view name)>;

struct verdict {
  bool allowed = false;
  std::string reason;  ///< Why not, when there is more to say than no.
};
/// `uses` is asked only for node users.
verdict authorize(const user_info& user, const target& asked, const node_relation& uses);
/// What a node user may not do although the path allows it, because the object says more than the path: another
/// node's Node or Lease, labels that are not a node's to choose. Asked with the decoded body of every create (of any user).
/// Nothing when it is fine.
std::optional<api_error> restrict_create(const user_info& user, const target& asked, const json& object);
/// Likewise of every change: a node leaves its taints, its owners and the labels that steer pods to it alone.
std::optional<api_error> restrict_change(const user_info& user, const target& asked, const json& old, const json& next);
/// The 403 for a refused request, in upstream's words.
api_error refusal(const user_info& user, const target& asked, const verdict& why);

}  // namespace troupe::apiserver
