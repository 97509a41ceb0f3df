#include "actors/controllers/endpoints/gather.hpp"

#include <algorithm>
#include <optional>

namespace troupe::controllers {
namespace {

bool flag(const json& value) { return value.is_boolean() && value.get<bool>(); }

bool is_pod_ready(const json& pod) {
  for (const auto& c : dig(pod, "status", "conditions"))
    if (text_or(dig(c, "type")) == "Ready") return text_or(dig(c, "status")) == "True";
  return false;
}

std::string address_of(const json& pod, bool six) {
  const auto fits = [six](const std::string& a) { return !a.empty() && (a.find(':') != std::string::npos) == six; };
  for (const auto& each : dig(pod, "status", "podIPs"))
    if (auto a = text_or(dig(each, "ip")); fits(a)) return a;
  auto one = text_or(dig(pod, "status", "podIP"));
  return fits(one) ? one : std::string();
}

/// The number that a target port comes to in this pod; nothing when a name is not found.
std::optional<int> port_in(const json& pod, const json& service_port) {
  const auto& target = dig(service_port, "targetPort");
  if (target.is_number_integer() && target != 0) return target.get<int>();
  if (!target.is_string()) return dig(service_port, "port").is_number_integer() ? std::optional(service_port["port"].get<int>()) : std::nullopt;
  const auto protocol = text_or(dig(service_port, "protocol"), "TCP");
  // Sidecars are init containers that go on running, so both lists are looked through.
  for (const char* list : {"containers", "initContainers"})
    for (const auto& container : dig(pod, "spec", list)) {
      if (std::string_view(list) == "initContainers" && text_or(dig(container, "restartPolicy")) != "Always") continue;
      for (const auto& port : dig(container, "ports"))
        if (dig(port, "name") == target && text_or(dig(port, "protocol"), "TCP") == protocol && dig(port, "containerPort").is_number_integer())
          return port["containerPort"].get<int>();
    }
  return std::nullopt;
}

json ports_in(const json& service, const json& pod) {
  json out = json::array();
  for (const auto& each : dig(service, "spec", "ports")) {
    const auto number = port_in(pod, each);
    if (!number) continue;
    json port{{"name", text_or(dig(each, "name"))}, {"port", *number}, {"protocol", text_or(dig(each, "protocol"), "TCP")}};
    if (auto app = text_or(dig(each, "appProtocol")); !app.empty()) port["appProtocol"] = app;
    out.push_back(std::move(port));
  }
  return out;
}

}  // namespace

bool is_selecting(const json& service) {
  const auto& selector = dig(service, "spec", "selector");
  return selector.is_object() && !selector.empty() && text_or(dig(service, "spec", "type")) != "ExternalName";
}

bool selects(const json& service, const json& pod) {
  const auto& labels = dig(pod, "metadata", "labels");
  for (const auto& [key, value] : dig(service, "spec", "selector").items())
    if (dig(labels, key) != value) return false;
  return true;
}

std::vector<backend_group> gather(const json& service, const pod_list& pods, const zone_map& zones, const std::string& family) {
  const bool all = flag(dig(service, "spec", "publishNotReadyAddresses"));
  const auto name = text_or(dig(service, "metadata", "name"));
  std::map<std::string, backend_group> groups;
  for (const auto& pod : pods) {
    const auto phase = text_or(dig(*pod, "status", "phase"));
    if (phase == "Failed" || phase == "Succeeded") continue;
    backend one;
    one.address = address_of(*pod, family == "IPv6");
    if (one.address.empty()) continue;
    one.pod = text_or(dig(*pod, "metadata", "name"));
    one.ns = text_or(dig(*pod, "metadata", "namespace"));
    one.uid = text_or(dig(*pod, "metadata", "uid"));
    one.node = text_or(dig(*pod, "spec", "nodeName"));
    if (const auto zone = zones.find(one.node); zone != zones.end()) one.zone = zone->second;
    if (text_or(dig(*pod, "spec", "subdomain")) == name) one.hostname = text_or(dig(*pod, "spec", "hostname"));
    one.serving = is_pod_ready(*pod);
    one.terminating = !dig(*pod, "metadata", "deletionTimestamp").is_null();
    one.ready = all || (one.serving && !one.terminating);
    auto ports = ports_in(service, *pod);
    auto& group = groups[to_text(ports)];
    group.ports = std::move(ports);
    group.backends.push_back(std::move(one));
  }
  std::vector<backend_group> out;
  for (auto& [text, group] : groups) {
    std::ranges::sort(group.backends);
    out.push_back(std::move(group));
  }
  return out;
}

std::vector<std::string> families_of(const json& service) {
  std::vector<std::string> out;
  for (const auto& each : dig(service, "spec", "ipFamilies"))
    if (auto text = text_or(each); text == "IPv4" || text == "IPv6") out.push_back(std::move(text));
  if (out.empty()) out.emplace_back("IPv4");
  return out;
}

json labels_from(const json& service) {
  const auto& labels = dig(service, "metadata", "labels");
  json out = labels.is_object() ? labels : json::object();
  if (text_or(dig(service, "spec", "clusterIP")) == "None") out["service.kubernetes.io/headless"] = "";
  else out.erase("service.kubernetes.io/headless");
  return out;
}

}  // namespace troupe::controllers
