// Who is asking: from a verified client certificate, else a bearer token, else nobody. Pure.
#pragma once
#include <functional>
#include <optional>
#include <variant>

#include "actors/apiserver/auth/authorizer.hpp"
#include "basis/secret.hpp"
#include "net/http/message.hpp"

namespace troupe::apiserver {

struct accepted_tokens {
  secret_text server, agent;   ///< The cluster's passwords.
  /// Whom a bootstrap token makes its holder; null: there are none.
  std::function<std::optional<user_info>(std::string_view token)> bootstrap = {};
  /// The same for a service account's; and who may ask as somebody else, beside masters.
  std::function<std::optional<user_info>(std::string_view token)> account = {};
  std::function<bool(const user_info& user, std::string_view group, std::string_view resource, const std::string& ns, const std::string& name)> may_impersonate = {};
};
/// 401 when a credential was given and is wrong: a bad token is never treated as no token. Masters may ask as
/// somebody else (Impersonate-User, Impersonate-Group); for others that is 403.
std::variant<user_info, api_error> identify(const net::http::request& ask, const accepted_tokens& tokens);

}  // namespace troupe::apiserver
