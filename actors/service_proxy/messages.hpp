// Who makes Services reachable from this node: follows Services and EndpointSlices and keeps our table in the packet filter
// to them.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/runtime/handle.hpp"

namespace troupe::service_proxy {

/// proxy -> itself: what has gathered is to be written.
struct write_due {};
/// proxy -> itself: is our table still there?
struct check_due {};
using proxy_actor = rt::handle<void(client::object_seen), void(client::object_lost), void(client::kind_synced), void(write_due), void(check_due)>;

}  // namespace troupe::service_proxy

RT_MESSAGE(troupe::service_proxy::write_due)
RT_MESSAGE(troupe::service_proxy::check_due)
