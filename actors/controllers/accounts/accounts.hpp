// Makes the controller that gives every namespace what its pods need to speak to the API: the ServiceAccount "default" and the
// ConfigMap "kube-root-ca.crt". What is deleted or altered comes back.
#pragma once
#include "actors/controllers/controllers.hpp"

namespace troupe::controllers {

/// `trust` is the PEM that the API's serving certificate is checked with.
controller_actor make_accounts(const rt::world& in, client::api_actor api, std::string trust);

}  // namespace troupe::controllers
