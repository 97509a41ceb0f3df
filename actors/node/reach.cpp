#include "actors/node/reach.hpp"

#include "actors/egress/egress.hpp"
#include "actors/endpoints/refresher.hpp"
#include "actors/runtime/spawn.hpp"
#include "actors/tunnel/switchboard.hpp"

namespace troupe::node {
namespace {
template <class H>
H kept(node_reach& in, H made) {
  in.all.push_back(caf::actor_cast<caf::strong_actor_ptr>(made));
  return made;
}
}  // namespace

node_reach make_reach(const rt::world& in, const ground& on) {
  node_reach out;
  out.switchboard = kept(out, tunnel::make_switchboard(in, {}));
  egress::egress_config with;
  with.mode = *egress::parse_egress_mode(on.config.egress_mode);   // problems() has looked at it
  if (!on.config.disable_agent) with.self = on.node;
  with.own_kubelet = {on.binds_all() ? "127.0.0.1" : on.config.bind_address, on.config.kubelet_port};
  out.egress = kept(out, egress::make_egress(in, std::move(with), caf::actor_cast<tunnel::dialer_actor>(out.switchboard)));
  return out;
}

void open_reach(const rt::world& in, node_reach& reach, const ground& on, const client::api_actor& api, const server_keys* peers) {
  caf::anon_send(reach.egress, egress::follow_cluster{api});
  if (!peers) return;
  const auto others = reach.peers = kept(reach, egress::make_peers(in, {on.advertised(), peers->pki.server_ca.certificates, peers->pki.kubelet_client}));
  kept(reach, endpoints::make_refresher(in, {}, api, caf::actor_cast<endpoints::settled_actor>(others)));
  caf::anon_send(reach.switchboard, tunnel::use_peers{caf::actor_cast<tunnel::dialer_actor>(others)});
}

}  // namespace troupe::node
