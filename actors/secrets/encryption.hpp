// Which keys Secrets are stored under, as K3s keeps it: cred/encryption-config.json in the form of Kubernetes'
// EncryptionConfiguration (apiserver.config.k8s.io/v1), and cred/encryption-state.json, "<stage>-<SHA-256 of the former>".
// Pure.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "basis/json.hpp"
#include "net/tls/envelope.hpp"

namespace troupe::secrets {

inline constexpr std::string_view config_file = "/cred/encryption-config.json", state_file = "/cred/encryption-state.json";
inline constexpr std::string_view first_key_name = "aescbckey";
inline constexpr std::size_t keys_max = 16;

struct encryption {
  std::vector<net::tls::named_key> keys;   ///< At least one; the first one writes.
  bool enabled = true;                     ///< False: written plain, read as ever.
};

/// One line of JSON with a line break. It holds the keys: write it with mode 0600 only.
std::string render_encryption(const encryption& what);
/// `invalid` when it is no such configuration, `unsupported` when it names a provider other than aescbc and identity.
result<encryption> parse_encryption(std::string_view text);
/// K3s's fields of /v1-k3s/encrypt/status, but for the stage and whether all fits. `enable` is left out when there is no
/// configuration.
json status_of(const encryption* what);
/// How values are stored by it; null means never encrypted anything.
std::shared_ptr<const net::tls::envelope> envelope_of(const encryption* what);

/// What PUT /v1-k3s/encrypt/config asks for: {"enable": true or false} or {"stage": "rotate_keys"}. Keys that were there stay,
/// behind the one that writes from then on. `fresh` is that one's name and key where a new one is needed (never a name that
/// is there already; the first of all is always first_key_name). `invalid` when there is nothing to change so.
result<encryption> changed_encryption(const encryption* now, const json& wanted, net::tls::named_key fresh);

/// K3s's stages, as far as we pass through them.
inline constexpr std::string_view stage_start = "start", stage_prepare = "prepare", stage_active = "reencrypt_active", stage_finished = "reencrypt_finished";
struct progress {
  std::string stage;
  std::string digest;    ///< 64 hex digits: of the configuration it was written for.
};
std::string render_progress(const progress& what);
/// `invalid` when it cannot be read.
result<progress> parse_progress(std::string_view text);

}  // namespace troupe::secrets
