// Cells that only one kind has, with the logic of Kubernetes' printers (pkg/printers/internalversion).
#include <algorithm>
#include <set>

#include "actors/apiserver/wire/cells.hpp"

namespace troupe::apiserver {
namespace {

std::int64_t number_or(const json& value, std::int64_t otherwise = 0) {
  return value.is_number_integer() ? value.get<std::int64_t>() : otherwise;
}

bool flag(const json& value) { return value.is_boolean() && value.get<bool>(); }

bool condition_is_true(const json& object, std::string_view type) {
  for (const auto& each : dig(object, "status", "conditions"))
    if (dig(each, "type") == type) return dig(each, "status") == "True";
  return false;
}

// ---- Pod ----

struct pod_summary {
  std::int64_t ready = 0, total = 0, restarts = 0;
  std::string status, last_restart;
};

/// Later of two RFC 3339 times in UTC, which compare as texts.
void note_restart(const json& status, std::string& last) {
  auto at = text_or(dig(status, "lastState", "terminated", "finishedAt"));
  if (at > last) last = at;
}

bool restartable(const json& pod, const std::string& init_container) {
  for (const auto& each : dig(pod, "spec", "initContainers"))
    if (dig(each, "name") == init_container) return dig(each, "restartPolicy") == "Always";
  return false;
}

std::string ended(const json& terminated) {
  auto signal = number_or(dig(terminated, "signal"));
  return signal != 0 ? "Signal:" + std::to_string(signal)
                     : "ExitCode:" + std::to_string(number_or(dig(terminated, "exitCode")));
}

/// Looks at the init containers; true when one of them is still at it.
bool initializing(const json& pod, pod_summary& out, pod_summary& kept) {
  std::size_t index = 0;
  for (const auto& each : dig(pod, "status", "initContainerStatuses")) {
    out.restarts += number_or(dig(each, "restartCount"));
    note_restart(each, out.last_restart);
    bool sidecar = restartable(pod, text_or(dig(each, "name")));
    if (sidecar) {
      kept.restarts += number_or(dig(each, "restartCount"));
      note_restart(each, kept.last_restart);
    }
    const auto& terminated = dig(each, "state", "terminated");
    auto waiting = text_or(dig(each, "state", "waiting", "reason"));
    ++index;
    if (terminated.is_object() && number_or(dig(terminated, "exitCode")) == 0) continue;
    if (sidecar && flag(dig(each, "started"))) {
      if (flag(dig(each, "ready"))) ++out.ready;
      continue;
    }
    if (terminated.is_object()) {
      auto reason = text_or(dig(terminated, "reason"));
      out.status = "Init:" + (reason.empty() ? ended(terminated) : reason);
    } else if (!waiting.empty() && waiting != "PodInitializing") {
      out.status = "Init:" + waiting;
    } else {
      out.status =
          "Init:" + std::to_string(index - 1) + "/" + std::to_string(dig(pod, "spec", "initContainers").size());
    }
    return true;
  }
  return false;
}

void look_at_containers(const json& pod, pod_summary& out) {
  bool running = false;
  const auto& statuses = dig(pod, "status", "containerStatuses");
  for (std::size_t i = statuses.size(); i-- > 0;) {
    const auto& each = statuses[i];
    out.restarts += number_or(dig(each, "restartCount"));
    note_restart(each, out.last_restart);
    const auto& terminated = dig(each, "state", "terminated");
    auto waiting = text_or(dig(each, "state", "waiting", "reason"));
    auto reason = text_or(dig(terminated, "reason"));
    if (!waiting.empty()) out.status = waiting;
    else if (!reason.empty()) out.status = reason;
    else if (terminated.is_object()) out.status = ended(terminated);
    else if (flag(dig(each, "ready")) && dig(each, "state", "running").is_object()) running = true, ++out.ready;
  }
  if (out.status == "Completed" && running) out.status = condition_is_true(pod, "Ready") ? "Running" : "NotReady";
}

pod_summary summarize(const json& pod) {
  pod_summary out, kept;
  auto phase = text_or(dig(pod, "status", "phase")), why = text_or(dig(pod, "status", "reason"));
  out.status = why.empty() ? phase : why;
  out.total = static_cast<std::int64_t>(dig(pod, "spec", "containers").size());
  for (const auto& each : dig(pod, "spec", "initContainers"))
    out.total += dig(each, "restartPolicy") == "Always" ? 1 : 0;
  for (const auto& each : dig(pod, "status", "conditions"))
    if (dig(each, "type") == "PodScheduled" && dig(each, "reason") == "SchedulingGated") out.status = "SchedulingGated";
  if (!initializing(pod, out, kept) || condition_is_true(pod, "Initialized")) {
    out.restarts = kept.restarts;
    out.last_restart = kept.last_restart;
    look_at_containers(pod, out);
  }
  if (dig(pod, "metadata", "deletionTimestamp").is_string()) {
    if (why == "NodeLost") out.status = "Unknown";
    else if (phase != "Failed" && phase != "Succeeded") out.status = "Terminating";
  }
  return out;
}

std::string pod_restarts(const json& pod, wall_time now) {
  auto summary = summarize(pod);
  auto out = std::to_string(summary.restarts);
  if (summary.restarts != 0 && !summary.last_restart.empty())
    out.append(" (").append(since(summary.last_restart, now)).append(" ago)");
  return out;
}

std::string pod_gates(const json& pod) {
  const auto& gates = dig(pod, "spec", "readinessGates");
  if (gates.empty()) return "<none>";
  std::size_t fine = 0;
  for (const auto& each : gates) fine += condition_is_true(pod, text_or(dig(each, "conditionType"))) ? 1 : 0;
  return std::to_string(fine) + "/" + std::to_string(gates.size());
}

// ---- Node ----

std::string node_status(const json& node) {
  std::string out = "Unknown";
  for (const auto& each : dig(node, "status", "conditions"))
    if (dig(each, "type") == "Ready") out = dig(each, "status") == "True" ? "Ready" : "NotReady";
  return flag(dig(node, "spec", "unschedulable")) ? out + ",SchedulingDisabled" : out;
}

std::string node_roles(const json& node) {
  constexpr std::string_view prefix = "node-role.kubernetes.io/";
  std::set<std::string> roles;
  for (const auto& [key, value] : dig(node, "metadata", "labels").items()) {
    if (key.starts_with(prefix) && key.size() > prefix.size()) roles.insert(key.substr(prefix.size()));
    if (key == "kubernetes.io/role" && !text_or(value).empty()) roles.insert(text_or(value));
  }
  std::string out;
  for (const auto& each : roles) out.append(out.empty() ? "" : ",").append(each);
  return out.empty() ? "<none>" : out;
}

std::string node_address(const json& node, std::string_view type) {
  for (const auto& each : dig(node, "status", "addresses"))
    if (dig(each, "type") == type) return text_or(dig(each, "address"), "<none>");
  return "<none>";
}

// ---- Service ----

void join(std::string& out, const std::string& part) {
  if (!part.empty()) out.append(out.empty() ? "" : ",").append(part);
}

std::string balancer_addresses(const json& service) {
  constexpr std::size_t width_max = 16;
  std::string out;
  for (const auto& each : dig(service, "status", "loadBalancer", "ingress"))
    join(out, text_or(dig(each, "ip"), text_or(dig(each, "hostname"))));
  return out.size() > width_max ? out.substr(0, width_max - 3) + "..." : out;
}

std::string service_external_ip(const json& service) {
  auto type = text_or(dig(service, "spec", "type"));
  std::string external;
  for (const auto& each : dig(service, "spec", "externalIPs")) join(external, text_or(each));
  if (type == "ExternalName") return text_or(dig(service, "spec", "externalName"));
  if (type == "LoadBalancer") {
    auto out = balancer_addresses(service);
    join(out, external);
    return out.empty() ? "<pending>" : out;
  }
  if (type != "ClusterIP" && type != "NodePort") return "<unknown>";
  return external.empty() ? "<none>" : external;
}

std::string service_ports(const json& service) {
  std::string out;
  for (const auto& each : dig(service, "spec", "ports")) {
    auto text = std::to_string(number_or(dig(each, "port")));
    if (auto node_port = number_or(dig(each, "nodePort")); node_port > 0)
      text.append(":").append(std::to_string(node_port));
    join(out, text.append("/").append(text_or(dig(each, "protocol"))));
  }
  return out.empty() ? "<none>" : out;
}

// ---- Event ----

std::string event_first_seen(const json& event, wall_time now) {
  auto first = since(dig(event, "firstTimestamp"), now);
  return first == "<unknown>" ? since(dig(event, "eventTime"), now) : first;
}

std::string event_last_seen(const json& event, wall_time now) {
  if (dig(event, "series").is_object()) return since(dig(event, "series", "lastObservedTime"), now);
  auto last = since(dig(event, "lastTimestamp"), now);
  return last == "<unknown>" ? event_first_seen(event, now) : last;
}

std::string event_object(const json& event) {
  auto kind = text_or(dig(event, "involvedObject", "kind"));
  std::ranges::transform(kind, kind.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  auto name = text_or(dig(event, "involvedObject", "name"));
  return name.empty() ? kind : kind + "/" + name;
}

std::string event_source(const json& event) {
  auto component = text_or(dig(event, "source", "component"), text_or(dig(event, "reportingComponent")));
  auto host = text_or(dig(event, "source", "host"), text_or(dig(event, "reportingInstance")));
  return host.empty() ? component : component + ", " + host;
}

std::int64_t event_count(const json& event) {
  if (dig(event, "series").is_object()) return number_or(dig(event, "series", "count"));
  return std::max<std::int64_t>(number_or(dig(event, "count")), 1);
}

}  // namespace

json compute_kind_cell(std::string_view name, const json& object, wall_time now) {
  if (name == "pod_ready") {
    auto summary = summarize(object);
    return std::to_string(summary.ready) + "/" + std::to_string(summary.total);
  }
  if (name == "pod_status") return summarize(object).status;
  if (name == "pod_restarts") return pod_restarts(object, now);
  if (name == "pod_gates") return pod_gates(object);
  if (name == "node_status") return node_status(object);
  if (name == "node_roles") return node_roles(object);
  if (name == "node_internal_ip") return node_address(object, "InternalIP");
  if (name == "node_external_ip") return node_address(object, "ExternalIP");
  if (name == "service_cluster_ip") {
    const auto& all = dig(object, "spec", "clusterIPs");
    return all.is_array() && !all.empty() ? text_or(all[0]) : std::string("<none>");
  }
  if (name == "service_external_ip") return service_external_ip(object);
  if (name == "service_ports") return service_ports(object);
  if (name == "event_first_seen") return event_first_seen(object, now);
  if (name == "event_last_seen") return event_last_seen(object, now);
  if (name == "event_object") return event_object(object);
  if (name == "event_source") return event_source(object);
  if (name == "event_count") return std::to_string(event_count(object));
  return nullptr;
}

}  // namespace troupe::apiserver
