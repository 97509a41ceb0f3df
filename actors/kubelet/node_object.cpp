#include "actors/kubelet/node_object.hpp"

namespace troupe::kubelet {
namespace {

std::map<std::string, std::string> own_labels(const node_facts& facts) {
  auto out = facts.labels;
  const std::string& arch = facts.machine.architecture;
  for (const char* prefix : {"kubernetes.io/", "beta.kubernetes.io/"}) {
    out[std::string(prefix) + "arch"] = arch;
    out[std::string(prefix) + "os"] = "linux";
  }
  out["kubernetes.io/hostname"] = facts.name.text;
  out["node.kubernetes.io/instance-type"] = "k3s";
  out["beta.kubernetes.io/instance-type"] = "k3s";
  return out;
}

/// What a kubelet says of its node; events call the turns so.
struct condition_row { const char *type, *when_true, *when_false; };
constexpr condition_row conditions_said[] = {{"MemoryPressure", "NodeHasInsufficientMemory", "NodeHasSufficientMemory"},
                                             {"DiskPressure", "NodeHasDiskPressure", "NodeHasNoDiskPressure"},
                                             {"PIDPressure", "NodeHasInsufficientPID", "NodeHasSufficientPID"},
                                             {"Ready", "NodeReady", "NodeNotReady"}};

json condition(const char* type, bool holds, const char* reason, const char* message, wall_time now, const known_conditions& before) {
  const char* status = holds ? "True" : "False";
  const auto known = before.find(type);
  const auto since = known != before.end() && known->second.status == status ? known->second.since : now;
  return {{"type", type}, {"status", status}, {"reason", reason}, {"message", message},
          {"lastHeartbeatTime", to_rfc3339(now)}, {"lastTransitionTime", to_rfc3339(since)}};
}

json readiness_condition(const runtime_facts& of, wall_time now, const known_conditions& before) {
  if (runtime_ready(of)) return condition("Ready", true, "KubeletReady", "kubelet is posting ready status", now, before);
  return condition("Ready", false, "KubeletNotReady", of.why.empty() ? "container runtime is down" : of.why.c_str(), now, before);
}

std::string kibi(std::uint64_t bytes) { return std::to_string(bytes / 1024) + "Ki"; }

}  // namespace

known_conditions conditions_of(const json& status) {
  known_conditions out;
  for (const auto& one : dig(status, "conditions"))
    for (const auto& row : conditions_said) {
      if (text_or(dig(one, "type")) != row.type) continue;
      const auto since = parse_rfc3339(text_or(dig(one, "lastTransitionTime")));
      out[row.type] = {text_or(dig(one, "status")), since.ok() ? *since : wall_time{}};
    }
  return out;
}

std::vector<std::string> turns(const known_conditions& before, const known_conditions& after) {
  std::vector<std::string> out;
  for (const auto& row : conditions_said) {
    const auto was = before.find(row.type), is = after.find(row.type);
    if (is == after.end() || (was != before.end() && was->second.status == is->second.status)) continue;
    const bool holds = is->second.status == "True";
    // A node that has never been Ready has not ceased to be.
    if (was == before.end() && !holds && std::string_view(row.type) == "Ready") continue;
    out.emplace_back(holds ? row.when_true : row.when_false);
  }
  return out;
}

json label_patch(const node_facts& facts) {
  std::string list;
  for (const auto& a : facts.addresses) list += (list.empty() ? "" : ",") + a;
  return {{"metadata", {{"labels", own_labels(facts)},
                        {"annotations", {{"k3s.io/internal-ip", list}, {"k3s.io/hostname", facts.machine.hostname}}}}}};
}

json new_node(const node_facts& facts, wall_time now) {
  json out = label_patch(facts);
  out["apiVersion"] = "v1";
  out["kind"] = "Node";
  out["metadata"]["name"] = facts.name.text;
  json taints = json::array();
  for (const auto& t : facts.taints) taints.push_back(t);
  taints.push_back({{"key", "node.kubernetes.io/not-ready"}, {"effect", "NoSchedule"}});
  out["spec"] = {{"providerID", "k3s://" + facts.name.text}, {"taints", std::move(taints)}};
  out["status"] = node_status(facts, now, {});
  return out;
}

json node_status(const node_facts& facts, wall_time now, const known_conditions& before) {
  const auto& m = facts.machine;
  json addresses = json::array();
  for (const auto& a : facts.addresses) addresses.push_back({{"type", "InternalIP"}, {"address", a}});
  addresses.push_back({{"type", "Hostname"}, {"address", facts.name.text}});
  const json amounts{{"cpu", std::to_string(m.cpus)}, {"memory", kibi(m.memory_bytes)}, {"pods", "110"},
                     {"ephemeral-storage", kibi(m.disk_bytes)}, {"hugepages-1Gi", "0"}, {"hugepages-2Mi", "0"}};
  const bool disk_full = m.disk_bytes > 0 && m.disk_free_bytes < m.disk_bytes / 20;
  return {
      {"addresses", std::move(addresses)},
      {"capacity", amounts},
      {"allocatable", amounts},
      {"daemonEndpoints", {{"kubeletEndpoint", {{"Port", facts.port}}}}},
      {"conditions",
       json::array({condition("MemoryPressure", false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available", now, before),
                    condition("DiskPressure", disk_full, disk_full ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
                              disk_full ? "less than 5 % of the data directory's disk is free" : "kubelet has no disk pressure", now, before),
                    condition("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available", now, before),
                    readiness_condition(facts.runtime, now, before)})},
      {"images", facts.runtime.images},
      {"nodeInfo",
       {{"architecture", m.architecture}, {"operatingSystem", "linux"}, {"kernelVersion", m.kernel}, {"osImage", m.os_image},
        {"machineID", m.machine_id}, {"systemUUID", m.system_uuid}, {"bootID", m.boot_id},
        {"kubeletVersion", facts.version}, {"kubeProxyVersion", facts.version},
        {"containerRuntimeVersion", facts.runtime.version.empty() ? "none://0" : facts.runtime.version}}}};
}

json node_lease(const node_name& name, const std::string& node_uid, wall_time now, duration life) {
  json out{{"apiVersion", "coordination.k8s.io/v1"}, {"kind", "Lease"},
           {"metadata", {{"name", name.text}, {"namespace", "kube-node-lease"}}},
           {"spec", {{"holderIdentity", name.text},
                     {"leaseDurationSeconds", std::chrono::duration_cast<std::chrono::seconds>(life).count()},
                     {"renewTime", to_rfc3339_micro(now)}}}};
  if (!node_uid.empty())
    out["metadata"]["ownerReferences"] = json::array({{{"apiVersion", "v1"}, {"kind", "Node"}, {"name", name.text}, {"uid", node_uid}}});
  return out;
}

}  // namespace troupe::kubelet
