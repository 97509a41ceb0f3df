// Makes the API's gate: who is asking, may they, and what do they want. Pinned to its front's shard.
// Reads and watches are answered from the snapshots that the keepers publish; writes are one ask.
#pragma once
#include <map>

#include "actors/apiserver/auth/guard.hpp"
#include "actors/apiserver/messages.hpp"
#include "actors/apiserver/discovery/discovery.hpp"
#include "actors/apiserver/watch/fan.hpp"
#include "actors/runtime/world.hpp"
#include "actors/tunnel/messages.hpp"

namespace troupe::apiserver {

struct gate_config {
  build_facts build;
  fan_config fan;
  bool shared = false;                         ///< Other servers write too: reads ask how far the datastore is.
  guard_config guard;                          ///< Who is believed.
  std::size_t writes_open_max = 2000;          ///< More is 429.
  std::size_t watches_max = 20000;
  std::size_t list_piece_bytes = 64 * 1024;
  std::size_t list_unsent_max = 256 * 1024;
  duration proxy_patience = std::chrono::seconds(15);
  net::tls::identity kubelet_client;           ///< How we show ourselves to kubelets.
  std::string kubelet_trust;                   ///< CA bundle that kubelets' serving certificates chain to.
};

/// `keepers` by index of the stored kind. `nodes` reaches their kubelets; an address without a port is the kubelet's.
gate_actor make_gate(const rt::world& in, gate_config config, std::map<std::uint16_t, kind_keeper_actor> keepers,
                     tunnel::dialer_actor nodes);

}  // namespace troupe::apiserver
