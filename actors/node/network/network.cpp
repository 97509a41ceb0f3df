#include "actors/node/network/network.hpp"

#include <algorithm>
#include <bit>

#include "actors/dns/dns.hpp"
#include "actors/flannel/flannel.hpp"
#include "actors/runtime/spawn.hpp"
#include "actors/service_proxy/service_proxy.hpp"
#include "basis/bytes.hpp"
#include "basis/log.hpp"

namespace troupe::node {

std::string cidr_text(const json& network) {
  const auto address = text_or(dig(network, "IP"));
  std::string mask;
  if (!is_ip_address(address) || !from_base64(text_or(dig(network, "Mask")), mask) || mask.empty()) return {};
  int bits = 0;
  for (const char c : mask) bits += std::popcount(static_cast<unsigned char>(c));
  return address + "/" + std::to_string(bits);
}

std::vector<caf::strong_actor_ptr> start_network(const rt::world& in, const network_needs& with, const client::api_actor& api) {
  std::vector<caf::strong_actor_ptr> out;
  const auto hold = [&out](const auto& made) { out.push_back(caf::actor_cast<caf::strong_actor_ptr>(made)); };
  const auto off = [&out](const std::string& why) { return log::info("node.network_off", {{"why", why}}), out; };
  if (!in.filter || !in.links) return off("this process may not change the network: that takes root or CAP_NET_ADMIN");
  const auto address = std::ranges::find_if(with.config.node_addresses, [](const auto& a) { return a.find(':') == std::string::npos; });
  const auto pods = cidr_text(dig(with.cluster, "ClusterIPRange"));
  if (address == with.config.node_addresses.end() || pods.empty() || pods.find(':') != std::string::npos) return off("this version's pod network is IPv4, and the node or the cluster is not");
  if (const auto first = in.filter->claim(); !first.ok()) return off(first.why().note);

  const auto backend = flannel::parse_backend(text_or(dig(with.cluster, "FlannelBackend"), "none"));
  if (backend && *backend != flannel::backend::none) {
    flannel::flannel_config overlay;
    // Nodes on addresses of loopback are all on this machine; there is nothing to lead packets over.
    overlay.with = address->starts_with("127.") ? flannel::backend::host_gw : *backend;
    overlay.node = with.node.text;
    overlay.address = *address;
    overlay.link = with.config.flannel_interface;
    overlay.conflist_file = with.config.data_folder + "/agent/etc/cni/net.d/10-flannel.conflist";
    overlay.state_folder = with.config.data_folder + "/agent/cni/networks";
    hold(flannel::make_flannel(in, overlay, api));
  }
  const auto& no_proxy = dig(with.cluster, "DisableKubeProxy");
  if (!(no_proxy.is_boolean() && no_proxy.get<bool>())) {
    service_proxy::proxy_config proxy;
    proxy.node.name = with.node.text;
    proxy.node.cluster_cidr = pods;
    proxy.node.dns = {*address, dns::node_port};
    hold(service_proxy::make_proxy(in, proxy, api));
  }
  dns::dns_config names;
  names.domain = text_or(dig(with.cluster, "ClusterDomain"), "cluster.local");
  names.cluster_address = text_or(dig(with.cluster, "ClusterDNS"), "10.43.0.10");
  names.listen = {*address, dns::node_port};
  names.pods = pods;
  names.own_addresses = with.config.node_addresses;
  names.resolver_file = with.config.resolver_file;
  hold(dns::make_dns(in, names, api));
  return out;
}

}  // namespace troupe::node
