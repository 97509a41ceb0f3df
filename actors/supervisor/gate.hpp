// Makes the supervisor's gate: K3s's /cacerts, /ping and /v1-k3s paths. Pinned to its front's shard.
#pragma once
#include <functional>

#include "actors/egress/messages.hpp"
#include "actors/membership/messages.hpp"
#include "actors/runtime/world.hpp"
#include "actors/supervisor/messages.hpp"

namespace troupe::supervisor {

struct gate_config {
  std::string server_ca, client_ca;         ///< PEM, as served.
  secret_text server_password, agent_password;
  json config;                              ///< The answer of /v1-k3s/config.
  std::vector<std::string> servers;         ///< "host:port" of this server, until the endpoints are known.
  std::function<result<std::string>()> bootstrap;   ///< The answer of /v1-k3s/server-bootstrap, as it is now; empty: no second server can join.
  membership::members_actor members;        ///< Who knows the members of embedded etcd; may be empty.
  egress::carrier_actor carrier;            ///< Who carries out a CONNECT; may be empty.
  std::size_t open_max = 30;                ///< Requests of agents under way; more is 429, as in K3s.
};
gate_actor make_gate(const rt::world& in, gate_config config, certificates::signer_actor signer,
                     tunnel::switchboard_actor switchboard);

}  // namespace troupe::supervisor
