// Makes the switchboard: one tunnel per node, newest wins, others end. Pinned to the net shard.
#pragma once
#include "actors/runtime/world.hpp"
#include "actors/tunnel/messages.hpp"

namespace troupe::tunnel {

struct switchboard_config {
  duration reconnect_wait = std::chrono::seconds(5);   ///< How long a dial waits for a node that is away.
  std::size_t waiting_max = 1000;
  std::size_t remembered_max = 10000;                  ///< Nodes whose end we can still explain.
};
switchboard_actor make_switchboard(const rt::world& in, switchboard_config config);

}  // namespace troupe::tunnel
