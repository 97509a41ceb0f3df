// Makes the registrar; see messages.hpp.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/node_password/messages.hpp"
#include "actors/registration/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::registration {

struct registrar_config {
  duration verify_limit = std::chrono::seconds(30);   ///< A hash takes 139 ms, and many may wait.
  duration sign_limit = std::chrono::seconds(5);
};
registrar_actor make_registrar(const rt::world& in, registrar_config config, node_password::verifier_actor verifier,
                               certificates::signer_actor signer, client::api_actor api);

}  // namespace troupe::registration
