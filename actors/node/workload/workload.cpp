#include "actors/node/workload/workload.hpp"

#include <cstdio>

#include "actors/kubelet/pod/wish.hpp"
#include "actors/runtime/spawn.hpp"
#include "net/cri/pause/image.hpp"

namespace troupe::node {
namespace {

constexpr const char* usual_data_folder = "/var/lib/rancher/troupe";

// Rules that lead Services to such an address would take this machine's own connections to it along.
constexpr const char* on_loopback = "the node's address is one of loopback, where no pod could reach it: give it another with --node-ip";
bool is_on_loopback(const common_config& config) { return !config.node_addresses.empty() && config.node_addresses.front().starts_with("127."); }

/// Where sockets and state of what runs are kept: gone with a reboot, and each data folder's own.
std::string run_folder(const std::string& data) {
  if (data == usual_data_folder) return "/run/troupe";
  char name[48];
  std::snprintf(name, sizeof name, "/run/troupe-%08llx", static_cast<unsigned long long>(kubelet::digest_of(data) & 0xffffffff));
  return name;
}

kubelet::node_setup setup_of(const rt::world& in, const common_config& config, const node_name& node, const json& grant) {
  kubelet::node_setup out;
  out.node = node.text;
  out.addresses = config.node_addresses;
  out.pods_folder = config.data_folder + "/agent/kubelet/pods";
  out.cgroup_root = config.cgroup_root;
  if (const auto dns = text_or(dig(grant, "ClusterDNS")); !dns.empty()) out.cluster_dns = {dns};
  out.cluster_domain = text_or(dig(grant, "ClusterDomain"), "cluster.local");
  out.own_dns = kubelet::read_resolv_conf(in.files->read("/etc/resolv.conf").value_or(""));
  const auto facts = in.machine->facts(config.data_folder);
  out.memory_bytes = static_cast<std::int64_t>(facts.memory_bytes);
  out.cpu_milli = static_cast<std::int64_t>(facts.cpus) * 1000;
  return out;
}

}  // namespace

result<workload_plan> settle_workload(const rt::world& in, const common_config& config) {
  if (config.disable_runtime) return fail(errc::unsupported, "--disable-runtime");
  if (!in.open_runtime) return fail(errc::unsupported, "there is no way to a container runtime here");
  workload_plan out;
  if (!config.container_runtime_endpoint.empty()) {
    out.socket = config.container_runtime_endpoint;
    if (out.socket.starts_with("unix://")) out.socket.erase(0, 7);
    if (out.socket == "/dev/null") return fail(errc::unsupported, "--container-runtime-endpoint=/dev/null");
    if (is_on_loopback(config)) return fail(errc::unsupported, on_loopback);
    out.runtime.child.program.clear();
    return out;
  }
  if (is_on_loopback(config)) return fail(errc::unsupported, on_loopback);
  out.runtime.child = cri::make_containerd_config(config.data_folder + "/agent", run_folder(config.data_folder));
  if (auto why = cri::look_at_machine(*in.files, out.runtime.child); !why.empty()) return fail(errc::unsupported, std::move(why));
  if (const auto text = in.files->read(config.private_registry); text.ok()) {
    auto from = cri::read_registries(*text);
    if (!from.ok()) return fail(errc::unsupported, config.private_registry + ": " + from.why().note);
    out.runtime.child.from = std::move(*from);
    out.runtime.child.from.never_itself = config.disable_default_registry;
  }
  out.runtime.pause_archive = std::string(net::cri::pause_archive());
  out.socket = out.runtime.child.socket;
  return out;
}

result<workload> start_workload(const rt::world& in, workload_plan plan, const common_config& config, const node_name& node, const json& grant,
                                client::api_actor api, kubelet::kubelet_actor kubelet) {
  auto client = in.open_runtime(plan.socket);
  if (!client.ok()) return client.why();
  workload out;
  out.runtime = cri::make_edge(in, std::move(*client));
  const auto runtime = caf::actor_cast<cri::runtime_actor>(out.runtime);
  kubelet::roll_config with;
  with.worker.setup = setup_of(in, config, node, grant);
  with.data_folder = config.data_folder;
  with.manifests_folder = config.data_folder + "/agent/pod-manifests";
  out.roll = kubelet::make_roll(in, std::move(with), std::move(api), runtime, std::move(kubelet));
  out.keeper = cri::make_keeper(in, std::move(plan.runtime), runtime, caf::actor_cast<cri::runtime_owner_actor>(out.roll));
  return out;
}

void end_workload(const workload& all) {
  if (all.roll) rt::end(all.roll);
  if (all.keeper) rt::end(all.keeper);
  if (all.runtime) rt::end(all.runtime);
}

}  // namespace troupe::node
