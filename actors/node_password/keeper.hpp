// Makes the keeper and its hasher; see messages.hpp.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/node_password/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::node_password {

struct keeper_config {
  duration api_limit = std::chrono::seconds(5);
  std::size_t cached_max = 4096;      ///< Verdicts kept, so that a rejoin costs no scrypt.
  std::size_t waiting_max = 2048;     ///< Asks under way; more is `overloaded`.
};

hasher_actor make_hasher(const rt::world& in);
keeper_actor make_keeper(const rt::world& in, keeper_config config, client::api_actor api, hasher_actor hasher);

}  // namespace troupe::node_password
