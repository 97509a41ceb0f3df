// Who leads packets from this node's pods to those of other nodes: follows Nodes, tells others of this one in its annotations, and
// keeps interface, routes and the runtime's CNI configuration.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/runtime/handle.hpp"

namespace troupe::flannel {

/// flannel -> itself: look at what is wanted and what is.
struct reconcile_due {};
/// flannel -> itself: look again, in case somebody has changed what is.
struct recheck_due {};
using flannel_actor = rt::handle<void(client::object_seen), void(client::object_lost), void(client::kind_synced), void(reconcile_due), void(recheck_due)>;

}  // namespace troupe::flannel

RT_MESSAGE(troupe::flannel::reconcile_due)
RT_MESSAGE(troupe::flannel::recheck_due)
