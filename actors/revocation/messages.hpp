// Who is told when a node loses its right to be here: fronts (its connections), switchboard (its tunnels), registrar.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/revocation/revoked.hpp"
#include "actors/runtime/handle.hpp"

namespace troupe::revocation {

/// keeper -> listeners: all that is revoked from now on.
struct revocations_changed { std::shared_ptr<const revoked_nodes> now; };
using listener_actor = rt::handle<void(revocations_changed)>;
/// Follows the ConfigMap; see revoked.hpp.
using keeper_actor = client::reflected_actor;

}  // namespace troupe::revocation

RT_MESSAGE(troupe::revocation::revocations_changed)
