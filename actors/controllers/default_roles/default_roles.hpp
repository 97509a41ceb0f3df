// The roles and bindings that every cluster begins with, and the controller that keeps them: what is missing is made, and what a
// newer release needs is added unless its annotation rbac.authorization.kubernetes.io/autoupdate says "false". It also fills the
// roles that are sums of others (aggregationRule).
#pragma once
#include "actors/controllers/controllers.hpp"

namespace troupe::controllers {

/// ClusterRoles, ClusterRoleBindings, Roles and RoleBindings in upstream's names, whole objects; sums hold their parts. Pure.
const std::vector<json>& default_roles();
/// The rules of a ClusterRole that is the sum of those its selectors choose, each rule once, in the order of names. Pure.
json sum_of_roles(const json& role, const std::vector<const json*>& all);
/// What has to be written so that `present` holds at least what `wanted` says; nothing when it does. Pure.
std::optional<json> role_update(const json& wanted, const json& present);

controller_actor make_default_roles(const rt::world& in, client::api_actor api);

}  // namespace troupe::controllers
