// Makes a balancer; see messages.hpp. Pinned to the net shard. It makes a connection per server, each by the factory that
// it is handed, and owns the clients that wait for a server; whoever is being carried belongs to a connection.
#pragma once
#include <functional>

#include "actors/balancer/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::balancer {

struct balancer_config {
  endpoint fallback;                         ///< The host of --server: an address, or a name that is resolved at each dial.
  node_name self;
  /// Makes the connection to a server; it tells the balancer what comes of it.
  std::function<connection::connection_actor(const endpoint& at, connection::owner_actor owner)> connect;
  std::size_t relays_max = 8000;             ///< Clients at once, waiting ones included; who comes later is hung up on.
  duration hedge_after = std::chrono::milliseconds(200);   ///< A dial that takes longer is not waited for alone.
  std::size_t dials_max = 3;                 ///< Servers dialled at once for one client.
  std::size_t returns_per_second = 4;        ///< Relays that go home from each server, once home serves again.
  roster_limits limits;
};
balancer_actor make_balancer(const rt::world& in, balancer_config config);

}  // namespace troupe::balancer
