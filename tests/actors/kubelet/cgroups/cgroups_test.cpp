#include "actors/kubelet/cgroups/cgroups.hpp"

#include <doctest/doctest.h>

#include "net/sim/network.hpp"

using namespace troupe;
using namespace troupe::kubelet;

namespace {
pod_wish pod(const std::string& spec) {
  return read_pod(std::make_shared<const json>(json{{"metadata", {{"name", "p"}, {"namespace", "ns"}, {"uid", "u1"}}}, {"spec", *parse_json(spec)}}));
}
const char* const two = R"({"containers":[{"name":"a","resources":{"requests":{"cpu":"250m"},"limits":{"cpu":"500m","memory":"64Mi"}}},
                                          {"name":"b","resources":{"limits":{"cpu":"1","memory":"32Mi"}}}]})";
std::string words(const std::vector<command>& all) {
  std::string out;
  for (const auto& one : all)
    for (std::size_t i = 4; i < one.size(); ++i) out += one[i] + (i % 3 == 0 ? "\n" : " ");
  return out;
}
}  // namespace

TEST_CASE("a pod may take what its containers may take together, where each of them has a limit") {
  const auto all = limits_of(pod(two).object.read());
  CHECK(all.cpu_shares == 1280);
  CHECK(all.cpu_quota == 150000);
  CHECK(all.memory_bytes_max == 96ll << 20);
  const auto some = limits_of(pod(R"({"containers":[{"name":"a","resources":{"limits":{"memory":"64Mi"}}},{"name":"b"}]})").object.read());
  CHECK(some.memory_bytes_max == 0);
  CHECK(some.cpu_quota == 0);
  CHECK(some.cpu_shares == 2);
  const auto init = limits_of(pod(R"({"containers":[{"name":"a","resources":{"requests":{"cpu":"1"}}}],"initContainers":[{"name":"i","resources":{"requests":{"cpu":"4"}}},{"name":"s","restartPolicy":"Always","resources":{"requests":{"cpu":"1"}}}]})").object.read());
  CHECK(init.cpu_shares == 4096);
}

TEST_CASE("version 1 gets shares, quota and memory in its own hierarchies") {
  const node_setup on;
  const cgroup_layout layout{false, "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/memory"};
  CHECK(words(cgroup_orders(pod(two), on, layout)) ==
        "/sys/fs/cgroup/cpu/kubepods/burstable/podu1 cpu.shares 1280\n/sys/fs/cgroup/cpu/kubepods/burstable/podu1 cpu.cfs_period_us 100000\n"
        "/sys/fs/cgroup/cpu/kubepods/burstable/podu1 cpu.cfs_quota_us 150000\n/sys/fs/cgroup/memory/kubepods/burstable/podu1 memory.limit_in_bytes 100663296\n");
  CHECK(words(cgroup_orders(pod(R"({"containers":[{"name":"a"}]})"), on, layout)).starts_with("/sys/fs/cgroup/cpu/kubepods/besteffort cpu.shares 2\n"));
  CHECK(cgroup_orders(pod(two), on, {}).empty());
}

TEST_CASE("version 2 hands its controllers down level by level, then sets weight and maxima") {
  CHECK(words(cgroup_orders(pod(two), {}, {true, {}, {}})) ==
        "/sys/fs/cgroup cgroup.subtree_control +cpu +memory +pids\n/sys/fs/cgroup/kubepods cgroup.subtree_control +cpu +memory +pids\n"
        "/sys/fs/cgroup/kubepods/burstable cgroup.subtree_control +cpu +memory +pids\n/sys/fs/cgroup/kubepods/burstable/podu1 cpu.weight 49\n"
        "/sys/fs/cgroup/kubepods/burstable/podu1 cpu.max 150000 100000\n/sys/fs/cgroup/kubepods/burstable/podu1 memory.max 100663296\n");
}

TEST_CASE("which version a machine has is seen from its files") {
  agenda plan;
  const auto net = net::sim::make_network(plan, rng(1), {});
  auto& disk = net->add("n1", {"10.0.0.1"}).disk();
  CHECK(!look_at_cgroups(disk).unified);
  CHECK(look_at_cgroups(disk).cpu.empty());
  REQUIRE(disk.write("/sys/fs/cgroup/cpu,cpuacct/cpu.shares", "1024", 0600).ok());
  REQUIRE(disk.write("/sys/fs/cgroup/unified/cgroup.controllers", "", 0600).ok());
  CHECK(look_at_cgroups(disk).cpu == "/sys/fs/cgroup/cpu,cpuacct");
  REQUIRE(disk.write("/sys/fs/cgroup/cgroup.controllers", "cpu memory", 0600).ok());
  CHECK(look_at_cgroups(disk).unified);
}
