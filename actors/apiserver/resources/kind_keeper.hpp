// Makes the keeper of one kind: the one who writes its objects and keeps the one cached copy of them,
// fed only by the datastore's changes. Scheduled actor; one per stored kind.
#pragma once
#include "actors/apiserver/messages.hpp"
#include "actors/apiserver/resources/service_ranges.hpp"
#include "actors/runtime/world.hpp"
#include "net/tls/envelope.hpp"

namespace troupe::apiserver {

struct keeper_config {
  const schema::kind* kind = nullptr;
  bool shared = false;                              ///< Other servers write too: the cache may be behind.
  service_range_config services;
  duration event_life = std::chrono::hours(1);      ///< Events go this long after their last change.
  duration expire_every = std::chrono::minutes(5);
  std::size_t events_max = 20000;                   ///< More than that and the oldest go at once.
  std::shared_ptr<const net::tls::envelope> envelope;   ///< How its objects are stored; null: as they are.
  std::vector<kind_keeper_actor> told_of_namespaces;  ///< For the namespaces' keeper alone.
};

kind_keeper_actor make_kind_keeper(const rt::world& in, keeper_config config, datastore::writer_actor writer);

}  // namespace troupe::apiserver
