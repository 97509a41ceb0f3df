#include "actors/apiserver/identity.hpp"

#include <algorithm>

namespace troupe::apiserver {
namespace {
/// "K10<hash>::user:password" and the bare password both name the same secret.
std::string_view password_part(std::string_view token) {
  if (token.substr(0, 3) != "K10") return token;
  const auto credentials = token.find("::");
  if (credentials == std::string_view::npos) return token;
  const auto rest = token.substr(credentials + 2);
  const auto colon = rest.find(':');
  return colon == std::string_view::npos ? rest : rest.substr(colon + 1);
}
}  // namespace

namespace {
api_error no_impersonation(const user_info& user, std::string_view resource, const std::string& name) {
  api_error out{403, "Forbidden", std::string(resource) + " \"" + name + "\" is forbidden: User \"" + user.name + "\" cannot impersonate resource \"" +
                    std::string(resource) + "\" in API group \"\" at the cluster scope", {}, 0, json::object()};
  out.details = {{"name", name}, {"kind", resource}};
  return out;
}

/// Impersonate-User, -Group, -Uid and -Extra-*: masters may, and whom the cluster's rules let "impersonate" what is named.
std::variant<user_info, api_error> impersonate(const net::http::request& ask, user_info user, const accepted_tokens& tokens) {
  user_info as;
  bool wanted = false;
  for (const auto& [name, value] : ask.headers.all()) {
    if (!name.starts_with("impersonate-")) continue;
    wanted = true;
    if (name == "impersonate-user") as.name = value;
    if (name == "impersonate-group") as.groups.push_back(value);
    if (name == "impersonate-uid") as.uid = value;
    if (name.starts_with("impersonate-extra-")) as.extra.push_back({net::http::percent_decode(name.substr(18)).value_or(""), {value}});
  }
  if (!wanted) return user;
  const bool master = std::ranges::find(user.groups, group_masters) != user.groups.end();
  const auto may = [&](std::string_view group, std::string_view resource, const std::string& ns, const std::string& name) {
    return master || (tokens.may_impersonate && tokens.may_impersonate(user, group, resource, ns, name));
  };
  constexpr std::string_view account = "system:serviceaccount:";
  const auto colon = as.name.starts_with(account) ? as.name.find(':', account.size()) : std::string::npos;
  if (colon != std::string::npos) {
    const auto ns = as.name.substr(account.size(), colon - account.size()), name = as.name.substr(colon + 1);
    if (!may("", "serviceaccounts", ns, name)) return no_impersonation(user, "serviceaccounts", name);
    if (as.groups.empty()) as.groups = {"system:serviceaccounts", "system:serviceaccounts:" + ns};
  } else if (!may("", "users", "", as.name)) {
    return no_impersonation(user, "users", as.name);
  }
  for (const auto& group : as.groups)
    if (colon == std::string::npos && !may("", "groups", "", group)) return no_impersonation(user, "groups", group);
  if (!as.uid.empty() && !may("authentication.k8s.io", "uids", "", as.uid)) return no_impersonation(user, "uids", as.uid);
  for (const auto& [key, values] : as.extra)
    if (!may("authentication.k8s.io", "userextras/" + key, "", values.front())) return no_impersonation(user, "userextras/" + key, values.front());
  if (as.name.empty()) return bad_request("impersonation of groups or extra fields without impersonating a user");
  as.groups.emplace_back(as.name == "system:anonymous" ? group_unauthenticated : group_authenticated);
  return as;
}

std::variant<user_info, api_error> authenticate(const net::http::request& ask, const accepted_tokens& tokens) {
  user_info user;
  if (ask.peer.verified && !ask.peer.common_name.empty()) {
    user.name = ask.peer.common_name;
    user.groups = ask.peer.organizations;
  } else if (const auto* given = ask.headers.find("authorization")) {
    constexpr std::string_view scheme = "bearer ";
    std::string lower = given->substr(0, scheme.size());
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    if (lower != scheme) return unauthorized();
    const auto token = password_part(std::string_view(*given).substr(scheme.size()));
    if (!tokens.server.empty() && secret_text::same_in_constant_time(token, tokens.server.reveal()))
      user = {"server", {"k3s:server"}};
    else if (!tokens.agent.empty() && secret_text::same_in_constant_time(token, tokens.agent.reveal()))
      user = {"node", {"k3s:agent"}};
    else if (auto account = tokens.account ? tokens.account(token) : std::nullopt)
      user = std::move(*account);
    else if (auto holder = tokens.bootstrap ? tokens.bootstrap(token) : std::nullopt)
      user = std::move(*holder);
    else
      return unauthorized();
  } else {
    return user_info{"system:anonymous", {std::string(group_unauthenticated)}};
  }
  user.groups.emplace_back(group_authenticated);
  return user;
}
}  // namespace

std::variant<user_info, api_error> identify(const net::http::request& ask, const accepted_tokens& tokens) {
  auto who = authenticate(ask, tokens);
  if (std::holds_alternative<api_error>(who)) return who;
  return impersonate(ask, std::move(std::get<user_info>(who)), tokens);
}

}  // namespace troupe::apiserver
