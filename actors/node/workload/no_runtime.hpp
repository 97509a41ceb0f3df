// Makes the actor that tells pods which are bound to a node without a container runtime why nothing happens.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/runtime/world.hpp"
#include "basis/ids.hpp"

namespace troupe::node {

using no_runtime_actor = client::reflected_actor;
/// Each pod of `node` gets one event, FailedSync, with `why`. Follows the pods through `api`.
no_runtime_actor make_no_runtime(const rt::world& in, const node_name& node, std::string why, client::api_actor api);

}  // namespace troupe::node
