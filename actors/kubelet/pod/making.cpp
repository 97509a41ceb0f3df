#include "actors/kubelet/pod/making.hpp"

#include <algorithm>
#include <sstream>

#include "actors/kubelet/pod/status.hpp"

namespace troupe::kubelet {
namespace {

constexpr std::size_t servers_max = 3, hostname_bytes_max = 63;

const json& either(const json& container, const json& pod, const char* member) {
  const auto& own = dig(container, "securityContext", member);
  return own.is_null() ? dig(pod, "spec", "securityContext", member) : own;
}
std::optional<std::int64_t> number(const json& from) {
  return from.is_number_integer() ? std::optional(from.get<std::int64_t>()) : std::nullopt;
}
bool is_true(const json& from) { return from == json(true); }

port::namespaces spaces_of(const json& spec) {
  port::namespaces out;
  if (is_true(dig(spec, "hostNetwork"))) out.network = port::sharing::node;
  if (is_true(dig(spec, "hostPID"))) out.pid = port::sharing::node;
  else if (is_true(dig(spec, "shareProcessNamespace"))) out.pid = port::sharing::pod;
  if (is_true(dig(spec, "hostIPC"))) out.ipc = port::sharing::node;
  return out;
}

void fill_filter(port::security& to, const json& profile) {
  const auto type = text_or(dig(profile, "type"));
  if (type == "RuntimeDefault") to.filter = port::seccomp::runtime_default;
  if (type == "Localhost") to.filter = port::seccomp::localhost, to.filter_file = "/var/lib/kubelet/seccomp/" + text_or(dig(profile, "localhostProfile"));
}

std::vector<std::int64_t> groups_of(const json& pod) {
  std::vector<std::int64_t> out;
  for (const auto& g : dig(pod, "spec", "securityContext", "supplementalGroups"))
    if (g.is_number_integer()) out.push_back(g.get<std::int64_t>());
  if (const auto own = number(dig(pod, "spec", "securityContext", "fsGroup"))) out.push_back(*own);
  return out;
}

result<port::security> security_of(const json& pod, const json& container, const port::image& image) {
  port::security out;
  out.spaces = spaces_of(dig(pod, "spec"));
  const auto& own = dig(container, "securityContext");
  out.privileged = is_true(dig(own, "privileged"));
  out.readonly_root = is_true(dig(own, "readOnlyRootFilesystem"));
  out.no_new_privileges = dig(own, "allowPrivilegeEscalation") == json(false);
  out.user = number(either(container, pod, "runAsUser"));
  out.group = number(either(container, pod, "runAsGroup"));
  out.groups = groups_of(pod);
  for (const auto& c : dig(own, "capabilities", "add")) out.add_capabilities.push_back(text_or(c));
  for (const auto& c : dig(own, "capabilities", "drop")) out.drop_capabilities.push_back(text_or(c));
  fill_filter(out, either(container, pod, "seccompProfile"));
  if (is_true(either(container, pod, "runAsNonRoot"))) {
    if (out.user == 0) return fail(errc::invalid, "container's runAsUser breaks non-root policy");
    if (!out.user && !image.user_name.empty())
      return fail(errc::invalid, "container has runAsNonRoot and image has non-numeric user (" + image.user_name + "), cannot verify user is non-root");
    if (!out.user && image.user.value_or(0) == 0) return fail(errc::invalid, "container has runAsNonRoot and image will run as root");
  }
  if (!out.user && image.user) out.user = image.user;
  if (!out.privileged && text_or(dig(own, "procMount")) != "Unmasked") {
    out.masked_paths = {"/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
                        "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"};
    out.readonly_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  }
  return out;
}

std::string host_name(const pod_wish& pod, const json& object) {
  auto out = text_or(dig(object, "spec", "hostname"), pod.name);
  if (out.size() > hostname_bytes_max) out.resize(hostname_bytes_max);
  while (!out.empty() && (out.back() == '-' || out.back() == '.')) out.pop_back();
  return out;
}
/// With its Service's domain; without a subdomain the same as the name.
std::string full_host_name(const pod_wish& pod, const json& object, const node_setup& on) {
  const auto host = host_name(pod, object), domain = text_or(dig(object, "spec", "subdomain"));
  return domain.empty() ? host : host + "." + domain + "." + pod.ns + ".svc." + on.cluster_domain;
}

void merge(std::vector<std::string>& into, const json& more) {
  for (const auto& one : more)
    if (one.is_string() && std::find(into.begin(), into.end(), one.get<std::string>()) == into.end()) into.push_back(one.get<std::string>());
}

port::name_servers dns_of(const pod_wish& pod, const json& spec, const node_setup& on) {
  auto policy = text_or(dig(spec, "dnsPolicy"), "ClusterFirst");
  if (policy == "ClusterFirst" && pod.host_network) policy = "Default";
  if (policy == "ClusterFirstWithHostNet") policy = "ClusterFirst";
  port::name_servers out;
  if (policy == "ClusterFirst" && !on.cluster_dns.empty()) {
    out.servers = on.cluster_dns;
    out.searches = {pod.ns + ".svc." + on.cluster_domain, "svc." + on.cluster_domain, on.cluster_domain};
    for (const auto& s : on.own_dns.searches) out.searches.push_back(s);
    out.options = {"ndots:5"};
  } else if (policy != "None") {
    out = on.own_dns;
  }
  merge(out.servers, dig(spec, "dnsConfig", "nameservers"));
  merge(out.searches, dig(spec, "dnsConfig", "searches"));
  for (const auto& o : dig(spec, "dnsConfig", "options")) {
    const auto name = text_or(dig(o, "name")), value = text_or(dig(o, "value"));
    std::erase_if(out.options, [&](const std::string& present) { return present == name || present.starts_with(name + ":"); });
    out.options.push_back(value.empty() ? name : name + ":" + value);
  }
  if (out.servers.size() > servers_max) out.servers.resize(servers_max);
  return out;
}

result<void> add_volume_mounts(port::container_config& to, const json& spec, const std::vector<volume_plan>& volumes, const variables& known) {
  for (const auto& m : dig(spec, "volumeMounts")) {
    const auto name = text_or(dig(m, "name"));
    const auto found = std::find_if(volumes.begin(), volumes.end(), [&](const volume_plan& v) { return v.name == name; });
    if (found == volumes.end()) return fail(errc::invalid, "cannot find volume \"" + name + "\" to mount into container \"" + to.name + "\"");
    port::mount out;
    out.container_path = text_or(dig(m, "mountPath"));
    if (!out.container_path.starts_with('/')) out.container_path.insert(out.container_path.begin(), '/');
    out.host_path = found->path;
    auto below = text_or(dig(m, "subPath"));
    if (below.empty()) below = expanded(text_or(dig(m, "subPathExpr")), known);
    if (below == ".." || below.starts_with("../") || below.find("/..") != std::string::npos) return fail(errc::invalid, "subPath of volume mount \"" + name + "\" leads out of the volume");
    if (!below.empty()) out.host_path += "/" + below;
    out.readonly = is_true(dig(m, "readOnly"));
    const auto spread = text_or(dig(m, "mountPropagation"));
    out.spread = spread == "HostToContainer" ? port::propagation::from_host : spread == "Bidirectional" ? port::propagation::both : port::propagation::none;
    to.mounts.push_back(std::move(out));
  }
  return {};
}

}  // namespace

port::name_servers read_resolv_conf(const std::string& text) {
  port::name_servers out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key, word;
    words >> key;
    if (key == "search" || key == "domain") out.searches.clear();
    while (words >> word) {
      if (key == "nameserver" && out.servers.size() < servers_max) out.servers.push_back(word);
      if ((key == "search" || key == "domain") && word != ".") out.searches.push_back(word);
      if (key == "options") out.options.push_back(word);
    }
  }
  return out;
}

std::string pod_folder(const node_setup& on, const std::string& uid) { return on.pods_folder + "/" + uid; }
std::string log_folder(const node_setup& on, const pod_wish& pod) { return log_folder(on, pod.ns, pod.name, pod.uid); }
std::string log_folder(const node_setup& on, const std::string& ns, const std::string& name, const std::string& uid) { return on.logs_folder + "/" + ns + "_" + name + "_" + uid; }
std::string message_file(const node_setup& on, const std::string& uid, const std::string& container, std::uint32_t attempt) {
  return pod_folder(on, uid) + "/containers/" + container + "/" + std::to_string(attempt);
}
std::string hosts_path(const node_setup& on, const std::string& uid) { return pod_folder(on, uid) + "/etc-hosts"; }

std::string hosts_text(const pod_wish& pod, const std::vector<std::string>& addresses, const node_setup& on, const std::string& own) {
  const auto object = pod.object.read();
  std::string out = "# Kubernetes-managed hosts file" + std::string(pod.host_network ? " (host network).\n" : ".\n");
  if (pod.host_network) {
    out += own;
  } else {
    out += "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";
    const auto host = host_name(pod, object), full = full_host_name(pod, object, on);
    for (const auto& a : addresses) out += a + "\t" + (full == host ? "" : full + "\t") + host + "\n";
  }
  const auto& more = dig(object, "spec", "hostAliases");
  if (more.is_array() && !more.empty()) out += "\n# Entries added by HostAliases.\n";
  for (const auto& alias : more) {
    out += text_or(dig(alias, "ip"));
    for (const auto& name : dig(alias, "hostnames")) out += "\t" + text_or(name);
    out += "\n";
  }
  return out;
}

port::resources resources_of(const json& pod, const json& container, std::int64_t node_memory) {
  port::resources out;
  const auto cpu_limit = amount_milli(container, "limits", "cpu");
  auto cpu_request = amount_milli(container, "requests", "cpu");
  if (cpu_request == 0 && !dig(container, "resources", "requests", "cpu").is_string()) cpu_request = cpu_limit;
  out.cpu_shares = std::clamp<std::int64_t>(cpu_request * 1024 / 1000, 2, 262144);
  out.cpu_period = 100000;
  if (cpu_limit > 0) out.cpu_quota = std::max<std::int64_t>(cpu_limit * out.cpu_period / 1000, 1000);
  out.memory_bytes_max = amount_milli(container, "limits", "memory") / 1000;
  const auto qos = qos_class(pod);
  const auto memory_request = amount_milli(container, "requests", "memory") / 1000;
  if (qos == "Guaranteed") out.oom_score_adj = -997;
  else if (qos == "BestEffort") out.oom_score_adj = 1000;
  else out.oom_score_adj = node_memory > 0 ? std::clamp<std::int64_t>(1000 - 1000 * memory_request / node_memory, 3, 999) : 999;
  return out;
}

std::string cgroup_of(const pod_wish& pod, const node_setup& on) {
  return on.cgroup_root + (pod.quality == "Guaranteed" ? "" : pod.quality == "Burstable" ? "/burstable" : "/besteffort") + "/pod" + pod.uid;
}

port::sandbox_config make_sandbox_config(const pod_wish& pod, std::uint32_t attempt, const node_setup& on) {
  const auto object = pod.object.read();
  const json& spec = dig(object, "spec");
  port::sandbox_config out;
  out.name = pod.name, out.ns = pod.ns, out.uid = pod.uid, out.attempt = attempt;
  if (!pod.host_network) out.hostname = is_true(dig(spec, "setHostnameAsFQDN")) ? full_host_name(pod, object, on) : host_name(pod, object);
  out.log_folder = log_folder(on, pod);
  out.dns = dns_of(pod, spec, on);
  for (const char* list : {"containers", "initContainers"})
    for (const auto& c : dig(spec, list))
      for (const auto& p : dig(c, "ports")) {
        const auto host = number(dig(p, "hostPort"));
        if (host && *host > 0 && !pod.host_network)
          out.ports.push_back({text_or(dig(p, "protocol"), "TCP"), static_cast<std::int32_t>(number(dig(p, "containerPort")).value_or(0)), static_cast<std::int32_t>(*host), text_or(dig(p, "hostIP"))});
      }
  for (const auto& [key, value] : dig(object, "metadata", "labels").items()) out.labels[key] = text_or(value);
  out.labels[port::label_pod_name] = pod.name;
  out.labels[port::label_pod_namespace] = pod.ns;
  out.labels[port::label_pod_uid] = pod.uid;
  for (const auto& s : dig(spec, "securityContext", "sysctls")) out.sysctls[text_or(dig(s, "name"))] = text_or(dig(s, "value"));
  out.cgroup_parent = cgroup_of(pod, on);
  out.with.spaces = spaces_of(spec);
  out.with.groups = groups_of(object);
  for (const char* list : {"containers", "initContainers"})
    for (const auto& c : dig(spec, list)) out.with.privileged = out.with.privileged || is_true(dig(c, "securityContext", "privileged"));
  out.with.filter = port::seccomp::runtime_default;   // pause does nothing that the filter forbids
  return out;
}

result<port::container_config> make_container_config(const pod_wish& pod, const container_wish& of, std::uint32_t attempt, const port::image& from,
                                                     const pod_sources& sources, const std::vector<volume_plan>& volumes, const node_setup& on) {
  port::container_config out;
  out.name = of.name, out.attempt = attempt, out.image = from.id;
  const auto object = pod.object.read(), spec = of.spec.read();
  auto environment = environment_of(object, spec, sources);
  if (!environment.ok()) return environment.why();
  out.environment = std::move(*environment);
  for (const auto& word : dig(spec, "command")) out.command.push_back(expanded(text_or(word), out.environment));
  for (const auto& word : dig(spec, "args")) out.arguments.push_back(expanded(text_or(word), out.environment));
  out.working_folder = text_or(dig(spec, "workingDir"));
  auto with = security_of(object, spec, from);
  if (!with.ok()) return with.why();
  out.with = std::move(*with);
  if (auto mounted = add_volume_mounts(out, spec, volumes, out.environment); !mounted.ok()) return mounted.why();
  const auto has = [&](const std::string& path) { return std::any_of(out.mounts.begin(), out.mounts.end(), [&](const auto& m) { return m.container_path == path; }); };
  if (!has("/etc/hosts")) out.mounts.push_back({"/etc/hosts", hosts_path(on, pod.uid), false, port::propagation::none});
  const auto words = text_or(dig(spec, "terminationMessagePath"), "/dev/termination-log");
  out.mounts.push_back({words, message_file(on, pod.uid, of.name, attempt), false, port::propagation::none});
  out.labels = {{port::label_pod_name, pod.name}, {port::label_pod_namespace, pod.ns}, {port::label_pod_uid, pod.uid}, {port::label_container, of.name}};
  out.annotations = {{"io.kubernetes.container.hash", of.hash}, {"io.kubernetes.container.restartCount", std::to_string(attempt)},
                     {"io.kubernetes.container.terminationMessagePath", words},
                     {"io.kubernetes.container.terminationMessagePolicy", text_or(dig(spec, "terminationMessagePolicy"), "File")}};
  out.log_path = of.name + "/" + std::to_string(attempt) + ".log";
  out.standard_in = is_true(dig(spec, "stdin"));
  out.standard_in_once = is_true(dig(spec, "stdinOnce"));
  out.terminal = is_true(dig(spec, "tty"));
  out.limits = resources_of(object, spec, on.memory_bytes);
  return out;
}

}  // namespace troupe::kubelet
