// The cluster's DNS on this node: answers pods and this node itself, from the cluster's objects and from servers outside.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/runtime/handle.hpp"

namespace troupe::dns {

/// dns -> itself: read whom to ask outside, and listen if that has not been possible yet.
struct refresh_due {};
using dns_actor = rt::handle<void(client::object_seen), void(client::object_lost), void(client::kind_synced), void(refresh_due)>;

}  // namespace troupe::dns

RT_MESSAGE(troupe::dns::refresh_due)
