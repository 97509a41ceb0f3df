// Makes a balancer; see messages.hpp. Pinned to the net shard, which owns its relays.
#pragma once
#include "actors/balancer/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::balancer {

struct balancer_config {
  endpoint fallback;                         ///< The host of --server.
  node_name self;
  duration dial_limit = std::chrono::seconds(3);
  std::size_t relays_max = 8000;
};
balancer_actor make_balancer(const rt::world& in, balancer_config config);

}  // namespace troupe::balancer
