#include "actors/kubelet/pod/wish.hpp"

#include "actors/kubelet/pod/status.hpp"

namespace troupe::kubelet {
namespace {

std::int64_t number_or(const json& value, std::int64_t otherwise) { return value.is_number_integer() ? value.get<std::int64_t>() : otherwise; }
duration seconds_or(const json& value, std::int64_t otherwise) { return std::chrono::seconds(number_or(value, otherwise)); }

handler_wish read_handler(const json& from) {
  handler_wish out;
  using kind = handler_wish::kind;
  if (const auto& exec = dig(from, "exec"); exec.is_object()) {
    out.what = kind::exec;
    for (const auto& word : dig(exec, "command")) out.command.push_back(text_or(word));
  } else if (const auto& http = dig(from, "httpGet"); http.is_object()) {
    out.what = kind::http;
    out.host = text_or(dig(http, "host"));
    out.path = text_or(dig(http, "path"), "/");
    if (!out.path.starts_with('/')) out.path.insert(out.path.begin(), '/');
    out.scheme = text_or(dig(http, "scheme"), "HTTP");
    out.port = dig(http, "port");
    for (const auto& h : dig(http, "httpHeaders")) out.headers.emplace_back(text_or(dig(h, "name")), text_or(dig(h, "value")));
  } else if (const auto& tcp = dig(from, "tcpSocket"); tcp.is_object()) {
    out.what = kind::tcp;
    out.host = text_or(dig(tcp, "host"));
    out.port = dig(tcp, "port");
  } else if (const auto& grpc = dig(from, "grpc"); grpc.is_object()) {
    out.what = kind::grpc;
    out.port = dig(grpc, "port");
    out.service = text_or(dig(grpc, "service"));
  } else if (const auto& wait = dig(from, "sleep"); wait.is_object()) {
    out.what = kind::wait;
    out.wait = seconds_or(dig(wait, "seconds"), 0);
  }
  return out;
}

std::optional<probe_wish> read_probe(const json& from) {
  if (!from.is_object()) return std::nullopt;
  probe_wish out;
  out.ask = read_handler(from);
  out.initial_delay = seconds_or(dig(from, "initialDelaySeconds"), 0);
  out.period = std::max<duration>(std::chrono::seconds(1), seconds_or(dig(from, "periodSeconds"), 10));
  out.limit = std::max<duration>(std::chrono::seconds(1), seconds_or(dig(from, "timeoutSeconds"), 1));
  out.successes_needed = static_cast<int>(std::max<std::int64_t>(1, number_or(dig(from, "successThreshold"), 1)));
  out.failures_allowed = static_cast<int>(std::max<std::int64_t>(1, number_or(dig(from, "failureThreshold"), 3)));
  if (const auto& grace = dig(from, "terminationGracePeriodSeconds"); grace.is_number_integer()) out.grace = seconds_or(grace, 30);
  return out;
}

const json& status_of(const json& pod, const std::string& container) {
  for (const char* list : {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"})
    for (const auto& one : dig(pod, "status", list))
      if (text_or(dig(one, "name")) == container) return one;
  static const json nothing;
  return nothing;
}

container_wish read_container(const json& pod, const json& spec, role as) {
  container_wish out;
  out.name = text_or(dig(spec, "name"));
  out.image = text_or(dig(spec, "image"));
  out.pull_policy = text_or(dig(spec, "imagePullPolicy"), "IfNotPresent");
  out.as = as == role::init && text_or(dig(spec, "restartPolicy")) == "Always" ? role::sidecar : as;
  out.hash = std::to_string(digest_of(out.name + "\n" + out.image));
  out.startup = read_probe(dig(spec, "startupProbe"));
  out.liveness = read_probe(dig(spec, "livenessProbe"));
  out.readiness = read_probe(dig(spec, "readinessProbe"));
  if (const auto& hook = dig(spec, "lifecycle", "postStart"); hook.is_object()) out.post_start = read_handler(hook);
  if (const auto& hook = dig(spec, "lifecycle", "preStop"); hook.is_object()) out.pre_stop = read_handler(hook);
  const auto& known = status_of(pod, out.name);
  out.restarts_known = static_cast<std::uint32_t>(std::max<std::int64_t>(0, number_or(dig(known, "restartCount"), 0)));
  out.ran_before = !text_or(dig(known, "containerID")).empty();
  out.tells_by_log = text_or(dig(spec, "terminationMessagePolicy")) == "FallbackToLogsOnError";
  out.spec = model::packed(spec);
  return out;
}

pod_wish read(const json& pod) {
  pod_wish out;
  out.ns = text_or(dig(pod, "metadata", "namespace"));
  out.name = text_or(dig(pod, "metadata", "name"));
  out.uid = text_or(dig(pod, "metadata", "uid"));
  // A mirror stands for what a file says, under the file's own uid.
  const auto& mirror = dig(pod, "metadata", "annotations", "kubernetes.io/config.mirror");
  out.mirrored = mirror.is_string();
  const auto policy = text_or(dig(pod, "spec", "restartPolicy"), "Always");
  out.policy = policy == "Never" ? restart_policy::never : policy == "OnFailure" ? restart_policy::on_failure : restart_policy::always;
  out.grace = seconds_or(dig(pod, "spec", "terminationGracePeriodSeconds"), 30);
  out.deleted = dig(pod, "metadata", "deletionTimestamp").is_string();
  if (out.deleted) out.grace = seconds_or(dig(pod, "metadata", "deletionGracePeriodSeconds"), out.grace / std::chrono::seconds(1));
  out.grace = std::max<duration>(out.grace, std::chrono::seconds(1));   // upstream's least: who hears TERM gets a moment
  out.host_network = dig(pod, "spec", "hostNetwork") == json(true);
  out.runtime_class = text_or(dig(pod, "spec", "runtimeClassName"));
  out.own_users = dig(pod, "spec", "hostUsers") == json(false);
  const auto phase = text_or(dig(pod, "status", "phase"));
  out.finished = phase == "Succeeded" || phase == "Failed";
  const auto& limit = dig(pod, "spec", "activeDeadlineSeconds");
  const auto began = parse_rfc3339(text_or(dig(pod, "status", "startTime")));
  if (limit.is_number_integer() && began.ok()) out.deadline = *began + seconds_or(limit, 0);
  for (const auto& one : dig(pod, "spec", "initContainers")) out.containers.push_back(read_container(pod, one, role::init));
  for (const auto& one : dig(pod, "spec", "containers")) out.containers.push_back(read_container(pod, one, role::main));
  for (const auto& one : dig(pod, "spec", "ephemeralContainers")) out.containers.push_back(read_container(pod, one, role::guest));
  out.quality = qos_class(pod);
  for (const auto& gate : dig(pod, "spec", "readinessGates")) out.gates.push_back(text_or(dig(gate, "conditionType")));
  return out;
}

}  // namespace

const container_wish* pod_wish::find(const std::string& container) const {
  for (const auto& one : containers)
    if (one.name == container) return &one;
  return nullptr;
}

pod_wish read_pod(const model::packed& object) {
  auto out = read(object.read());
  out.object = object;
  return out;
}

pod_wish read_pod(const std::shared_ptr<const json>& object) {
  auto out = read(*object);
  out.object = model::packed(*object);
  return out;
}

std::string full_name(const pod_wish& of) { return of.name + "_" + of.ns + "(" + of.uid + ")"; }

int port_number(const container_wish& in, const json& port) {
  if (port.is_number_integer()) return port.get<int>();
  if (!port.is_string()) return 0;
  const auto spec = in.spec.read();
  for (const auto& one : dig(spec, "ports"))
    if (dig(one, "name") == port && dig(one, "containerPort").is_number_integer()) return dig(one, "containerPort").get<int>();
  return 0;
}

std::uint64_t digest_of(std::string_view text) noexcept {
  std::uint64_t out = 1469598103934665603ull;
  for (const unsigned char c : text) out = (out ^ c) * 1099511628211ull;
  return out;
}

}  // namespace troupe::kubelet
