// From a pod's object to what the runtime is told: the configuration of its sandbox and of each container. Pure.
#pragma once
#include "actors/kubelet/pod/sources.hpp"
#include "actors/kubelet/pod/wish.hpp"
#include "actors/kubelet/volumes/volumes.hpp"
#include "net/cri/values.hpp"

namespace troupe::kubelet {

namespace port = net::cri;

/// What is the same for all pods of a node.
struct node_setup {
  std::string node;
  std::vector<std::string> addresses;
  std::string pods_folder = "/var/lib/rancher/troupe/agent/kubelet/pods";
  std::string logs_folder = "/var/log/pods";
  std::string cgroup_root = "/kubepods";
  std::vector<std::string> cluster_dns;          ///< Empty: pods use the node's own name servers.
  std::string cluster_domain = "cluster.local";
  port::name_servers own_dns;                    ///< The node's resolv.conf.
  std::int64_t memory_bytes = 0, cpu_milli = 0;
};
/// /etc/resolv.conf as text. At most three servers, as every resolver reads it.
port::name_servers read_resolv_conf(const std::string& text);

std::string pod_folder(const node_setup& on, const std::string& uid);
std::string log_folder(const node_setup& on, const pod_wish& pod);
std::string log_folder(const node_setup& on, const std::string& ns, const std::string& name, const std::string& uid);
/// The file that a container's last words are read from.
std::string message_file(const node_setup& on, const std::string& uid, const std::string& container, std::uint32_t attempt);
/// /etc/hosts of a pod; its content.
std::string hosts_path(const node_setup& on, const std::string& uid);
std::string hosts_text(const pod_wish& pod, const std::vector<std::string>& addresses, const node_setup& on, const std::string& own);

/// Below the node's root, by quality of service: "/kubepods/burstable/podUID".
std::string cgroup_of(const pod_wish& pod, const node_setup& on);
port::sandbox_config make_sandbox_config(const pod_wish& pod, std::uint32_t attempt, const node_setup& on);
/// `invalid`: why there can be no such container (CreateContainerConfigError).
result<port::container_config> make_container_config(const pod_wish& pod, const container_wish& of, std::uint32_t attempt, const port::image& from,
                                                     const pod_sources& sources, const std::vector<volume_plan>& volumes, const node_setup& on);
/// Shares, quota, limit and oom_score_adj, as upstream derives them.
port::resources resources_of(const json& pod, const json& container, std::int64_t node_memory_bytes);

}  // namespace troupe::kubelet
