// Makes the signer; see messages.hpp.
#pragma once
#include "actors/certificates/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::certificates {

struct signer_config {
  net::tls::identity client_ca, server_ca;
  duration validity = net::tls::leaf_validity;
};
signer_actor make_signer(const rt::world& in, signer_config config);

}  // namespace troupe::certificates
