// The root actors: a server and an agent. They know which actors there are, in which order, and who
// ends whom.
#pragma once
#include "actors/election/messages.hpp"
#include "actors/endpoints/messages.hpp"
#include "actors/kubelet/messages.hpp"
#include "actors/membership/messages.hpp"
#include "actors/registration/messages.hpp"
#include "actors/tunnel/messages.hpp"
#include "storage/engine.hpp"

namespace troupe::node {

/// main -> root: end in order; on_stopped follows.
struct stop_node {};
/// controllers -> server: what every cluster has is there.
struct basics_stand {};
/// datastore -> server: what lies under /bootstrap, of an etcd of others.
struct bootstrap_read { std::shared_ptr<result<storage::page>> what; };
struct bootstrap_due {};   ///< server -> itself: read it again.
/// datastore -> server: whether it was us whose keys were the first to be written down.
struct cluster_founded { bool by_us = false; };
/// mover -> server: the objects are in `engine` now, or (`why`) they are not and the old store is as it was.
struct store_moved { std::shared_ptr<std::unique_ptr<storage::engine>> engine; std::string what, why; };
/// agent -> server: about the agent inside it.
struct inner_agent_ready { node_name node; };

using agent_actor = rt::handle<void(stop_node), void(registration::enrolled), void(registration::enrolment_refused),
                               void(tunnel::tunnel_state), void(kubelet::node_readiness), void(endpoints::servers_settled)>;
using server_actor =
    rt::handle<void(stop_node), void(basics_stand), void(inner_agent_ready), void(bootstrap_read), void(bootstrap_due), void(cluster_founded), void(membership::cluster_found),
               void(membership::joining_refused), void(membership::datastore_ready), void(membership::keeper_waits),
               void(election::term_began), void(election::term_ended), void(store_moved)>;

}  // namespace troupe::node

RT_MESSAGE(troupe::node::stop_node)
RT_MESSAGE(troupe::node::basics_stand)
RT_MESSAGE(troupe::node::inner_agent_ready)
RT_MESSAGE(troupe::node::bootstrap_read)
RT_MESSAGE(troupe::node::bootstrap_due)
RT_MESSAGE(troupe::node::cluster_founded)
RT_MESSAGE(troupe::node::store_moved)
