// Makes the actor that keeps an agent's dial rules true in mode `pod`: it follows the pods of this node. Pinned, as are the
// sessions that read the rules.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/runtime/world.hpp"
#include "actors/tunnel/authorizer.hpp"

namespace troupe::tunnel {

client::reflected_actor make_pod_rules(const rt::world& in, std::shared_ptr<dial_rules> rules, const node_name& node, client::api_actor api);

}  // namespace troupe::tunnel
