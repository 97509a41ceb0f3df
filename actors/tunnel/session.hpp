// Makes the agent's end of a tunnel to one server; see messages.hpp. Pinned to the net shard.
#pragma once
#include "actors/runtime/world.hpp"
#include "actors/tunnel/authorizer.hpp"
#include "actors/tunnel/messages.hpp"

namespace troupe::tunnel {

struct session_config {
  std::string trust;                          ///< Server CA, PEM.
  net::tls::identity self;                    ///< The kubelet's client certificate.
  std::shared_ptr<const dial_rules> rules;    ///< Shared with whoever keeps them true; read on the net shard.
  duration dial_limit = std::chrono::seconds(5);
  duration delay_first = std::chrono::milliseconds(500), delay_max = std::chrono::seconds(10);
  /// For one server, far more than it has to ask of one node: all tunnels together leave the balancer's clients their descriptors.
  std::size_t streams_max = 1000;
};
session_actor make_session(const rt::world& in, session_config config, tunnel_listener_actor owner);

}  // namespace troupe::tunnel
