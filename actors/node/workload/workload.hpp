// What runs pods on this node: containerd as a child (or a runtime of others), the edge to it, and the roll of pods. Owned by
// the agent, which decides by settle_workload whether there is one at all.
#pragma once
#include "actors/cri/edge.hpp"
#include "actors/cri/keeper.hpp"
#include "actors/kubelet/roll.hpp"
#include "actors/node/config.hpp"

namespace troupe::node {

struct workload_plan {
  cri::keeper_config runtime;          ///< Its child's program is empty for a runtime of others.
  std::string socket;
};
/// Fails with the reason why this node runs no containers: it was told not to, or this machine cannot.
result<workload_plan> settle_workload(const rt::world& in, const common_config& config);

struct workload {
  cri::edge_actor runtime;
  kubelet::roll_actor roll;
  cri::keeper_actor keeper;
};
/// `grant` is what the server told of the cluster (its DNS). Fails when the runtime's client cannot be made.
result<workload> start_workload(const rt::world& in, workload_plan plan, const common_config& config, const node_name& node, const json& grant,
                                client::api_actor api, kubelet::kubelet_actor kubelet);
void end_workload(const workload& all);

}  // namespace troupe::node
