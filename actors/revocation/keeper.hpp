// Makes the actor that follows the list of revoked nodes on this server and tells whoever has to act on it.
#pragma once
#include "actors/revocation/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::revocation {

keeper_actor make_keeper(const rt::world& in, client::api_actor api, std::vector<listener_actor> listeners);

}  // namespace troupe::revocation
