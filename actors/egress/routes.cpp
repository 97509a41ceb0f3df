#include "actors/egress/routes.hpp"

namespace troupe::egress {

std::optional<egress_mode> parse_egress_mode(std::string_view text) {
  if (text == "agent") return egress_mode::agent;
  if (text == "cluster") return egress_mode::cluster;
  if (text == "pod") return egress_mode::pod;
  if (text == "disabled") return egress_mode::disabled;
  return std::nullopt;
}

node_entry node_entry_of(const json& node) {
  node_entry out;
  const auto& status = dig(node, "status");
  const auto& listed = dig(status, "addresses");
  if (listed.is_array())
    for (const char* type : {"InternalIP", "ExternalIP"})
      for (const auto& one : listed)
        if (text_or(dig(one, "type")) == type && is_ip_address(text_or(dig(one, "address")))) out.addresses.push_back(text_or(dig(one, "address")));
  const auto& port = dig(dig(dig(status, "daemonEndpoints"), "kubeletEndpoint"), "Port");
  if (port.is_number_unsigned() && port.get<std::uint64_t>() - 1 < 65535) out.kubelet_port = port.get<std::uint16_t>();
  out.carries = text_or(dig(dig(dig(node, "metadata"), "labels"), std::string(carries_label))) == "true";
  return out;
}

void routes::set_node(const std::string& name, node_entry entry) {
  drop_node(name);
  for (const auto& one : entry.addresses) node_of_.emplace(one, name);   // an address that two claim stays with the first
  nodes_[name] = std::move(entry);
}

void routes::drop_node(const std::string& name) {
  std::erase_if(node_of_, [&](const auto& row) { return row.second == name; });
  nodes_.erase(name);
}

void routes::set_pod(const std::string& key, const std::string& node, const std::string& address) {
  drop_pod(key);
  if (node.empty() || !is_ip_address(address) || node_of_.contains(address)) return;
  pods_[key] = {node, address};
  pod_at_[address] = key;   // an address that is given again belongs to the newer pod
}

void routes::drop_pod(const std::string& key) {
  const auto found = pods_.find(key);
  if (found == pods_.end()) return;
  if (const auto at = pod_at_.find(found->second.address); at != pod_at_.end() && at->second == key) pod_at_.erase(at);
  pods_.erase(found);
}

const node_entry* routes::find(const std::string& name) const {
  const auto found = nodes_.find(name);
  return found == nodes_.end() ? nullptr : &found->second;
}

way routes::to_kubelet(const node_name& node, std::uint16_t port) const {
  const auto* known = find(node.text);
  const auto kubelet_port = known ? known->kubelet_port : node == self_ ? own_kubelet_.port : std::uint16_t{10250};
  if (port == 0) port = kubelet_port;
  if (port != kubelet_port && port != stream_port)
    return refused{"port " + std::to_string(port) + " of node " + node.text + " is neither its kubelet's (" + std::to_string(kubelet_port) + ") nor its streams'"};
  if (node == self_) return direct{port == stream_port ? endpoint{"127.0.0.1", port} : own_kubelet_};
  if (mode_ != egress_mode::disabled) return by_tunnel{node, "127.0.0.1:" + std::to_string(port), false};
  if (!known || known->addresses.empty()) return refused{"node " + node.text + " reports no address, and tunnels are not used (--egress-selector-mode disabled)"};
  return direct{{known->addresses.front(), port}};
}

way routes::to_address(const endpoint& to) const {
  if (!is_ip_address(to.host)) {
    const auto name = parse_node_name(to.host);
    if (!name.ok() || (!find(name->text) && *name != self_)) return refused{"there is no node " + to.host.substr(0, 100)};
    return to_kubelet(*name, to.port);
  }
  if (const auto node = node_of_.find(to.host); node != node_of_.end()) {
    const auto& entry = nodes_.at(node->second);
    if (to.port == entry.kubelet_port || to.port == stream_port) return to_kubelet({node->second}, to.port);
    const bool tunnelled = mode_ != egress_mode::disabled && entry.carries && node->second != self_.text;
    if (tunnelled) return by_tunnel{{node->second}, to_string(to), true};
    return direct{to};
  }
  if (const auto pod = pod_at_.find(to.host); pod != pod_at_.end() && (mode_ == egress_mode::cluster || mode_ == egress_mode::pod)) {
    const auto& on = pods_.at(pod->second).node;
    const auto* entry = find(on);
    if (entry && entry->carries && on != self_.text) return by_tunnel{{on}, to_string(to), true};
  }
  return direct{to};
}

}  // namespace troupe::egress
