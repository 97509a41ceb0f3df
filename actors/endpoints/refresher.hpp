// Makes the actor that follows the endpoints of `kubernetes`, waits until a change has settled, keeps the list on disk for a
// start with the first server away, and tells its owner.
#pragma once
#include "actors/endpoints/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::endpoints {

struct refresher_config {
  endpoint first;                   ///< The host of --server; the file is of no use for another one.
  std::string file;                 ///< <data>/agent/etc/k3s-agent-load-balancer.json; empty: nothing is kept.
  duration settle = std::chrono::milliseconds(300);   ///< A joining server flaps.
};
refresher_actor make_refresher(const rt::world& in, refresher_config config, client::api_actor api, settled_actor owner);

/// More servers than this are no list of servers; what is over is left out.
inline constexpr std::size_t servers_max = 64;
/// The servers in an Endpoints object, in order, each once, at most servers_max; `doubt`: one sentence on what is wrong with it, empty
/// when nothing is. Pure.
std::vector<endpoint> servers_in(const json& endpoints_object, std::string* doubt = nullptr);
/// K3s's state file, {"ServerURL":"https://first:6443","ServerAddresses":["a:6443", ...]}; empty when it is missing, unreadable
/// or of another first server. One that is there and cannot be read is named in the log.
std::vector<endpoint> kept_servers(const net::files& on, const std::string& file, const endpoint& first);

}  // namespace troupe::endpoints
