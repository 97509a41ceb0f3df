// Makes the controllers of this issue. Each is a reflector (or a tick) and a pure decision, and all of
// them write through an api_actor that carries their identity.
#pragma once
#include <functional>

#include "actors/client/messages.hpp"
#include "actors/node_password/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::controllers {

struct tick_due {};
/// What a controller that follows one kind can be told.
using controller_actor = rt::handle<void(client::object_seen), void(client::object_lost), void(client::kind_synced), void(tick_due)>;

/// The namespaces every cluster has, the `kubernetes` Service, and its Endpoints and EndpointSlice kept
/// to the advertised address. `done` is called once when all of it stands.
struct basics_config {
  endpoint advertised;
  std::string service_address = "10.43.0.1";
  std::string dns_address;                    ///< Of the Service kube-dns, which each node answers itself; empty: there is none.
  bool shared = false;                        ///< Other servers serve too: the list of them is another's to keep.
  duration every = std::chrono::seconds(30);
};
controller_actor make_basics(const rt::world& in, basics_config config, client::api_actor api, std::function<void()> done);

/// Namespaces that are going away: removes what is in them, then their finalizer.
controller_actor make_namespaces(const rt::world& in, client::api_actor api);

/// Nodes whose Lease is not renewed become Unknown and get their taints; those that return lose them. A
/// deleted Node frees its password. The server's own node gets its role label.
struct node_life_config {
  duration grace = std::chrono::seconds(40);
  duration every = std::chrono::seconds(5);
  std::string own_node;                       ///< Gets the control-plane label; empty = none.
};
controller_actor make_node_life(const rt::world& in, node_life_config config, client::api_actor api,
                                rt::handle<bool(node_password::forget_node)> passwords);

/// Bootstrap tokens that have expired are deleted.
controller_actor make_token_cleaner(const rt::world& in, client::api_actor api);

}  // namespace troupe::controllers

RT_MESSAGE(troupe::controllers::tick_due)
