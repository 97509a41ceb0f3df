// What a server and an agent are told, once, when they start. Merged from flags, files and environment
// by bin/; plain values, defaults as K3s has them.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "basis/clock.hpp"
#include "basis/ids.hpp"
#include "basis/json.hpp"
#include "basis/secret.hpp"
#include "net/tls/issuer.hpp"

namespace troupe::node {

/// What both kinds share.
struct common_config {
  std::string version = "v1.33.0+troupe0.1.0";
  std::string data_folder = "/var/lib/rancher/troupe";
  std::string identity_folder = "/etc/rancher/node";      ///< Node password and id.
  std::string node_name;                                  ///< Empty: the host's name.
  bool with_node_id = false;
  std::vector<std::string> node_addresses;                ///< Empty: the address of the default route.
  std::string bind_address;                               ///< Empty: all.
  std::map<std::string, std::string> node_labels;
  std::vector<json> node_taints;
  std::uint16_t balancer_port = 6444;
  std::uint16_t kubelet_port = 10250;
  duration heartbeat_every = std::chrono::seconds(10);
  duration status_every = std::chrono::minutes(5);
  bool disable_runtime = false;                           ///< Run no containers here, whatever this machine could.
  std::string cgroup_root = "/kubepods";                  ///< Pods' cgroups are below it.
  std::string container_runtime_endpoint;                 ///< A runtime of others: its socket's path. Empty: a containerd of ours.
  std::string private_registry = "/etc/rancher/troupe/registries.yaml";
  bool disable_default_registry = false;                  ///< Where a registry has mirrors, only they are asked.
  bool network_alone = false;                             ///< The pods' network also where nothing runs pods: for tests, which bring their own.
  std::string flannel_interface;                          ///< Carries the overlay; empty: the one with the node's address.
  std::string resolver_file = "/etc/resolv.conf";         ///< Whom the cluster's DNS asks for names outside.
};

struct server_config : common_config {
  std::uint16_t https_port = 6443;
  std::string advertise_address;                          ///< Empty: the node's address.
  std::vector<std::string> tls_sans;
  secret_text token, agent_token;                         ///< Empty: kept from before, else made.
  std::string cluster_cidr = "10.42.0.0/16", service_cidr = "10.43.0.0/16", cluster_dns = "10.43.0.10";
  std::string cluster_domain = "cluster.local";
  std::string flannel_backend = "vxlan";                  ///< vxlan, host-gw or none: actors/flannel/plan.hpp.
  bool disable_service_proxy = false, disable_service_lb = false, disable_dns = false;
  std::vector<std::string> disabled_manifests;            ///< Names that --disable gave.
  std::string egress_mode = "agent";                      ///< agent, cluster, pod or disabled: actors/egress/routes.hpp.
  std::string kubeconfig_path = "/etc/rancher/troupe/troupe.yaml";
  unsigned kubeconfig_mode = 0600;
  bool disable_agent = false;
  bool secrets_encryption = false;                        ///< From the cluster's beginning; later the files below cred/ decide.
  std::string secrets_encryption_provider = "aescbc";
  // The datastore: where it is, or whose.
  bool cluster_init = false;                              ///< Begin an embedded etcd cluster.
  endpoint server;                                        ///< Join the cluster of servers behind it; empty host: none.
  std::string datastore_endpoint;                         ///< "" = sqlite, "rocksdb", or etcd's URLs.
  std::string datastore_ca, datastore_certificate;        ///< Paths of PEM files, for an etcd of others.
  std::string datastore_key;
  std::uint16_t etcd_client_port = 2379, etcd_peer_port = 2380;
  std::uint64_t etcd_quota_bytes = 4ull << 30;            ///< etcd refuses writes beyond it.
  // Snapshots of the datastore, whichever it is.
  bool disable_snapshots = false;
  std::string snapshot_schedule = "0 */12 * * *";         ///< actors/snapshots/cron.hpp; UTC.
  std::string snapshot_name = "etcd-snapshot";
  std::string snapshot_folder;                            ///< Empty: <data>/server/db/snapshots.
  unsigned snapshots_kept = 5;                            ///< 0: all.
  bool cluster_reset = false;                             ///< Do not serve: make this server's data a cluster of one, and end.
  std::string restore_path;                               ///< With it: from this snapshot.
  duration certificate_life = net::tls::leaf_validity;    ///< Of leafs; renewed at half of it.
  duration node_grace = std::chrono::seconds(40);
  duration node_check_every = std::chrono::seconds(5);
};

struct agent_config : common_config {
  endpoint server;
  secret_text token;
  bool inside_server = false;                             ///< No balancer: it talks to itself.
};

/// What a node tells whoever started it. Called on threads of actors.
struct observer {
  std::function<void(const std::string& step)> on_step;        ///< One more part stands.
  std::function<void(const std::string& what)> on_wait;        ///< What it is waiting for now.
  std::function<void(const node_name& node)> on_ready;         ///< The node is Ready (or the server, without an agent).
  std::function<void(const std::string& why)> on_refused;      ///< Going on is useless.
  std::function<void()> on_stopped;
};

/// What makes no sense, as one sentence each; empty when all is well.
std::vector<std::string> problems(const server_config& config);
std::vector<std::string> problems(const agent_config& config);

}  // namespace troupe::node
