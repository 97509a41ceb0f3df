// The kubelet: the node's own part. Registers its Node, keeps its Lease, answers on port 10250.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/front/messages.hpp"
#include "actors/runtime/handle.hpp"

namespace troupe::kubelet {

/// node -> kubelet: begin. The Node, its status and its Lease follow.
struct start_kubelet {};
/// kubelet -> itself.
struct register_due {};
struct heartbeat_due {};
struct status_due {};
/// kubelet -> its owner, whenever it changes.
struct node_readiness { bool ready = false; std::string why; };
using readiness_actor = rt::handle<void(node_readiness)>;

using kubelet_actor = rt::handle<void(start_kubelet), void(register_due), void(heartbeat_due), void(status_due)>;

}  // namespace troupe::kubelet

RT_MESSAGE(troupe::kubelet::start_kubelet)
RT_MESSAGE(troupe::kubelet::register_due)
RT_MESSAGE(troupe::kubelet::heartbeat_due)
RT_MESSAGE(troupe::kubelet::status_due)
RT_MESSAGE(troupe::kubelet::node_readiness)
