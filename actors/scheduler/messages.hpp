// What the scheduler hears. It follows Nodes and Pods and writes Bindings; nobody asks it anything.
#pragma once
#include "actors/client/messages.hpp"

namespace troupe::scheduler {

/// scheduler -> itself: look at the queue.
struct round_due {};
using scheduler_actor = rt::handle<void(client::object_seen), void(client::object_lost), void(client::kind_synced), void(round_due)>;

}  // namespace troupe::scheduler

RT_MESSAGE(troupe::scheduler::round_due)
