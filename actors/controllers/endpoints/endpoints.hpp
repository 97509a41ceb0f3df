// Makes the controller that keeps Endpoints and EndpointSlices of Services with a selector to the pods behind them.
// Follows Services, pods, nodes (zones), Endpoints and slices; writes what differs.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::controllers {

struct sync_due {};
using endpoints_actor = rt::handle<void(client::object_seen), void(client::object_lost), void(client::kind_synced), void(sync_due)>;

struct endpoints_config {
  duration gather_for = std::chrono::milliseconds(20);     ///< Changes within it are one look.
  duration retry_after = std::chrono::milliseconds(500);   ///< After a refused or lost write.
  std::size_t rest_from = 16;                              ///< Pods of a Service; who has fewer never rests.
  duration rest_each = std::chrono::microseconds(200), rest_max = std::chrono::milliseconds(250);
  std::size_t writes_max = 16;                             ///< Services with a write under way at once.
};
endpoints_actor make_endpoints(const rt::world& in, endpoints_config config, client::api_actor api);

}  // namespace troupe::controllers

RT_MESSAGE(troupe::controllers::sync_due)
