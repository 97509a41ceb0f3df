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
  unsigned shared_in_flight_max = 1024;      ///< Operations at a shared engine.
  duration patience = std::chrono::seconds(2);   ///< How long an answer waits for its own change to come by.
};

/// Takes over the engine. The world outlives it. Over a shared engine (etcd) every change, our own too, is published
/// as the store's own stream brings it, and an answer follows its change.
shard_actor make_shard(const rt::world& in, shard_config config, std::unique_ptr<storage::engine> engine);

}  // namespace troupe::datastore
