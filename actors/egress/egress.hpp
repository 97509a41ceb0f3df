// Makes the actors by which a server reaches nodes and pods; see messages.hpp. Both are pinned to the net shard.
#pragma once
#include "actors/egress/messages.hpp"
#include "actors/egress/routes.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::egress {

struct egress_config {
  egress_mode mode = egress_mode::agent;
  node_name self;                                     ///< The node of this server's own agent; empty: it has none.
  endpoint own_kubelet;                               ///< Where that one's kubelet listens.
  duration dial_limit = std::chrono::seconds(5);
  std::size_t carried_max = 4000;                     ///< CONNECTs at once; more is 502.
};
egress_actor make_egress(const rt::world& in, egress_config config, tunnel::dialer_actor switchboard);

struct peers_config {
  endpoint self;                                      ///< As the endpoints of `kubernetes` list this server.
  std::string trust;                                  ///< Server CA, PEM.
  net::tls::identity identity;                        ///< Of system:masters, as the others want it.
  duration patience = std::chrono::seconds(3);        ///< For one server: dial, TLS and answer, each.
  std::size_t asks_max = 1000;
};
peers_actor make_peers(const rt::world& in, peers_config config);

}  // namespace troupe::egress
