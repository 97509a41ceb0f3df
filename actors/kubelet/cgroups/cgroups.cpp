#include "actors/kubelet/cgroups/cgroups.hpp"

#include <algorithm>

namespace troupe::kubelet {
namespace {

constexpr const char* mount_point = "/sys/fs/cgroup";
constexpr std::int64_t period_microseconds = 100000, shares_min = 2, shares_max = 262144, quota_min = 1000;
// Values one by one: PATH FILE VALUE ...
constexpr const char* script = R"(while [ $# -gt 0 ]; do mkdir -p "$1" && printf %s "$3" >"$1/$2" || exit 1; shift 3; done)";

bool is_sidecar(const json& c) { return text_or(dig(c, "restartPolicy")) == "Always"; }

/// Thousandths of `what` for the pod: main containers and sidecars together, or the largest init container if that is more.
std::int64_t whole(const json& pod, const char* list, const char* what, bool& everybody) {
  std::int64_t sum = 0, largest = 0;
  const auto amount = [&](const json& c) {
    auto out = amount_milli(c, list, what);
    if (out == 0 && std::string_view(list) == "requests") out = amount_milli(c, "limits", what);
    everybody = everybody && out > 0;
    return out;
  };
  for (const auto& c : dig(pod, "spec", "containers")) sum += amount(c);
  for (const auto& c : dig(pod, "spec", "initContainers")) is_sidecar(c) ? void(sum += amount(c)) : void(largest = std::max(largest, amount(c)));
  return std::max(sum, largest);
}

class writer {
 public:
  void set(const std::string& path, const char* file, const std::string& value) { words_.insert(words_.end(), {path, file, value}); }
  std::vector<command> done() const {
    if (words_.empty()) return {};
    command out{"sh", "-c", script, "sh"};
    out.insert(out.end(), words_.begin(), words_.end());
    return {out};
  }

 private:
  std::vector<std::string> words_;
};

void set_unified(writer& to, const std::string& path, const pod_limits& l) {
  // Each level hands the controllers down to the next.
  for (std::size_t at = 0; at != std::string::npos && at < path.rfind('/') + 1; at = path.find('/', at + 1)) to.set(mount_point + path.substr(0, at), "cgroup.subtree_control", "+cpu +memory +pids");
  const auto whole = mount_point + path;
  to.set(whole, "cpu.weight", std::to_string(1 + (l.cpu_shares - 2) * 9999 / 262142));
  to.set(whole, "cpu.max", (l.cpu_quota > 0 ? std::to_string(l.cpu_quota) : std::string("max")) + " " + std::to_string(period_microseconds));
  to.set(whole, "memory.max", l.memory_bytes_max > 0 ? std::to_string(l.memory_bytes_max) : std::string("max"));
}

}  // namespace

cgroup_layout look_at_cgroups(const net::files& disk) {
  cgroup_layout out;
  out.unified = disk.exists(std::string(mount_point) + "/cgroup.controllers");
  if (out.unified) return out;
  for (const char* name : {"/cpu", "/cpu,cpuacct"})
    if (out.cpu.empty() && disk.exists(mount_point + std::string(name) + "/cpu.shares")) out.cpu = mount_point + std::string(name);
  if (disk.exists(mount_point + std::string("/memory/memory.limit_in_bytes"))) out.memory = mount_point + std::string("/memory");
  return out;
}

pod_limits limits_of(const json& pod) {
  pod_limits out;
  bool any = true, all_cpu = true, all_memory = true;
  out.cpu_shares = std::clamp(whole(pod, "requests", "cpu", any) * 1024 / 1000, shares_min, shares_max);
  const auto cpu = whole(pod, "limits", "cpu", all_cpu), memory = whole(pod, "limits", "memory", all_memory);
  if (all_cpu && cpu > 0) out.cpu_quota = std::max(cpu * period_microseconds / 1000, quota_min);
  if (all_memory) out.memory_bytes_max = memory / 1000;
  return out;
}

std::vector<command> cgroup_orders(const pod_wish& pod, const node_setup& on, const cgroup_layout& layout) {
  const auto path = cgroup_of(pod, on);
  const auto limits = limits_of(pod.object.read());
  writer to;
  if (layout.unified) {
    set_unified(to, path, limits);
    return to.done();
  }
  if (!layout.cpu.empty()) {
    // Whoever asks for nothing gets what is left, all of them together.
    if (const auto best_effort = on.cgroup_root + "/besteffort"; path.starts_with(best_effort + "/")) to.set(layout.cpu + best_effort, "cpu.shares", std::to_string(shares_min));
    to.set(layout.cpu + path, "cpu.shares", std::to_string(limits.cpu_shares));
    to.set(layout.cpu + path, "cpu.cfs_period_us", std::to_string(period_microseconds));
    to.set(layout.cpu + path, "cpu.cfs_quota_us", std::to_string(limits.cpu_quota > 0 ? limits.cpu_quota : -1));
  }
  if (!layout.memory.empty() && limits.memory_bytes_max > 0) to.set(layout.memory + path, "memory.limit_in_bytes", std::to_string(limits.memory_bytes_max));
  return to.done();
}

}  // namespace troupe::kubelet
