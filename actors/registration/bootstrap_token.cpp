#include "actors/registration/bootstrap_token.hpp"

#include <algorithm>

#include "actors/registration/token.hpp"
#include "basis/bytes.hpp"

namespace troupe::registration {
namespace {
constexpr std::string_view extra_group_prefix = "system:bootstrappers:";
}

std::string bootstrap_field(const json& secret, std::string_view key) {
  std::string out;
  const auto& data = dig(secret, "data");
  if (!data.is_object() || !from_base64(text_or(dig(data, std::string(key))), out)) return {};
  return out;
}

std::optional<wall_time> bootstrap_expiry(const json& secret) {
  const auto text = bootstrap_field(secret, "expiration");
  if (text.empty()) return std::nullopt;
  const auto at = parse_rfc3339(text);
  return at.ok() ? *at : wall_time{};
}

result<bootstrap_user> judge_bootstrap_token(const json& secret, std::string_view given, wall_time now) {
  const auto no = [](const char* why) { return fail(errc::unauthorized, why); };
  if (!is_bootstrap_token(given)) return no("not shaped as a bootstrap token");
  const auto id = given.substr(0, 6);
  if (text_or(dig(secret, "type")) != bootstrap_type) return no("the Secret is of another type");
  if (!dig(dig(secret, "metadata"), "deletionTimestamp").is_null()) return no("the token is being deleted");
  const auto kept = bootstrap_field(secret, "token-secret");
  if (kept.size() != 16 || !secret_text::same_in_constant_time(given.substr(7), kept)) return no("the token's secret is another one");
  if (bootstrap_field(secret, "token-id") != id) return no("the Secret's token-id is another one");
  if (const auto end = bootstrap_expiry(secret); end && *end <= now) return no("the token has expired");
  if (bootstrap_field(secret, "usage-bootstrap-authentication") != "true") return no("the token is not meant for authentication");
  bootstrap_user out{"system:bootstrap:" + std::string(id), {std::string(bootstrap_group)}};
  const auto extra = bootstrap_field(secret, "auth-extra-groups");
  for (std::size_t from = 0; from < extra.size();) {
    const auto comma = std::min(extra.find(',', from), extra.size());
    const auto group = extra.substr(from, comma - from);
    // As upstream: a token may only add groups that are marked as such.
    if (!group.starts_with(extra_group_prefix)) return no("the token adds a group outside system:bootstrappers:");
    out.groups.push_back(group);
    from = comma + 1;
  }
  return out;
}

}  // namespace troupe::registration
