// Bootstrap tokens as Kubernetes keeps them: Secrets kube-system/bootstrap-token-<id> of type bootstrap.kubernetes.io/token.
// Whoever holds one may register agents until it expires; never servers. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "basis/clock.hpp"
#include "basis/json.hpp"
#include "basis/result.hpp"
#include "basis/secret.hpp"

namespace troupe::registration {

inline constexpr std::string_view bootstrap_type = "bootstrap.kubernetes.io/token";
inline constexpr std::string_view bootstrap_prefix = "bootstrap-token-";
inline constexpr std::string_view bootstrap_group = "system:bootstrappers";

/// Whom a good token makes its holder.
struct bootstrap_user {
  std::string name;                    ///< system:bootstrap:<id>
  std::vector<std::string> groups;     ///< system:bootstrappers and what the token adds.
};
/// `unauthorized` when the Secret is none of a token, is of another secret, has expired or may not authenticate; the note is
/// for the log and never holds the secret.
result<bootstrap_user> judge_bootstrap_token(const json& secret, std::string_view given, wall_time now);
/// When the token of this Secret ends; nothing when it never does. One that cannot be read has ended.
std::optional<wall_time> bootstrap_expiry(const json& secret);
/// A field of the Secret's data, decoded; empty when it is not there.
std::string bootstrap_field(const json& secret, std::string_view key);

}  // namespace troupe::registration
