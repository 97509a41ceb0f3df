#include "actors/kubelet/serving/answers.hpp"

#include <algorithm>

#include "net/cri/pause/image.hpp"

namespace troupe::kubelet {
namespace {

/// The container that is meant when none is named.
result<std::string> named(const pod_record& pod, const std::string& container) {
  const auto object = pod.object.read();
  for (const char* list : {"containers", "initContainers", "ephemeralContainers"})
    for (const auto& c : dig(object, "spec", list))
      if (container.empty() || text_or(dig(c, "name")) == container) return text_or(dig(c, "name"));
  return fail(errc::not_found, "container " + container + " is not valid for pod " + pod.name);
}

const net::cri::container* running_instance(const pod_record& pod, const std::string& id) {
  if (pod.view)
    for (const auto& c : pod.view->containers)
      if (c.id == id && c.state == net::cri::container_state::running) return &c;
  return nullptr;
}

std::string waiting_reason(const pod_record& pod, const std::string& container) {
  const auto object = pod.object.read();
  for (const char* list : {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"})
    for (const auto& c : dig(object, "status", list))
      if (text_or(dig(c, "name")) == container) return text_or(dig(c, "state", "waiting", "reason"), "ContainerCreating");
  return "ContainerCreating";
}

}  // namespace

result<log_answer> log_of(const pod_record& pod, const std::string& container, bool previous, const node_setup& on) {
  auto name = named(pod, container);
  if (!name.ok()) return name.why();
  std::vector<const net::cri::container*> begun;
  if (pod.view)
    for (const auto& c : pod.view->containers)
      if (c.name == *name && c.state != net::cri::container_state::created) begun.push_back(&c);
  const std::size_t wanted = previous ? 1 : 0;
  if (begun.size() <= wanted) {
    if (previous) return fail(errc::not_found, "previous terminated container \"" + *name + "\" in pod \"" + pod.name + "\" not found");
    return fail(errc::invalid, "container \"" + *name + "\" in pod \"" + pod.name + "\" is waiting to start: " + waiting_reason(pod, *name));
  }
  const auto& c = *begun[wanted];
  const auto path = c.log_path.empty() || !c.log_path.starts_with('/') ? log_folder(on, pod.ns, pod.name, pod.uid) + "/" + c.name + "/" + std::to_string(c.attempt) + ".log" : c.log_path;
  return log_answer{path, c.state != net::cri::container_state::running};
}

result<std::string> running_container(const pod_record& pod, const std::string& container) {
  auto name = named(pod, container);
  if (!name.ok()) return name.why();
  if (pod.view)
    for (const auto& c : pod.view->containers)
      if (c.name == *name && c.state == net::cri::container_state::running) return c.id;
  return fail(errc::conflict, "container not found (\"" + *name + "\")");
}

result<std::string> running_sandbox(const pod_record& pod) {
  if (pod.view)
    for (const auto& box : pod.view->sandboxes)
      if (box.ready) return box.id;
  return fail(errc::conflict, "pod " + pod.name + " is not running");
}

json images_status(const std::vector<net::cri::image>& all, std::size_t most) {
  auto sorted = all;
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return std::tie(b.bytes, a.id) < std::tie(a.bytes, b.id); });
  if (sorted.size() > most) sorted.resize(most);
  json out = json::array();
  for (const auto& one : sorted) {
    json names = json::array();
    for (const auto& n : one.digests) names.push_back(n);
    for (const auto& n : one.tags) names.push_back(n);
    out.push_back({{"names", std::move(names)}, {"sizeBytes", one.bytes}});
  }
  return out;
}

std::vector<net::cri::image> unused_images(const std::vector<net::cri::image>& all, const std::set<std::string>& used) {
  std::vector<net::cri::image> out;
  for (const auto& one : all) {
    const auto is_used = [&](const std::string& name) { return used.contains(name) || name == net::cri::pause_image; };
    if (one.pinned || is_used(one.id) || std::any_of(one.tags.begin(), one.tags.end(), is_used) || std::any_of(one.digests.begin(), one.digests.end(), is_used)) continue;
    out.push_back(one);
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return std::tie(b.bytes, a.id) < std::tie(a.bytes, b.id); });
  return out;
}

json stats_summary(const std::string& node, const std::vector<pod_record>& pods, const std::vector<net::cri::usage>& used, wall_time now) {
  json list = json::array();
  const auto memory_of = [](const net::cri::usage& u) { return json{{"time", to_rfc3339(u.at)}, {"usageBytes", u.memory_usage}, {"workingSetBytes", u.memory_working_set}, {"rssBytes", u.memory_rss}}; };
  std::uint64_t cpu_all = 0, memory_all = 0;
  for (const auto& pod : pods) {
    json containers = json::array();
    std::uint64_t cpu = 0, memory = 0;
    for (const auto& u : used) {
      const auto owner = u.labels.find(net::cri::label_pod_uid), called = u.labels.find(net::cri::label_container);
      if (owner == u.labels.end() || owner->second != pod.uid || called == u.labels.end()) continue;
      const auto* now_running = running_instance(pod, u.container_id);   // containerd also tells of those that have ended
      if (!now_running) continue;
      containers.push_back({{"name", called->second}, {"startTime", to_rfc3339(now_running->started_at)}, {"cpu", {{"time", to_rfc3339(u.at)}, {"usageCoreNanoSeconds", u.cpu_nanoseconds}}},
                            {"memory", memory_of(u)}, {"rootfs", {{"time", to_rfc3339(u.at)}, {"usedBytes", u.disk_bytes}, {"inodesUsed", u.disk_inodes}}}});
      cpu += u.cpu_nanoseconds, memory += u.memory_working_set;
    }
    cpu_all += cpu, memory_all += memory;
    list.push_back({{"podRef", {{"name", pod.name}, {"namespace", pod.ns}, {"uid", pod.uid}}}, {"startTime", dig(pod.object.read(), "status", "startTime")},
                    {"containers", std::move(containers)}, {"cpu", {{"time", to_rfc3339(now)}, {"usageCoreNanoSeconds", cpu}}}, {"memory", {{"time", to_rfc3339(now)}, {"workingSetBytes", memory}}}});
  }
  return {{"node", {{"nodeName", node}, {"cpu", {{"time", to_rfc3339(now)}, {"usageCoreNanoSeconds", cpu_all}}}, {"memory", {{"time", to_rfc3339(now)}, {"workingSetBytes", memory_all}}}}},
          {"pods", std::move(list)}};
}

}  // namespace troupe::kubelet
