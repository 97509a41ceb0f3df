// Makes the switchboard: one tunnel per node, newest wins, others end. Pinned to the net shard.
#pragma once
#include "actors/runtime/world.hpp"
#include "actors/tunnel/messages.hpp"

namespace troupe::tunnel {

struct switchboard_config {
  duration reconnect_wait = std::chrono::seconds(5);   ///< How long a dial waits for a node that is away.
  duration doubt_after = std::chrono::milliseconds(6500);   ///< A tunnel silent for so long (agents ping every 5 s) is used last.
  duration peers_again = std::chrono::seconds(1);      ///< How often the other servers are asked meanwhile.
  std::size_t waiting_max = 1000;
  std::size_t remembered_max = 10000;                  ///< Nodes whose end we can still explain.
};
switchboard_actor make_switchboard(const rt::world& in, switchboard_config config);

}  // namespace troupe::tunnel
