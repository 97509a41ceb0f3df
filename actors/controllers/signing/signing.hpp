// Makes the controller of CertificateSigningRequests: a node's request for its own client certificate is approved where its rights
// allow it, what is approved is signed, what is old is removed.
#pragma once
#include "actors/controllers/controllers.hpp"
#include "net/tls/tls.hpp"

namespace troupe::controllers {

struct signing_config {
  net::tls::identity client_ca, server_ca;
  duration validity = std::chrono::hours(24 * 365);
  duration clean_every = std::chrono::minutes(10);
};
controller_actor make_signing(const rt::world& in, signing_config config, client::api_actor api);

}  // namespace troupe::controllers
