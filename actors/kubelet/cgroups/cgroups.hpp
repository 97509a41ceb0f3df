// The cgroup of a whole pod: what its containers may take together. Version 1 (and hybrid) and version 2. Pure but for the look.
//
// Source of the figures: upstream's pkg/kubelet/cm (ResourceConfigForPod), and runc's conversion of shares to weights.
#pragma once
#include "actors/kubelet/pod/making.hpp"
#include "actors/kubelet/volumes/orders.hpp"
#include "net/host/host.hpp"

namespace troupe::kubelet {

struct cgroup_layout {
  bool unified = false;                      ///< Version 2.
  std::string cpu, memory;                   ///< Mount points of version 1's controllers; empty: there is none.
};
cgroup_layout look_at_cgroups(const net::files& disk);

struct pod_limits {
  std::int64_t cpu_shares = 2;
  std::int64_t cpu_quota = 0;                ///< Microseconds in each 100 ms; 0: without limit.
  std::int64_t memory_bytes_max = 0;         ///< 0: without limit.
};
/// A limit of the whole exists only where every container has one.
pod_limits limits_of(const json& pod);

/// One command that makes the pod's cgroup and sets its limits; nothing where this machine has no such controllers.
std::vector<command> cgroup_orders(const pod_wish& pod, const node_setup& on, const cgroup_layout& layout);

}  // namespace troupe::kubelet
