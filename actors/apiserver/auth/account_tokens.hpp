// Tokens of service accounts: JSON Web Tokens as Kubernetes makes them (RFC 7519; claim "kubernetes.io"). Signed with the first key
// of <data>/server/tls/service.key, believed when any key of it signed them. Pure but for the issuer, whose calls are fast.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "basis/clock.hpp"
#include "basis/json.hpp"
#include "basis/result.hpp"
#include "basis/secret.hpp"
#include "net/tls/issuer.hpp"

namespace troupe::apiserver {

/// What a token is good for only as long as it exists; an empty kind: nothing.
struct bound_object {
  std::string kind, name, uid;           ///< Pod, Secret or Node.
};
struct account_claims {
  std::string ns, account, uid;          ///< The service account.
  std::vector<std::string> audiences;
  wall_time issued{}, expires{};
  bound_object bound;
  std::string node, node_uid;            ///< Of a pod's token: where the pod runs.
  std::string id;                        ///< "jti".
};

inline constexpr std::size_t token_bytes_max = 16 * 1024;
inline constexpr duration token_life_least = std::chrono::minutes(10), token_life_default = std::chrono::hours(1);
inline constexpr duration token_life_most = std::chrono::hours(24) * 365;
/// What kubelets ask for pods. Such a token lives a year, because clients that read it once would break after an hour; upstream
/// does the same, and claims when it should have been renewed.
inline constexpr duration token_life_of_pods = std::chrono::seconds(3607);

/// A Secret of type kubernetes.io/service-account-token is read once and copied to where nobody renews it. It ends with its Secret,
/// and with its account.
inline constexpr duration token_life_of_secrets = std::chrono::hours(24) * 3650;

struct token_config {
  std::string issuer;                    ///< "https://kubernetes.default.svc.cluster.local"
  std::vector<std::string> audiences;    ///< Those of the API itself; the first is a token's when none is asked for.
  secret_text keys;                      ///< PEM, one or more private keys.
};

class account_tokens {
 public:
  account_tokens() = default;
  /// Keys that cannot be read are left out; without any, tokens are neither made nor believed.
  account_tokens(net::tls::issuer& with, token_config config);
  /// unavailable without a key.
  result<std::string> issue(const account_claims& claims) const;
  /// unauthorized: not signed by us, of another issuer, expired, or not yet valid. Audiences and what it is bound to are the
  /// caller's to check.
  result<account_claims> read(std::string_view token, wall_time now) const;
  /// True when it looks like a token of ours: three parts. Says nothing of its worth.
  static bool looks_like_one(std::string_view token);
  const token_config& config() const noexcept { return config_; }
  std::string key_set() const;                            ///< /openid/v1/jwks
  std::string discovery(std::string_view server) const;   ///< /.well-known/openid-configuration

 private:
  struct known_key { std::string open, id; net::tls::web_key what; };
  net::tls::issuer* with_ = nullptr;
  token_config config_;
  secret_text signing_;
  std::vector<known_key> keys_;
};

/// The claims of a token that was asked for by a TokenRequest's spec, or why not (in upstream's words). `account` is the stored
/// ServiceAccount; what the token is bound to is checked by the caller, who fills in its uid.
result<account_claims> plan_token(const json& account, const json& spec, const token_config& config, wall_time now);

}  // namespace troupe::apiserver
