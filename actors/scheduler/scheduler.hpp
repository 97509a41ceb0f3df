// Makes the scheduler: finds a node for every pod that has none and asks for default-scheduler. Scheduled actor; acts while
// its server leads. What it assumed and was not confirmed dies with it: the next one reads the pods anew.
#pragma once
#include "actors/runtime/world.hpp"
#include "actors/scheduler/messages.hpp"
#include "actors/scheduler/queue.hpp"

namespace troupe::scheduler {

struct scheduler_config {
  queue_limits queue;
  std::size_t in_flight_max = 32;    ///< Bindings that are not answered yet.
  std::size_t round_max = 32;        ///< Pods looked at before other messages have their turn.
  std::size_t told_max = 4096;       ///< Failures whose count is remembered, to say them again as one event.
};
scheduler_actor make_scheduler(const rt::world& in, scheduler_config config, client::api_actor api);

}  // namespace troupe::scheduler
