#include <doctest/doctest.h>

#include "actors/kubelet/node_object.hpp"

using namespace troupe;
using namespace troupe::kubelet;

namespace {
const wall_time noon = *parse_rfc3339("2026-11-22T12:00:00Z"), morning = *parse_rfc3339("2026-11-22T06:00:00Z");
node_facts facts() {
  node_facts out;
  out.name = {"n1"};
  out.addresses = {"10.0.0.7", "fd00::7"};
  out.version = "v1.33.0+troupe0.1.0";
  out.machine.hostname = "host";
  out.machine.architecture = "amd64";
  out.machine.cpus = 2;
  out.machine.memory_bytes = 4096 * 1024;
  out.machine.disk_bytes = 100000 * 1024ull;
  out.machine.disk_free_bytes = 50000 * 1024ull;
  return out;
}
json condition(const json& status, const char* type) {
  for (const auto& c : status["conditions"])
    if (c["type"] == type) return c;
  return nullptr;
}
}  // namespace

TEST_CASE("a new Node says who it is and keeps pods away until it is ready") {
  auto f = facts();
  f.labels["disk"] = "ssd";
  f.taints.push_back({{"key", "dedicated"}, {"effect", "NoSchedule"}});
  const auto node = new_node(f, noon);
  CHECK(node["metadata"]["name"] == "n1");
  CHECK(node["metadata"]["labels"]["kubernetes.io/hostname"] == "n1");
  CHECK(node["metadata"]["labels"]["kubernetes.io/arch"] == "amd64");
  CHECK(node["metadata"]["labels"]["disk"] == "ssd");
  CHECK(node["spec"]["providerID"] == "k3s://n1");
  REQUIRE(node["spec"]["taints"].size() == 2);
  CHECK(node["spec"]["taints"][0]["key"] == "dedicated");
  CHECK(node["spec"]["taints"][1] == json{{"key", "node.kubernetes.io/not-ready"}, {"effect", "NoSchedule"}});
}

TEST_CASE("a label of the node's own cannot be talked over") {
  auto f = facts();
  f.labels["kubernetes.io/arch"] = "vax";
  f.labels["kubernetes.io/hostname"] = "other";
  CHECK(label_patch(f)["metadata"]["labels"]["kubernetes.io/arch"] == "amd64");
  CHECK(label_patch(f)["metadata"]["labels"]["kubernetes.io/hostname"] == "n1");
  CHECK(label_patch(f)["metadata"]["annotations"]["k3s.io/internal-ip"] == "10.0.0.7,fd00::7");
}

TEST_CASE("status tells addresses, amounts, the kubelet's port and versions") {
  const auto status = node_status(facts(), noon, {{"Ready", {"True", morning}}});
  CHECK(status["addresses"] == json::array({{{"type", "InternalIP"}, {"address", "10.0.0.7"}}, {{"type", "InternalIP"}, {"address", "fd00::7"}},
                                            {{"type", "Hostname"}, {"address", "n1"}}}));
  CHECK(status["capacity"]["memory"] == "4096Ki");
  CHECK(status["capacity"]["cpu"] == "2");
  CHECK(status["daemonEndpoints"]["kubeletEndpoint"]["Port"] == 10250);
  CHECK(status["nodeInfo"]["kubeletVersion"] == "v1.33.0+troupe0.1.0");
  const auto ready = condition(status, "Ready");
  CHECK(ready["status"] == "True");
  CHECK(ready["lastHeartbeatTime"] == "2026-11-22T12:00:00Z");
  CHECK(ready["lastTransitionTime"] == "2026-11-22T06:00:00Z");
}

TEST_CASE("less than a twentieth of free disk is disk pressure") {
  auto f = facts();
  f.machine.disk_free_bytes = f.machine.disk_bytes / 20;
  CHECK(condition(node_status(f, noon, {}), "DiskPressure")["status"] == "False");
  f.machine.disk_free_bytes -= 1;
  CHECK(condition(node_status(f, noon, {}), "DiskPressure")["status"] == "True");
  f.machine.disk_bytes = f.machine.disk_free_bytes = 0;   // unknown is not full
  CHECK(condition(node_status(f, noon, {}), "DiskPressure")["status"] == "False");
}

TEST_CASE("a condition's time is that of its own turn, whatever else turns") {
  auto f = facts();
  auto known = conditions_of(node_status(f, morning, {}));
  REQUIRE(known.size() == 4);
  f.runtime.wanted = true;
  f.runtime.why = "container runtime is down";
  const auto status = node_status(f, noon, known);
  CHECK(condition(status, "Ready")["lastTransitionTime"] == "2026-11-22T12:00:00Z");
  CHECK(condition(status, "MemoryPressure")["lastTransitionTime"] == "2026-11-22T06:00:00Z");
  CHECK(condition(status, "MemoryPressure")["lastHeartbeatTime"] == "2026-11-22T12:00:00Z");
  known = conditions_of(status);
  CHECK(condition(node_status(f, noon + 1h, known), "Ready")["lastTransitionTime"] == "2026-11-22T12:00:00Z");
  // What a controller wrote into it counts as said: to be there again is a turn.
  auto marked = status;
  for (auto& each : marked["conditions"]) each["status"] = "Unknown";
  f.runtime.ready = true;
  CHECK(condition(node_status(f, noon + 2h, conditions_of(marked)), "MemoryPressure")["lastTransitionTime"] == "2026-11-22T14:00:00Z");
}

TEST_CASE("what turned is called as upstream's kubelet calls it, and what stays is not told") {
  using words = std::vector<std::string>;
  auto f = facts();
  const auto well = conditions_of(node_status(f, noon, {}));
  const words first{"NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID", "NodeReady"};
  CHECK(turns({}, well) == first);
  CHECK(turns(well, well).empty());
  f.runtime.wanted = true;
  f.machine.disk_free_bytes = 0;
  const auto ill = conditions_of(node_status(f, noon, {}));
  CHECK(turns(well, ill) == words{"NodeHasDiskPressure", "NodeNotReady"});
  CHECK(turns(ill, well) == words{"NodeHasNoDiskPressure", "NodeReady"});
  // A node that has never been Ready has not ceased to be.
  CHECK(turns({}, ill) == words{"NodeHasSufficientMemory", "NodeHasDiskPressure", "NodeHasSufficientPID"});
  auto gone = well;
  for (auto& [type, one] : gone) one.status = "Unknown";
  CHECK(turns(gone, well) == first);
}

TEST_CASE("a Lease belongs to its Node once that is known") {
  const auto lease = node_lease({"n1"}, "uid-1", noon, 40s);
  CHECK(lease["metadata"]["namespace"] == "kube-node-lease");
  CHECK(lease["spec"]["leaseDurationSeconds"] == 40);
  CHECK(lease["spec"]["renewTime"] == "2026-11-22T12:00:00.000000Z");
  CHECK(lease["metadata"]["ownerReferences"][0]["uid"] == "uid-1");
  CHECK(!node_lease({"n1"}, "", noon, 40s)["metadata"].contains("ownerReferences"));
}
