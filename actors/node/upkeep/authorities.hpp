// Other authorities for this server (`troupe certificate rotate-ca`): they wait in <server>/tls-next.json, bootstrap data of what is
// replaced, and are put in place at the next start, before anything is made with them. Each change has a number, the
// cluster's generation of authorities; the higher one holds, whoever heard of it last. Blocking work with files.
#pragma once
#include <functional>

#include "actors/node/ground.hpp"
#include "actors/secrets/seals.hpp"

namespace troupe::node {

/// What is offered, as files of the next generation: fields of bootstrap data. `invalid` as certificates::judge_replacement says it,
/// or when `offered` is no bootstrap data; `conflict` when others wait for a restart already and `force` is not said.
result<json> judge_authorities(const rt::world& in, const std::string& folder, const json& offered, bool force);
/// What waits; null when nothing does.
json staged_authorities(const net::files& from, const std::string& folder);
result<void> stage_authorities(net::files& to, const std::string& folder, const json& replaced);
/// Puts what waits in place, what was there into <server>/tls-<seconds of now>. False when nothing waits. Interrupted, it is done anew.
result<bool> adopt_authorities(const rt::world& in, const std::string& folder);
/// What waits is of no use any more: this server joins a cluster, or goes back to a snapshot.
result<void> forget_staged(net::files& files, const std::string& folder);

/// Whether bootstrap data is of this server's cluster, as far as it tells: one key at least is the same, or was.
bool shares_authorities(const net::files& from, const std::string& folder, const json& data);

/// Bootstrap data of the cluster has come by: keeps its authorities for the next start when they are newer.
result<secrets::heard> take_authorities(net::files& files, const std::string& folder, const json& data);

/// For what is sealed by the server authority's key, made of it by `seal`: of the authority that waits, and of the one before.
secrets::other_seals seals_beside(const rt::world& in, const std::string& folder, secret_text (*seal)(net::tls::issuer& issuer, const secret_text& ca_key));

/// For a server that keeps its objects alone, and in a cluster for each.
std::function<result<void>(const json& offered, bool force)> authority_changer(const rt::world& in, const std::string& folder);

}  // namespace troupe::node
