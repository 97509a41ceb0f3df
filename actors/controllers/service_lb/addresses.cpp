#include "actors/controllers/service_lb/addresses.hpp"

#include <algorithm>
#include <tuple>

namespace troupe::controllers {
namespace {

constexpr const char* enable_label = "svccontroller.k3s.cattle.io/enablelb";
constexpr const char* pool_label = "svccontroller.k3s.cattle.io/lbpool";
constexpr const char* own_class = "io.cattle.k3s/servicelb";

struct host {
  std::string name, inside, outside, pool;
};

bool is_ready(const json& node) {
  for (const auto& c : dig(node, "status", "conditions"))
    if (text_or(dig(c, "type")) == "Ready") return text_or(dig(c, "status")) == "True";
  return false;
}

std::vector<host> hosts_of(const object_map& nodes) {
  const auto enabled = [](const json& n) { return text_or(dig(n, "metadata", "labels", enable_label)) == "true"; };
  const bool only_enabled = std::ranges::any_of(nodes, [&](const auto& n) { return enabled(*n.second); });
  std::vector<host> out;
  for (const auto& [name, node] : nodes) {
    if ((only_enabled && !enabled(*node)) || !is_ready(*node) || !dig(*node, "metadata", "deletionTimestamp").is_null()) continue;
    // upstream's mark of nodes that outside balancers shall leave alone
    if (!dig(*node, "metadata", "labels", "node.kubernetes.io/exclude-from-external-load-balancers").is_null()) continue;
    host one{name, {}, {}, text_or(dig(*node, "metadata", "labels", pool_label))};
    for (const auto& a : dig(*node, "status", "addresses")) {
      if (text_or(dig(a, "type")) == "InternalIP" && one.inside.empty()) one.inside = text_or(dig(a, "address"));
      if (text_or(dig(a, "type")) == "ExternalIP" && one.outside.empty()) one.outside = text_or(dig(a, "address"));
    }
    if (!one.inside.empty() || !one.outside.empty()) out.push_back(std::move(one));
  }
  return out;
}

bool is_ours(const json& service) {
  const auto kind = text_or(dig(service, "spec", "loadBalancerClass"));
  return text_or(dig(service, "spec", "type")) == "LoadBalancer" && (kind.empty() || kind == own_class) && dig(service, "metadata", "deletionTimestamp").is_null();
}

using claim = std::tuple<std::string, int, std::string>;   // protocol, port, node

/// What keeps the Service from this node: who has its port; empty when it may have it.
std::string owner_of(const json& service, const std::string& node, const std::map<claim, std::string>& claimed, const std::set<int>& reserved) {
  for (const auto& port : dig(service, "spec", "ports")) {
    const auto number = dig(port, "port").is_number_integer() ? port["port"].get<int>() : 0;
    const auto protocol = text_or(dig(port, "protocol"), "TCP");
    if (protocol == "TCP" && reserved.contains(number)) return "the node itself";
    if (const auto had = claimed.find({protocol, number, node}); had != claimed.end()) return had->second;
  }
  return {};
}

balanced place(const std::string& key, const json& service, const std::vector<host>& hosts, const std::set<std::string>* local,
               std::map<claim, std::string>& claimed, const std::set<int>& reserved) {
  balanced out;
  const auto pool = text_or(dig(service, "metadata", "labels", pool_label));
  std::vector<const host*> chosen;
  for (const auto& h : hosts) {
    if (h.pool != pool || (local && !local->contains(h.name))) continue;
    if (auto owner = owner_of(service, h.name, claimed, reserved); !owner.empty()) {
      out.blocked_by = std::move(owner);
      continue;
    }
    chosen.push_back(&h);
    for (const auto& port : dig(service, "spec", "ports"))
      if (dig(port, "port").is_number_integer()) claimed[{text_or(dig(port, "protocol"), "TCP"), port["port"].get<int>(), h.name}] = key;
  }
  if (!chosen.empty()) out.blocked_by.clear();
  const bool outside = std::ranges::any_of(chosen, [](const host* h) { return !h->outside.empty(); });
  std::set<std::string> addresses;
  for (const auto* h : chosen)
    if (const auto& a = outside ? h->outside : h->inside; !a.empty()) addresses.insert(a);
  for (const auto& a : addresses) out.ingress.push_back({{"ip", a}, {"ipMode", "VIP"}});
  return out;
}

}  // namespace

std::set<std::string> nodes_with_endpoints(const std::vector<std::shared_ptr<const json>>& slices) {
  std::set<std::string> out;
  for (const auto& slice : slices)
    for (const auto& e : dig(*slice, "endpoints"))
      if (const auto& ready = dig(e, "conditions", "ready"); !ready.is_boolean() || ready.get<bool>())
        if (auto node = text_or(dig(e, "nodeName")); !node.empty()) out.insert(std::move(node));
  return out;
}

std::map<std::string, balanced> balance(const object_map& services, const object_map& nodes, const std::map<std::string, std::set<std::string>>& local,
                                        const std::set<int>& reserved) {
  const auto hosts = hosts_of(nodes);
  std::vector<std::pair<std::string, std::string>> order;   // oldest first
  for (const auto& [key, service] : services)
    if (is_ours(*service)) order.emplace_back(text_or(dig(*service, "metadata", "creationTimestamp")), key);
  std::ranges::sort(order);
  std::map<claim, std::string> claimed;
  std::map<std::string, balanced> out;
  static const std::set<std::string> none;
  for (const auto& [at, key] : order) {
    const auto& service = *services.at(key);
    const bool only_local = text_or(dig(service, "spec", "externalTrafficPolicy")) == "Local";
    const auto found = local.find(key);
    out.emplace(key, place(key, service, hosts, only_local ? (found == local.end() ? &none : &found->second) : nullptr, claimed, reserved));
  }
  return out;
}

}  // namespace troupe::controllers
