// Makes the controllers that only a cluster of several servers has.
#pragma once
#include "actors/controllers/controllers.hpp"
#include "actors/membership/messages.hpp"

namespace troupe::controllers {

/// server -> presence, when it stops: take the Lease away, so that nobody waits for it to run out. Answers when that is said.
struct say_goodbye {};
/// server -> presence: its Node has come, and is to be marked at once: who is not marked cannot be taken out of etcd by deleting it.
struct node_registered {};
using presence_actor = rt::handle<void(tick_due), bool(say_goodbye), void(node_registered)>;

struct presence_config {
  node_name node;
  endpoint advertised;
  json marks;                      ///< {"labels": {...}, "annotations": {...}} that this server's node shall have.
  bool member = false;             ///< Of embedded etcd: a deleted Node waits until its member is out.
  duration every = std::chrono::seconds(2), life = std::chrono::seconds(8);
};
/// On every server: renews the Lease apiserver-<node> in kube-system.
presence_actor make_presence(const rt::world& in, presence_config config, client::api_actor api);

struct server_list_config {
  duration every = std::chrono::milliseconds(500), life = std::chrono::seconds(8);
};
/// On the server that leads: endpoints and endpoint slice of `kubernetes` hold those whose Leases are renewed; never empty.
controller_actor make_server_list(const rt::world& in, server_list_config config, client::api_actor api);

/// On the server that leads: a deleted Node takes its member out of etcd before it goes (a finalizer holds it), and so does the annotation
/// etcd.k3s.cattle.io/remove=true (K3s's names and effects). Without a `remover` there is no etcd of ours any more (the cluster moved
/// to another datastore), and Nodes that still wait for a member are let go.
controller_actor make_etcd_members(const rt::world& in, client::api_actor api, membership::remover_actor remover);

}  // namespace troupe::controllers

RT_MESSAGE(troupe::controllers::say_goodbye)
RT_MESSAGE(troupe::controllers::node_registered)
