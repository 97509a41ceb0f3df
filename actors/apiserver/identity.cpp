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
/// Impersonate-User and -Group: only masters may, since nobody else could have been given the right yet.
std::variant<user_info, api_error> impersonate(const net::http::request& ask, user_info user) {
  user_info as;
  bool wanted = false;
  for (const auto& [name, value] : ask.headers.all()) {
    if (!name.starts_with("impersonate-")) continue;
    wanted = true;
    if (name == "impersonate-user") as.name = value;
    if (name == "impersonate-group") as.groups.push_back(value);
  }
  if (!wanted) return user;
  if (std::ranges::find(user.groups, group_masters) == user.groups.end()) {
    api_error out{403, "Forbidden", "users \"" + as.name + "\" is forbidden: User \"" + user.name +
                      "\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope", {}, 0, json::object()};
    out.details = {{"name", as.name}, {"kind", "users"}};
    return out;
  }
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
  return impersonate(ask, std::move(std::get<user_info>(who)));
}

}  // namespace troupe::apiserver
