#include "actors/service_proxy/rules.hpp"

#include <algorithm>
#include <set>

namespace troupe::service_proxy {
namespace {

/// What stands in the kernel's text must be what it seems to be.
bool is_ipv4(const std::string& text) { return is_ip_address(text) && text.find(':') == std::string::npos; }
bool is_network(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == text.npos || !is_ipv4(text.substr(0, slash)) || text.size() - slash > 3 || text.size() - slash < 2) return false;
  return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(slash) + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; }) && std::stoi(text.substr(slash + 1)) <= 32;
}
std::optional<std::uint16_t> port_of(const json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  const auto number = value.get<std::int64_t>();
  if (number < 1 || number > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(number);
}
std::string protocol_of(const json& port) {
  const auto text = text_or(dig(port, "protocol"), "TCP");
  return text == "TCP" ? "tcp" : text == "UDP" ? "udp" : text == "SCTP" ? "sctp" : "";
}
bool is_true(const json& value, bool otherwise) { return value.is_boolean() ? value.get<bool>() : otherwise; }

/// Who can be connected to, by the rules of what is ready.
struct crowd {
  std::set<endpoint> all, own;                    ///< Ready; where nobody is, those that still serve while they go.
};

/// Of one Service's port.
crowd gather(const slice_list& slices, const std::string& port_name, const std::string& protocol, const std::string& node) {
  crowd ready, leaving;
  for (const auto& slice : slices) {
    if (text_or(dig(*slice, "addressType")) != "IPv4") continue;
    for (const auto& port : dig(*slice, "ports")) {
      const auto number = port_of(dig(port, "port"));
      if (!number || text_or(dig(port, "name")) != port_name || protocol_of(port) != protocol) continue;
      for (const auto& e : dig(*slice, "endpoints")) {
        const auto& conditions = dig(e, "conditions");
        const bool is_ready = is_true(dig(conditions, "ready"), true);
        if (!is_ready && !(is_true(dig(conditions, "serving"), false) && is_true(dig(conditions, "terminating"), false))) continue;
        const auto& addresses = dig(e, "addresses");
        if (!addresses.is_array() || addresses.empty()) continue;
        const endpoint at{text_or(addresses[0]), *number};   // the first stands for all of them, as upstream
        if (!is_ipv4(at.host)) continue;
        auto& to = is_ready ? ready : leaving;
        to.all.insert(at);
        if (text_or(dig(e, "nodeName")) == node) to.own.insert(at);
      }
    }
  }
  return {ready.all.empty() ? leaving.all : ready.all, ready.own.empty() ? leaving.own : ready.own};
}

/// Makes the frontends of one port.
class builder {
 public:
  builder(const json& service, const node_facts& node, served& out) : spec_(dig(service, "spec")), meta_(dig(service, "metadata")), node_(node), out_(out) {}

  void add_port(const json& port, const slice_list& slices) {
    const auto number = port_of(dig(port, "port"));
    const auto protocol = protocol_of(port), name = text_or(dig(port, "name"));
    if (!number || protocol.empty()) return;
    crowd_ = gather(slices, name, protocol, node_.name);
    if (is_node_dns()) crowd_ = {{node_.dns}, {node_.dns}};
    for (const auto& one : crowd_.own) out_.own_targets.push_back(one.host);
    sticky_.clear();
    if (text_or(dig(spec_, "sessionAffinity")) == "ClientIP") sticky_ = text_or(dig(meta_, "namespace")) + "/" + text_or(dig(meta_, "name")) + ":" + name + "/" + protocol;
    const auto tail = " . " + protocol + " . " + std::to_string(*number);
    const bool near = text_or(dig(spec_, "internalTrafficPolicy")) == "Local";
    for (const auto& ip : addresses(dig(spec_, "clusterIPs"), dig(spec_, "clusterIP")))
      add(plane::address, ip + tail, masking::strangers, near ? crowd_.own : crowd_.all, near && !crowd_.all.empty(), {});
    for (const auto& ip : addresses(dig(spec_, "externalIPs"), nullptr)) add_outside(plane::address, plane::inside_address, ip + tail, {});
    for (const auto& ingress : dig(spec_, "type") == "LoadBalancer" ? dig(status_, "loadBalancer", "ingress") : json()) {
      const auto ip = text_or(dig(ingress, "ip"));
      if (is_ipv4(ip) && text_or(dig(ingress, "ipMode"), "VIP") == "VIP") add_outside(plane::address, plane::inside_address, ip + tail, sources());
    }
    if (const auto node_port = port_of(dig(port, "nodePort"))) add_outside(plane::port, plane::inside_port, protocol + " . " + std::to_string(*node_port), {});
  }
  void set_status(const json& status) { status_ = status; }

 private:
  bool is_node_dns() const { return !node_.dns.host.empty() && text_or(dig(meta_, "labels", node_dns_label)) == "true"; }

  static std::set<std::string> addresses(const json& list, const json& one) {
    std::set<std::string> out;
    for (const auto& each : list.is_array() ? list : json::array({one}))
      if (auto text = text_or(each); is_ipv4(text)) out.insert(std::move(text));
    return out;
  }
  std::vector<std::string> sources() const {
    std::vector<std::string> out;
    for (const auto& each : dig(spec_, "loadBalancerSourceRanges"))
      if (auto text = text_or(each); is_network(text)) out.push_back(std::move(text));
    return out;
  }

  // From outside, by policy; and where the policy is to stay on this node, pods and this node may still go anywhere.
  void add_outside(plane where, plane inside, const std::string& key, std::vector<std::string> allowed) {
    if (text_or(dig(spec_, "externalTrafficPolicy")) != "Local") return add(where, key, masking::everybody, crowd_.all, false, std::move(allowed));
    add(where, key, masking::nobody, crowd_.own, !crowd_.all.empty(), allowed);
    add(inside, key, masking::strangers, crowd_.all, false, std::move(allowed));
  }

  void add(plane where, std::string key, masking mask, const std::set<endpoint>& targets, bool dropped, std::vector<std::string> allowed) {
    frontend one{where, std::move(key), mask, dropped ? absence::dropped : absence::refused, {targets.begin(), targets.end()}, sticky_, 0, std::move(allowed)};
    if (!sticky_.empty()) {
      const auto& seconds = dig(spec_, "sessionAffinityConfig", "clientIP", "timeoutSeconds");
      one.sticky_seconds = seconds.is_number_integer() && seconds > 0 && seconds <= 86400 ? seconds.get<unsigned>() : 10800;
    }
    out_.fronts.push_back(std::move(one));
  }

  const json &spec_, &meta_;
  json status_;
  const node_facts& node_;
  served& out_;
  crowd crowd_;
  std::string sticky_;
};

}  // namespace

served serve(const json& service, const slice_list& slices, const node_facts& node) {
  served out;
  const auto& spec = dig(service, "spec");
  const auto address = text_or(dig(spec, "clusterIP"));
  if (text_or(dig(spec, "type")) == "ExternalName" || address.empty() || address == "None") return out;
  if (!dig(service, "metadata", "labels", "service.kubernetes.io/service-proxy-name").is_null()) return out;
  builder make(service, node, out);
  make.set_status(dig(service, "status"));
  for (const auto& port : dig(spec, "ports")) make.add_port(port, slices);
  std::ranges::sort(out.own_targets);
  out.own_targets.erase(std::unique(out.own_targets.begin(), out.own_targets.end()), out.own_targets.end());
  return out;
}

}  // namespace troupe::service_proxy
