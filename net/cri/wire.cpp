#include "net/cri/wire.hpp"

namespace troupe::net::cri {
namespace {

label_map labels_of(const google::protobuf::Map<std::string, std::string>& from) {
  label_map out;
  for (const auto& [key, value] : from) out.emplace(key, value);
  return out;
}
wall_time time_of(std::int64_t nanoseconds) { return wall_time(duration(nanoseconds)); }

pb::NamespaceMode mode_of(sharing of) {
  switch (of) {
    case sharing::pod: return pb::POD;
    case sharing::container: return pb::CONTAINER;
    case sharing::node: return pb::NODE;
    case sharing::target: return pb::TARGET;
  }
  return pb::POD;
}
void fill(pb::NamespaceOption& to, const namespaces& from) {
  to.set_network(mode_of(from.network));
  to.set_pid(mode_of(from.pid));
  to.set_ipc(mode_of(from.ipc));
  to.set_target_id(from.target);
}
void fill(pb::SecurityProfile& to, const security& from) {
  using profile = pb::SecurityProfile;
  to.set_profile_type(from.filter == seccomp::runtime_default ? profile::RuntimeDefault
                      : from.filter == seccomp::unconfined    ? profile::Unconfined
                                                              : profile::Localhost);
  to.set_localhost_ref(from.filter_file);
}
void fill(pb::LinuxSandboxSecurityContext& to, const security& from) {
  fill(*to.mutable_namespace_options(), from.spaces);
  if (from.user) to.mutable_run_as_user()->set_value(*from.user);
  if (from.group && from.user) to.mutable_run_as_group()->set_value(*from.group);
  to.set_readonly_rootfs(from.readonly_root);
  to.set_privileged(from.privileged);
  for (const auto g : from.groups) to.add_supplemental_groups(g);
  fill(*to.mutable_seccomp(), from);
}
void fill(pb::LinuxContainerSecurityContext& to, const security& from) {
  fill(*to.mutable_namespace_options(), from.spaces);
  if (from.user) to.mutable_run_as_user()->set_value(*from.user);
  if (from.group) to.mutable_run_as_group()->set_value(*from.group);
  to.set_readonly_rootfs(from.readonly_root);
  to.set_privileged(from.privileged);
  to.set_no_new_privs(from.no_new_privileges);
  for (const auto g : from.groups) to.add_supplemental_groups(g);
  for (const auto& c : from.add_capabilities) to.mutable_capabilities()->add_add_capabilities(c);
  for (const auto& c : from.drop_capabilities) to.mutable_capabilities()->add_drop_capabilities(c);
  for (const auto& p : from.masked_paths) to.add_masked_paths(p);
  for (const auto& p : from.readonly_paths) to.add_readonly_paths(p);
  fill(*to.mutable_seccomp(), from);
}
container_state state_of(pb::ContainerState of) {
  switch (of) {
    case pb::CONTAINER_CREATED: return container_state::created;
    case pb::CONTAINER_RUNNING: return container_state::running;
    case pb::CONTAINER_EXITED: return container_state::exited;
    default: return container_state::unknown;
  }
}

}  // namespace

void fill(google::protobuf::Map<std::string, std::string>& to, const label_map& from) {
  for (const auto& [key, value] : from) to[key] = value;
}

void fill(pb::LinuxContainerResources& to, const resources& from) {
  to.set_cpu_period(from.cpu_period);
  to.set_cpu_quota(from.cpu_quota);
  to.set_cpu_shares(from.cpu_shares);
  to.set_memory_limit_in_bytes(from.memory_bytes_max);
  to.set_oom_score_adj(from.oom_score_adj);
}

void fill(pb::PodSandboxConfig& to, const sandbox_config& from) {
  auto& who = *to.mutable_metadata();
  who.set_name(from.name);
  who.set_uid(from.uid);
  who.set_namespace_(from.ns);
  who.set_attempt(from.attempt);
  to.set_hostname(from.hostname);
  to.set_log_directory(from.log_folder);
  if (from.dns) {
    auto& dns = *to.mutable_dns_config();
    for (const auto& s : from.dns->servers) dns.add_servers(s);
    for (const auto& s : from.dns->searches) dns.add_searches(s);
    for (const auto& s : from.dns->options) dns.add_options(s);
  }
  for (const auto& p : from.ports) {
    auto& port = *to.add_port_mappings();
    port.set_protocol(p.protocol == "UDP" ? pb::UDP : p.protocol == "SCTP" ? pb::SCTP : pb::TCP);
    port.set_container_port(p.container_port);
    port.set_host_port(p.host_port);
    port.set_host_ip(p.host_ip);
  }
  fill(*to.mutable_labels(), from.labels);
  fill(*to.mutable_annotations(), from.annotations);
  auto& here = *to.mutable_linux();
  here.set_cgroup_parent(from.cgroup_parent);
  fill(*here.mutable_sysctls(), from.sysctls);
  fill(*here.mutable_security_context(), from.with);
}

void fill(pb::ContainerConfig& to, const container_config& from) {
  to.mutable_metadata()->set_name(from.name);
  to.mutable_metadata()->set_attempt(from.attempt);
  to.mutable_image()->set_image(from.image);
  for (const auto& word : from.command) to.add_command(word);
  for (const auto& word : from.arguments) to.add_args(word);
  to.set_working_dir(from.working_folder);
  for (const auto& [name, value] : from.environment) {
    auto& one = *to.add_envs();
    one.set_key(name);
    one.set_value(value);
  }
  for (const auto& m : from.mounts) {
    auto& one = *to.add_mounts();
    one.set_container_path(m.container_path);
    one.set_host_path(m.host_path);
    one.set_readonly(m.readonly);
    one.set_propagation(m.spread == propagation::none        ? pb::PROPAGATION_PRIVATE
                        : m.spread == propagation::from_host ? pb::PROPAGATION_HOST_TO_CONTAINER
                                                             : pb::PROPAGATION_BIDIRECTIONAL);
  }
  fill(*to.mutable_labels(), from.labels);
  fill(*to.mutable_annotations(), from.annotations);
  to.set_log_path(from.log_path);
  to.set_stdin(from.standard_in);
  to.set_stdin_once(from.standard_in_once);
  to.set_tty(from.terminal);
  fill(*to.mutable_linux()->mutable_resources(), from.limits);
  fill(*to.mutable_linux()->mutable_security_context(), from.with);
}

standing to_standing(const pb::StatusResponse& from) {
  standing out;
  for (const auto& c : from.status().conditions()) {
    const auto why = c.status() ? std::string() : "reason:" + c.reason() + " message:" + c.message();
    if (c.type() == "RuntimeReady") out.runtime_ready = c.status(), out.runtime_why = why;
    if (c.type() == "NetworkReady") out.network_ready = c.status(), out.network_why = why;
  }
  return out;
}

sandbox to_sandbox(const pb::PodSandbox& from) {
  const auto& who = from.metadata();
  return {from.id(), who.name(), who.namespace_(), who.uid(), who.attempt(), from.state() == pb::SANDBOX_READY,
          time_of(from.created_at()), labels_of(from.labels()), labels_of(from.annotations()), {}};
}

sandbox to_sandbox(const pb::PodSandboxStatus& from) {
  const auto& who = from.metadata();
  sandbox out{from.id(), who.name(), who.namespace_(), who.uid(), who.attempt(), from.state() == pb::SANDBOX_READY,
              time_of(from.created_at()), labels_of(from.labels()), labels_of(from.annotations()), {}};
  if (!from.network().ip().empty()) out.addresses.push_back(from.network().ip());
  for (const auto& more : from.network().additional_ips()) out.addresses.push_back(more.ip());
  return out;
}

container to_container(const pb::Container& from) {
  container out;
  out.id = from.id();
  out.sandbox_id = from.pod_sandbox_id();
  out.name = from.metadata().name();
  out.attempt = from.metadata().attempt();
  out.image = from.image().image();
  out.image_ref = from.image_ref();
  out.state = state_of(from.state());
  out.created_at = time_of(from.created_at());
  out.labels = labels_of(from.labels());
  out.annotations = labels_of(from.annotations());
  return out;
}

container to_container(const pb::ContainerStatus& from) {
  container out;
  out.id = from.id();
  out.name = from.metadata().name();
  out.attempt = from.metadata().attempt();
  out.image = from.image().image();
  out.image_ref = from.image_ref();
  out.state = state_of(from.state());
  out.created_at = time_of(from.created_at());
  out.started_at = time_of(from.started_at());
  out.finished_at = time_of(from.finished_at());
  out.exit_code = from.exit_code();
  out.reason = from.reason();
  out.message = from.message();
  out.log_path = from.log_path();
  out.labels = labels_of(from.labels());
  out.annotations = labels_of(from.annotations());
  return out;
}

image to_image(const pb::Image& from) {
  image out;
  out.id = from.id();
  out.tags.assign(from.repo_tags().begin(), from.repo_tags().end());
  out.digests.assign(from.repo_digests().begin(), from.repo_digests().end());
  out.bytes = from.size();
  if (from.has_uid()) out.user = from.uid().value();
  out.user_name = from.username();
  out.pinned = from.pinned();
  return out;
}

usage to_usage(const pb::ContainerStats& from) {
  usage out;
  out.container_id = from.attributes().id();
  out.labels = labels_of(from.attributes().labels());
  out.at = time_of(from.cpu().timestamp());
  out.cpu_nanoseconds = from.cpu().usage_core_nano_seconds().value();
  out.memory_working_set = from.memory().working_set_bytes().value();
  out.memory_usage = from.memory().usage_bytes().value();
  out.memory_rss = from.memory().rss_bytes().value();
  out.disk_bytes = from.writable_layer().used_bytes().value();
  out.disk_inodes = from.writable_layer().inodes_used().value();
  return out;
}

}  // namespace troupe::net::cri
