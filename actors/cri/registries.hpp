// Where images come from: registries.yaml as K3s has it, and what containerd 1.6 makes of it. Pure.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "basis/json.hpp"
#include "basis/secret.hpp"

namespace troupe::cri {

struct registry_trust {
  std::string ca, certificate, key;              ///< Paths of PEM files.
  bool anybody = false;                          ///< insecure_skip_verify
  bool empty() const { return ca.empty() && certificate.empty() && !anybody; }
};
struct registry_auth {
  std::string user;
  secret_text password, pair, token;             ///< `pair`: base64 of USER:PASSWORD; `token`: an identity token.
  bool empty() const { return user.empty() && pair.empty() && token.empty(); }
};
struct registries {
  std::map<std::string, std::vector<std::string>> mirrors;   ///< Of a registry's host ("*": all) the URLs to ask before itself.
  std::map<std::string, registry_trust> trust;               ///< By host.
  std::map<std::string, registry_auth> auth;                 ///< By host.
  bool never_itself = false;                                 ///< --disable-default-registry-endpoint: where there are mirrors, only they are asked.
};
/// registries.yaml; `invalid` says what is wrong. `rewrite` is refused: Debian's containerd knows no such thing.
result<registries> read_registries(const std::string& text);

/// Files below containerd's certs.d, by their paths in it.
std::map<std::string, std::string> hosts_files(const registries& of);
/// What of it stands in containerd's own configuration: logins. Not for logs.
std::string auth_section(const registries& of);
/// A string as TOML has it.
std::string toml_text(const std::string& text);

}  // namespace troupe::cri
