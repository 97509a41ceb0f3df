// What a server stands on, before its first room: its name and address, where its objects are kept, its keys. Blocking
// work with files, done once while a server starts.
#pragma once
#include "actors/certificates/pki.hpp"
#include "actors/membership/keeper.hpp"
#include "actors/node/credentials.hpp"
#include "actors/node/node.hpp"
#include "actors/secrets/token_keeper.hpp"
#include "actors/secrets/vault.hpp"

namespace troupe::node {

enum class store : std::uint8_t {
  sqlite, rocksdb,      ///< Embedded, of this server alone.
  embedded_etcd,        ///< Ours, shared with the other servers.
  external_etcd,        ///< Somebody else's.
};

struct ground {
  server_config config;
  node_name node;
  std::string address;              ///< Of this node, as others reach it.
  store kept_in = store::sqlite;
  bool joining = false;             ///< Embedded etcd, and the server named by --server is asked first: there is no data, or `rejoining`.
  bool rejoining = false;           ///< There is data, and --token is not the one beside it: the cluster may have changed it meanwhile.
  std::string folder;               ///< <data>/server
  bool binds_all() const { return config.bind_address.empty() || config.bind_address == "0.0.0.0" || config.bind_address == "::"; }
  endpoint advertised() const { return {config.advertise_address.empty() ? address : config.advertise_address, config.https_port}; }
};

struct server_keys {
  certificates::pki pki;
  certificates::etcd_pki etcd;      ///< Embedded etcd only.
  cluster_passwords passwords;
  std::optional<secrets::encryption> encryption;   ///< Of Secrets at rest; empty: never enabled.
  secret_text join_token;           ///< For the agent inside.
};

/// Name, address, folders, and which store it is: etcd's data on disk decides whatever the flags say.
result<ground> settle_ground(const rt::world& in, server_config config);
/// This server's certificates and the admin's kubeconfig: what is missing, past half of its life or no longer fits is made.
result<certificates::pki> settle_pki(const rt::world& in, const ground& on);
/// The same for embedded etcd's.
result<certificates::etcd_pki> settle_etcd_pki(const rt::world& in, const ground& on);
/// Certificates, passwords and the admin's kubeconfig; what is missing is made.
result<server_keys> settle_keys(const rt::world& in, const ground& on);
/// How to reach the etcd that --datastore-endpoint names; reads the files that the flags name.
result<storage::etcd_access> external_access(const rt::world& in, const server_config& config);
/// etcd's timers as the cluster has them; the first server measures its disk, chooses and writes them down.
result<membership::etcd_timers> settle_timers(const rt::world& in, const ground& on);
membership::keeper_config member_config(const ground& on, const server_keys& keys, membership::etcd_timers timers);
/// Out of what lies under /bootstrap in a shared datastore: takes over the cluster that our token opens. False when there
/// is none yet; `untrusted` when there are only others'.
result<bool> take_stored_bootstrap(const rt::world& in, const ground& on, const std::vector<storage::record>& stored);
/// What the server that this one joins through has told: its files, into ours. One that rejoins puts newer authorities in place first.
result<void> take_joined_bootstrap(const rt::world& in, const ground& on, const json& told);
/// What keeps the cluster's files in the datastore, under a token (never under an empty one), which is the cluster's in them. Of
/// authorities it holds `replaced`; null: those that wait for this server's next start, if any do.
result<storage::operation> sealed_bootstrap(const rt::world& in, const ground& on, const secret_text& password, json replaced = nullptr);
/// For the keeper of a cluster's token; `apply` as token_config's.
secrets::token_config token_config_of(const rt::world& in, const ground& on, const server_keys& keys,
                                      std::function<result<secrets::passwords_changed>(const secret_text& password)> apply);
/// /v1-k3s/config: K3s's names, Go's encodings.
json agent_view(const server_config& config);
/// The fields of agent_view on which all servers must agree, with their flags.
std::vector<std::pair<std::string, std::string>> critical_flags();

}  // namespace troupe::node
