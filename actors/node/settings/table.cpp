// The table of flags, and what is told from it alone: names, neighbours, refusals.
#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>

#include "actors/node/settings/settings.hpp"

namespace troupe::node {
namespace {

constexpr std::uint8_t server = 1, agent = 2, both = 3;
constexpr auto scalar = flag_kind::scalar;
constexpr auto list = flag_kind::list;
constexpr auto toggle = flag_kind::toggle;

/// A K3s flag that this version does not have yet.
constexpr flag later(std::string_view name, std::uint8_t who, flag_kind kind = scalar, std::string_view env = {}) {
  return {.name = name, .letter = 0, .env = env, .kind = kind, .who = who, .usual = {}, .meaning = {}, .built = false};
}
constexpr flag hidden(std::string_view name, std::uint8_t who, std::string_view usual, std::string_view meaning) {
  return {.name = name, .letter = 0, .env = {}, .kind = scalar, .who = who, .usual = usual, .meaning = meaning, .hidden = true};
}
constexpr flag commas(flag of) { return of.takes_commas = true, of; }
constexpr flag guarded(flag of) { return of.secret = true, of; }

constexpr auto table = std::to_array<flag>({
    // Files.
    {"config", 'c', "CONFIG_FILE", scalar, both, "/etc/rancher/troupe/config.yaml", "configuration file; drop-ins are in FILE.d"},
    {"data-dir", 'd', "DATA_DIR", scalar, both, "/var/lib/rancher/troupe", "where state is kept (not root: ~/.rancher/troupe)"},
    {"identity-dir", 0, "", scalar, both, "/etc/rancher/node", "where the node's password and id are kept (not root: below the data dir)"},
    {"admin-socket", 0, "", scalar, both, "<data-dir>/admin.sock", "where `troupe console` attaches"},
    // Joining.
    guarded({"token", 't', "TOKEN", scalar, both, "made at the first start", "the cluster's shared secret"}),
    {"token-file", 0, "TOKEN_FILE", scalar, both, "", "file that holds the token"},
    guarded({"agent-token", 0, "AGENT_TOKEN", scalar, server, "the token", "another secret for agents"}),
    {"agent-token-file", 0, "AGENT_TOKEN_FILE", scalar, server, "", "file that holds the agents' token"},
    {"server", 's', "URL", scalar, both, "", "the server to join, https://HOST:6443"},
    {"cluster-init", 0, "CLUSTER_INIT", toggle, server, "false", "begin a cluster of servers on embedded etcd"},
    // Where objects are kept.
    {"datastore-endpoint", 0, "DATASTORE_ENDPOINT", scalar, server, "sqlite", "sqlite, rocksdb, or the URLs of an etcd"},
    {"datastore-cafile", 0, "DATASTORE_CAFILE", scalar, server, "", "certificate authority of that etcd"},
    {"datastore-certfile", 0, "DATASTORE_CERTFILE", scalar, server, "", "certificate to show to it"},
    {"datastore-keyfile", 0, "DATASTORE_KEYFILE", scalar, server, "", "key of that certificate"},
    // Snapshots and the way back.
    {"etcd-disable-snapshots", 0, "", toggle, server, "false", "take no snapshots by schedule"},
    {"etcd-snapshot-name", 0, "", scalar, server, "etcd-snapshot", "how scheduled snapshots are named: NAME-NODE-SECONDS"},
    {"etcd-snapshot-schedule-cron", 0, "", scalar, server, "0 */12 * * *", "when, as cron writes it, in UTC"},
    {"etcd-snapshot-retention", 0, "", scalar, server, "5", "how many scheduled ones are kept; 0: all"},
    {"etcd-snapshot-dir", 0, "", scalar, server, "<data-dir>/server/db/snapshots", "where snapshots are kept"},
    {"cluster-reset", 0, "CLUSTER_RESET", toggle, server, "false", "make this server's etcd a cluster of one, and end"},
    {"cluster-reset-restore-path", 0, "", scalar, server, "", "with --cluster-reset: the snapshot to go back to"},
    // The node.
    {"node-name", 0, "NODE_NAME", scalar, both, "the host's name", "the node's name"},
    {"with-node-id", 0, "", toggle, both, "false", "append eight hex digits to the node's name"},
    commas({"node-ip", 'i', "", list, both, "address of the default route", "the node's addresses"}),
    {"node-label", 0, "", list, both, "", "label of the node, key=value"},
    {"disable-runtime", 0, "", toggle, both, "false", "run no containers on this node and leave its network alone"},
    {"container-runtime-endpoint", 0, "", scalar, both, "a containerd of its own", "socket of another container runtime; /dev/null: none"},
    {"private-registry", 0, "", scalar, both, "/etc/rancher/troupe/registries.yaml", "mirrors of registries, and how to log in to them"},
    {"disable-default-registry-endpoint", 0, "", toggle, both, "false", "where a registry has mirrors, ask only them"},
    {"flannel-iface", 0, "", scalar, both, "the one with the node's address", "interface that carries packets between nodes' pods"},
    {"resolv-conf", 0, "RESOLV_CONF", scalar, both, "/etc/resolv.conf", "names the DNS servers for names outside of the cluster"},
    {"node-taint", 0, "", list, both, "", "taint of the node at its first registration, key=value:Effect"},
    // Listening.
    {"bind-address", 0, "", scalar, both, "all", "the one address to listen on"},
    {"https-listen-port", 0, "", scalar, server, "6443", "port of the API and of joining"},
    {"lb-server-port", 0, "LB_SERVER_PORT", scalar, both, "6444", "port of the agent's local load balancer"},
    {"kubelet-port", 0, "", scalar, both, "10250", "port of the kubelet"},
    {"advertise-address", 0, "", scalar, server, "the node's address", "address in the endpoints of the service kubernetes"},
    commas({"tls-san", 0, "", list, server, "", "more names and addresses for the served certificate"}),
    // The admin's kubeconfig.
    {"write-kubeconfig", 'o', "KUBECONFIG_OUTPUT", scalar, server, "/etc/rancher/troupe/troupe.yaml", "where the admin's kubeconfig is written"},
    {"write-kubeconfig-mode", 0, "KUBECONFIG_MODE", scalar, server, "0600", "its mode, octal"},
    // The cluster.
    {"disable-agent", 0, "", toggle, server, "false", "run no node beside the server"},
    commas({"cluster-cidr", 0, "", list, server, "10.42.0.0/16", "network of pods"}),
    commas({"service-cidr", 0, "", list, server, "10.43.0.0/16", "network of services"}),
    commas({"cluster-dns", 0, "", list, server, "tenth address of the service network", "address of the cluster's DNS"}),
    {"cluster-domain", 0, "", scalar, server, "cluster.local", "domain of the cluster's DNS"},
    {"flannel-backend", 0, "", scalar, server, "vxlan", "between nodes' pods: vxlan, host-gw or none"},
    {"disable-kube-proxy", 0, "", toggle, server, "false", "do not make Services reachable on the nodes"},
    commas({"disable", 0, "", list, server, "", "do not deploy: coredns, servicelb, or a file of manifests by its name"}),
    {"egress-selector-mode", 0, "", scalar, server, "agent", "what goes through the nodes' tunnels: agent, cluster, pod or disabled"},
    {"secrets-encryption", 0, "", toggle, server, "false", "store Secrets encrypted"},
    {"secrets-encryption-provider", 0, "", scalar, server, "aescbc", "how: aescbc"},
    // Output.
    {"log-format", 0, "", scalar, both, "logfmt", "logfmt or json"},
    {"debug", 0, "DEBUG", toggle, both, "false", "log more"},
    {.name = "network-alone", .letter = 0, .env = {}, .kind = toggle, .who = both, .usual = "false", .meaning = "the pods' network also where nothing runs pods", .hidden = true},
    hidden("node-lease-interval", both, "10s", "how often the node renews its lease"),
    hidden("cgroup-root", both, "/kubepods", "the cgroup that those of pods are made in"),
    hidden("node-status-interval", both, "5m", "how often the node repeats an unchanged status"),
    hidden("certificate-life", server, "8760h", "how long certificates are valid"),
    hidden("node-grace", server, "40s", "how long a silent node counts as alive"),
    hidden("node-check-interval", server, "5s", "how often nodes are looked at"),
    hidden("etcd-quota-bytes", server, "4294967296", "how large embedded etcd's file may grow; all servers alike"),
    // K3s has these, this version has not.
    later("supervisor-port", server, scalar, "SUPERVISOR_PORT"), later("apiserver-port", server, scalar, "APISERVER_PORT"),
    later("apiserver-bind-address", server, scalar, "APISERVER_BIND_ADDRESS"), later("advertise-port", server),
    later("tls-san-security", server, toggle),
    later("service-node-port-range", server), later("flannel-ipv6-masq", server, toggle),
    later("flannel-external-ip", server, toggle), later("servicelb-namespace", server),
    later("write-kubeconfig-group", server, scalar, "KUBECONFIG_GROUP"), later("write-kubeconfig-name", server, scalar, "KUBECONFIG_NAME"),
    later("kube-apiserver-arg", server, list), later("etcd-arg", server, list), later("kube-controller-manager-arg", server, list),
    later("kube-scheduler-arg", server, list), later("kube-cloud-controller-manager-arg", server, list),
    later("helm-controller-arg", server, list),
    later("kine-tls", server, toggle),
    later("etcd-expose-metrics", server, toggle), later("etcd-snapshot-reconcile-interval", server), later("etcd-snapshot-compress", server, toggle),
    later("etcd-s3", server, toggle), later("etcd-s3-endpoint", server), later("etcd-s3-endpoint-ca", server),
    later("etcd-s3-skip-ssl-verify", server, toggle), guarded(later("etcd-s3-access-key", server)),
    guarded(later("etcd-s3-secret-key", server)), guarded(later("etcd-s3-session-token", server)), later("etcd-s3-bucket", server),
    later("etcd-s3-bucket-lookup-type", server), later("etcd-s3-region", server), later("etcd-s3-folder", server),
    later("etcd-s3-retention", server), later("etcd-s3-proxy", server), later("etcd-s3-config-secret", server),
    later("etcd-s3-insecure", server, toggle), later("etcd-s3-timeout", server), later("default-local-storage-path", server),
    later("disable-scheduler", server, toggle), later("disable-cloud-controller", server, toggle),
    later("disable-network-policy", server, toggle),
    later("disable-helm-controller", server, toggle), later("disable-apiserver", server, toggle),
    later("disable-controller-manager", server, toggle), later("disable-etcd", server, toggle), later("embedded-registry", server, toggle),
    later("supervisor-metrics", server, toggle), later("system-default-registry", server, scalar, "SYSTEM_DEFAULT_REGISTRY"),
    later("helm-job-image", server),
    later("enable-pprof", both, toggle), later("rootless", both, toggle), later("prefer-bundled-bin", both, toggle),
    later("v", both), later("vmodule", both), later("log", both), later("alsologtostderr", both, toggle),
    later("node-external-ip", both, list), later("node-internal-dns", both, list), later("node-external-dns", both, list),
    later("disable-apiserver-lb", both, toggle),
    later("flannel-conf", both), later("flannel-cni-conf", both),
    later("image-service-endpoint", both), later("docker", both, toggle), later("default-runtime", both), later("snapshotter", both),
    later("pause-image", both),
    later("nonroot-devices", both, toggle), later("airgap-extra-registry", both, list),
    later("image-credential-provider-bin-dir", both), later("image-credential-provider-config", both),
    later("kubelet-arg", both, list), later("kube-proxy-arg", both, list), later("selinux", both, toggle, "SELINUX"),
    later("protect-kernel-defaults", both, toggle), guarded(later("vpn-auth", both, scalar, "VPN_AUTH")),
    later("vpn-auth-file", both, scalar, "VPN_AUTH_FILE"),
});

/// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t corner = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = corner + (a[i - 1] != b[j - 1]);
      corner = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

std::string_view name_of(command c) { return c == command::server ? "server" : "agent"; }

}  // namespace

std::span<const flag> flags() noexcept { return table; }

const flag* find_flag(std::string_view name) noexcept {
  for (const auto& f : table)
    if (f.name == name) return &f;
  if (name.size() == 1)
    for (const auto& f : table)
      if (f.letter == name[0]) return &f;
  return nullptr;
}

std::string variable_of(const flag& of) {
  if (!of.env.empty()) return std::string(of.env);
  std::string out(of.name);
  for (auto& c : out) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::string_view nearest_flag(command c, std::string_view typed) {
  typed = typed.substr(0, 64);   // longer text is no slip of the finger
  std::string_view best;
  std::size_t least = std::max<std::size_t>(3, typed.size() / 2) + 1;
  for (const auto& f : table) {
    if (!f.is_for(c) || !f.built || f.hidden) continue;
    if (const auto d = distance(typed, f.name); d < least) least = d, best = f.name;
  }
  return best;
}

std::string refusal(command c, std::string_view name, std::string_view shown) {
  const std::string what = shown.size() <= 80 ? std::string(shown) : std::string(shown.substr(0, 80)) + "...";
  if (const flag* known = find_flag(name)) {
    if (!known->built) return what + " is a K3s flag that this version of troupe does not have yet";
    if (!known->is_for(c)) {
      const auto other = c == command::server ? command::agent : command::server;
      return what + " is a flag of `troupe " + std::string(name_of(other)) + "`, not of `troupe " + std::string(name_of(c)) + "`";
    }
  }
  std::string out = what + " is no flag of `troupe " + std::string(name_of(c)) + "`";
  if (const auto near = nearest_flag(c, name); !near.empty()) return out + "; did you mean --" + std::string(near) + "?";
  return out + "; `troupe " + std::string(name_of(c)) + " --help` lists them";
}

}  // namespace troupe::node
