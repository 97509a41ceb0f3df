// Who acts only while this server leads: controllers, scheduler, keepers of what the cluster shares. A list, as server.cpp is.
// They are made when a term begins (alone: at the start) and ended when it ends.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "actors/client/messages.hpp"
#include "actors/datastore/messages.hpp"
#include "actors/membership/messages.hpp"
#include "actors/node/config.hpp"
#include "actors/node_password/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::node {

struct office_needs {
  const server_config& config;
  node_name node;                                ///< This server's.
  bool shared = false;                           ///< Others serve the same objects.
  /// The API of this process as somebody; ended by whoever handed this in, not with the term.
  std::function<client::api_actor(std::string user, std::vector<std::string> groups)> client_as;
  rt::handle<bool(node_password::forget_node)> passwords;
  datastore::shard_actor shard;
  membership::remover_actor members;             ///< Null without embedded etcd.
  net::tls::identity client_ca, server_ca;       ///< With their keys: requests for certificates are signed by them.
  std::string trust;                             ///< PEM: what pods check the API's certificate with.
};
/// Makes all of them; the caller ends them.
std::vector<caf::strong_actor_ptr> open_office(const rt::world& in, const office_needs& with);

}  // namespace troupe::node
