#include "actors/apiserver/resources/rules/service_allocation.hpp"

#include <algorithm>

namespace troupe::apiserver {
namespace {

struct held {
  std::string type;
  std::vector<std::string> ips;
  std::vector<int> ports;  // One per spec.ports, 0 where none.
  std::size_t ports_count = 0;
  bool outside = false;
};

held look_at(const json& service) {
  held out;
  const auto& spec = dig(service, "spec");
  if (!spec.is_object()) return out;
  out.type = text_or(dig(spec, "type"), "ClusterIP");
  if (out.type == "ExternalName") return out;
  for (const auto& each : dig(spec, "clusterIPs"))
    if (auto ip = text_or(each); !ip.empty() && ip != "None") out.ips.push_back(ip);
  bool balanced = out.type == "LoadBalancer" && dig(spec, "allocateLoadBalancerNodePorts") != false;
  out.outside = out.type == "NodePort" || balanced;
  for (const auto& each : dig(spec, "ports")) {
    const auto& port = dig(each, "nodePort");
    out.ports.push_back(port.is_number_integer() ? port.get<int>() : 0);
  }
  return out;
}

template <class Value>
bool has(const std::vector<Value>& list, const Value& value) {
  return std::ranges::find(list, value) != list.end();
}

}  // namespace

allocation_plan plan_allocation(const json& old, const json& now) {
  auto before = look_at(old), after = look_at(now);
  allocation_plan out;
  bool addressed = now.is_object() && after.type != "ExternalName";
  bool headless = dig(now, "spec", "clusterIP") == "None";
  if (addressed && !headless) {
    if (after.ips.empty()) out.needs_ip = true;
    else if (!has(before.ips, after.ips[0])) out.claims_ip = after.ips[0];
  }
  for (std::size_t i = 0; i < after.ports.size(); ++i) {
    auto port = after.ports[i];
    if (port == 0 && after.outside) out.needs_port.push_back(i);
    // TCP and UDP of one service may share a number: it is claimed once.
    else if (port != 0 && !has(before.ports, port) && !has(out.claims_ports, port)) out.claims_ports.push_back(port);
  }
  for (const auto& ip : before.ips)
    if (!has(after.ips, ip)) out.releases_ips.push_back(ip);
  for (auto port : before.ports)
    if (port != 0 && !has(after.ports, port) && !has(out.releases_ports, port)) out.releases_ports.push_back(port);
  return out;
}

void grant_allocation(json& service, const allocation_plan& plan, const allocation_grant& grant) {
  auto& spec = service["spec"];
  if (plan.needs_ip && !grant.ip.empty()) {
    spec["clusterIP"] = grant.ip;
    spec["clusterIPs"] = json::array({grant.ip});
    spec["ipFamilies"] = json::array({grant.ip.find(':') == std::string::npos ? "IPv4" : "IPv6"});
  }
  for (std::size_t i = 0; i < plan.needs_port.size() && i < grant.ports.size(); ++i)
    spec["ports"][plan.needs_port[i]]["nodePort"] = grant.ports[i];
}

allocation_plan holdings(const json& service) { return plan_allocation(service, json()); }

cause ip_taken(const std::string& ip, bool in_range) {
  std::string why = in_range ? "failed to allocate IP " + ip + ": provided IP is already allocated"
                             : "failed to allocate IP " + ip + ": the provided IP (" + ip +
                                   ") is not in the valid range";
  return {"FieldValueInvalid", "Invalid value: []string{" + to_text(json(ip)) + "}: " + why, "spec.clusterIPs"};
}

cause port_taken(int port, bool in_range) {
  auto why = in_range ? "provided port is already allocated" : "provided port is not in the valid range";
  return invalid_value("spec.ports[0].nodePort", port, why);
}

}  // namespace troupe::apiserver
