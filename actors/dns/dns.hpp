// Makes this node's DNS; see messages.hpp. Pinned to the net shard.
#pragma once
#include "actors/dns/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::dns {

inline constexpr std::uint16_t node_port = 10053;     ///< 53 may be somebody else's; the service proxy leads there.

struct dns_config {
  std::string domain = "cluster.local";
  std::string cluster_address = "10.43.0.10";           ///< As pods know it; the node's own is `listen`.
  endpoint listen;
  std::string pods = "10.42.0.0/16";                    ///< Who is answered, beside this node.
  std::vector<std::string> own_addresses;
  std::string resolver_file = "/etc/resolv.conf";
  duration refresh_every = std::chrono::seconds(30), listen_again = std::chrono::seconds(5);
  duration idle_max = std::chrono::seconds(10);         ///< Of a TCP client.
  std::size_t clients_max = 200;                        ///< By TCP, at once.
};
dns_actor make_dns(const rt::world& in, dns_config config, client::api_actor api);

}  // namespace troupe::dns
