// Interfaces, addresses, routes, neighbours and forwarding entries of the network that this process is in. IPv4.
//
// Calls talk to the kernel at once and block for it (well under a millisecond each). One thread at a time.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "basis/result.hpp"

namespace troupe::net {

struct link_facts {
  std::string name;
  std::string mac;              ///< "02:11:22:33:44:55"; empty where there is none.
  unsigned mtu = 0;
  bool up = false;
  bool is_vxlan = false;
  // Of a vxlan:
  unsigned vni = 0;
  std::uint16_t port = 0;
  std::string local, parent;    ///< Source address; the interface that carries it.
};
struct vxlan_order {
  std::string name, parent, local, mac;
  unsigned vni = 1, mtu = 1450;
  std::uint16_t port = 8472;
};
/// `via` empty: everything is on the link itself. `onlink`: the gateway need not be in a network of the link.
struct route {
  std::string to;               ///< "10.42.2.0/24"
  std::string via, link;
  bool onlink = false;
  friend auto operator<=>(const route&, const route&) = default;
};
/// Who answers for an address on a link, said for good.
struct neighbour {
  std::string address, mac, link;
  friend auto operator<=>(const neighbour&, const neighbour&) = default;
};
/// Where a vxlan sends frames for a MAC address.
struct forwarding {
  std::string mac, to, link;
  friend auto operator<=>(const forwarding&, const forwarding&) = default;
};

class link_table {
 public:
  virtual ~link_table() = default;
  virtual result<std::vector<link_facts>> links() = 0;
  /// "address/bits" of a link.
  virtual result<std::vector<std::string>> addresses(const std::string& link) = 0;
  virtual result<void> make_vxlan(const vxlan_order& what) = 0;          ///< already_exists.
  virtual result<void> remove_link(const std::string& name) = 0;         ///< ok when absent.
  virtual result<void> set_up(const std::string& name, unsigned mtu) = 0;
  virtual result<void> add_address(const std::string& link, const std::string& address) = 0;   ///< ok when it is there.
  virtual result<void> drop_address(const std::string& link, const std::string& address) = 0;  ///< ok when absent.

  // Routes that carry our protocol number only: everybody else's are never seen and never touched.
  virtual result<std::vector<route>> routes() = 0;
  virtual result<void> put_route(const route& what) = 0;                 ///< Replaces the one to the same network.
  virtual result<void> drop_route(const route& what) = 0;                ///< ok when absent.
  // Permanent entries of one link.
  virtual result<std::vector<neighbour>> neighbours(const std::string& link) = 0;
  virtual result<void> put_neighbour(const neighbour& what) = 0;
  virtual result<void> drop_neighbour(const neighbour& what) = 0;
  virtual result<std::vector<forwarding>> forwardings(const std::string& link) = 0;
  virtual result<void> put_forwarding(const forwarding& what) = 0;       ///< Replaces the one of the same MAC.
  virtual result<void> drop_forwarding(const forwarding& what) = 0;

  /// A switch below /proc/sys, as "net/ipv4/ip_forward"; not_found when this kernel has none.
  virtual result<void> set_switch(const std::string& name, const std::string& value) = 0;
};

}  // namespace troupe::net
