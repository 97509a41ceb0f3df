// Makes the kubelet and the handler of its port; see messages.hpp.
#pragma once
#include "actors/kubelet/messages.hpp"
#include "actors/kubelet/node_object.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::kubelet {

struct kubelet_config {
  node_facts facts;
  std::string data_folder;                              ///< Whose disk is watched.
  duration heartbeat_every = std::chrono::seconds(10);
  duration lease_life = std::chrono::seconds(40);
  duration status_every = std::chrono::minutes(5);
  duration api_limit = std::chrono::seconds(5);
  duration retry_after = std::chrono::milliseconds(500);
};
kubelet_actor make_kubelet(const rt::world& in, kubelet_config config, client::api_actor api, readiness_actor owner);

/// The handler of port 10250, for the API server's certificate and nobody else: /healthz, /metrics, /pods, /stats/summary, logs and
/// streams of pods. Knows no pods until use_pods. Pinned.
port_actor make_port(const rt::world& in, node_name node);

}  // namespace troupe::kubelet
