// The files by which a server is joined and administered: tokens, cred/passwd and the admin's
// kubeconfig, as K3s writes them. Blocking file work while a server starts.
#pragma once
#include "actors/certificates/pki.hpp"
#include "actors/node/config.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::node {

struct cluster_passwords {
  secret_text server, agent;
};
/// From the configuration, else from cred/passwd, else made. Writes cred/passwd, token, node-token and
/// agent-token below <data>/server. Fails as files do, or invalid when a given token cannot be one, or, of a server that is
/// `one_of_several`, is not the one that the cluster has: there a token cannot be changed by starting with another.
result<cluster_passwords> settle_passwords(const rt::world& in, const server_config& config, const std::string& ca_digest, bool one_of_several);
/// Another password for servers, and for agents that have the same, in the same files. `invalid` when it cannot be one.
result<cluster_passwords> change_token(const rt::world& in, const std::string& folder, const std::string& ca_digest, const secret_text& wanted);
/// The password that a --new-token means; `invalid` when it cannot be one.
result<secret_text> check_token(const rt::world& in, const secret_text& wanted);
/// The password for servers as it is on disk now.
result<secret_text> server_password(const net::files& from, const std::string& folder);
/// cred/passwd as it would be with another password for servers.
result<std::string> passwd_with(const net::files& from, const std::string& folder, const secret_text& server);
result<void> write_kubeconfig(const rt::world& in, const server_config& config, const certificates::pki& keys);

}  // namespace troupe::node
