// Makes the vault: the one who owns the keys of Secrets at rest and sees to it that every Secret is stored under the first of
// them. Scheduled actor; one per server. Writes the two files below <server>/cred, which takes a moment.
#pragma once
#include <functional>
#include <optional>

#include "actors/runtime/world.hpp"
#include "actors/secrets/encryption.hpp"
#include "actors/secrets/messages.hpp"

namespace troupe::secrets {

struct vault_config {
  std::string folder;                   ///< <data>/server
  std::optional<encryption> now;        ///< As the files have it; empty: never enabled.
  /// Writes another password for servers down, and tells whoever compares with it. Blocks for its files.
  std::function<result<passwords_changed>(const secret_text& wanted)> change_token = {};
  /// Keeps other authorities for the next start. Blocks for its files.
  std::function<result<void>(const json& offered, bool force)> replace_authorities = {};
  key_keeper_actor keys = {};           ///< Where other servers store Secrets too: who agrees with them on the keys, instead.
  token_changer_actor tokens = {};      ///< Where other servers have to have the same password: who sees to that, and to authorities, instead.
  duration retry = std::chrono::seconds(2);
};
/// Goes on at once with what an earlier life left half done.
vault_actor make_vault(const rt::world& in, vault_config config, rewriter_actor secrets);

/// The keys of a new cluster: one, drawn from `in`. Writes both files.
result<encryption> make_encryption(const rt::world& in, const std::string& folder);
/// A key that never was, with a name of this second.
net::tls::named_key fresh_key(const rt::world& in);
/// Writes both files, the configuration first: a state that does not fit it only means that there is something to finish.
result<void> keep_encryption(const rt::world& in, const std::string& folder, const encryption& what, std::string_view stage);

}  // namespace troupe::secrets
