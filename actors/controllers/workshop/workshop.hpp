// Makes the workshop: the one actor that carries out what the pure controllers decide (duties.hpp is their list). It follows
// every kind once, so that all of them share one cache, and works on each duty (one controller, one object) one plan at a time.
// Scheduled actor; acts while its server leads. Nothing of it is stored: a new term lists everything and decides anew.
#pragma once
#include "actors/controllers/controllers.hpp"

namespace troupe::controllers {

struct workshop_config {
  std::size_t calls_max = 64;                 ///< Calls to the API that are not answered yet, over all plans.
  std::size_t round_max = 100;                ///< Duties looked at before other messages have their turn.
  duration retry_first = std::chrono::milliseconds(100), retry_max = std::chrono::seconds(30);
  // Who counts hundreds of pods does not count them again with each of their changes: a hundredth of its time, about.
  std::size_t rest_from = 16;                 ///< Dependents; who has fewer never rests.
  duration rest_each = std::chrono::microseconds(200), rest_max = std::chrono::milliseconds(250);
  std::size_t told_max = 8192;                ///< Events whose count is remembered, to say them again as one.
};
controller_actor make_workshop(const rt::world& in, workshop_config config, client::api_actor api);

}  // namespace troupe::controllers
