// Makes the shard: see messages.hpp for what it may be told.
#pragma once
#include "actors/datastore/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::datastore {

struct shard_config {
  std::size_t waiting_max = 4096;            ///< Operations not yet committed; more is `overloaded`.
  std::size_t waiting_bytes_max = 32 * 1024 * 1024;
  unsigned in_flight_max = 2;                ///< Batches at the engine: one syncs while one is prepared.
  duration compact_every = std::chrono::minutes(5);   ///< Kept history is one to two of these.
};

/// Takes over the engine. The world outlives it.
shard_actor make_shard(const rt::world& in, shard_config config, std::unique_ptr<storage::engine> engine);

}  // namespace troupe::datastore
