// Who serves the cluster now: the endpoints of the service `kubernetes`, settled, as agents use them. Journey J3.
#pragma once
#include <vector>

#include "actors/client/messages.hpp"
#include "actors/runtime/handle.hpp"
#include "basis/ids.hpp"

namespace troupe::endpoints {

/// refresher -> agent: the list has changed and has been quiet since; never empty.
struct servers_settled { std::vector<endpoint> servers; };
using settled_actor = rt::handle<void(servers_settled)>;

/// refresher -> itself: it has been quiet for long enough.
struct flush_due { std::uint64_t change = 0; };
using refresher_actor = rt::handle<void(client::object_seen), void(client::object_lost), void(client::kind_synced), void(flush_due)>;

}  // namespace troupe::endpoints

RT_MESSAGE(troupe::endpoints::servers_settled)
RT_MESSAGE(troupe::endpoints::flush_due)
