// What a server settles before it has actors: name, folders, keys, and the store that is its own.
#pragma once
#include <optional>

#include "actors/apiserver/auth/guard.hpp"
#include "actors/controllers/servers.hpp"
#include "actors/node/ground.hpp"
#include "actors/secrets/key_keeper.hpp"
#include "actors/supervisor/gate.hpp"

namespace troupe::node {

/// Settled before there are actors: what a start can fail with, in a sentence.
struct prepared_server {
  ground on;
  server_keys keys;                           ///< When the store is this server's own.
  std::unique_ptr<storage::engine> engine;    ///< Likewise.
  bool moves = false;                         ///< From a store of its own to the etcd that begins.
};
/// What to wait for when this machine's clock cannot be right: it is before the authority of the server in `config.data_folder`
/// began or behind its end, and nothing that were signed by it now could be used. Likewise, but only until `waited` is
/// clock_patience, when it is more than clock_absence later than anything that this server ever wrote. Nothing when there is
/// no server yet, or all is well. Reads folders.
std::optional<std::string> clock_trouble(const rt::world& in, const server_config& config, duration waited);
inline constexpr duration clock_absence = net::tls::leaf_validity;        ///< A server that was off for longer needs new certificates, and a look at its clock.
inline constexpr duration clock_patience = std::chrono::minutes(10);      ///< Longer than a machine takes to ask for the time.

/// Blocks for files. Fails with the reason in words for the person who started it.
result<std::shared_ptr<prepared_server>> prepare(const rt::world& in, server_config config, const observer& tell);

/// Whom the API believes, and with which keys it makes tokens.
apiserver::guard_config guard_of(const ground& on, const server_keys& keys);

/// For the keeper of a shared store's keys of Secrets.
secrets::keys_config keys_config_of(const rt::world& in, const ground& on, const server_keys& keys);

/// Port 6443 before the API stands, but for who is behind it.
supervisor::gate_config edge_of(const rt::world& in, const ground& on, const server_keys& keys);

/// How this server shows the others that it lives, and what its node shall be marked with. `member`: it has etcd of its own.
controllers::presence_config presence_of(const rt::world& in, const ground& on, bool member);

}  // namespace troupe::node
