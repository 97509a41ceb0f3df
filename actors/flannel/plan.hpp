// How pods of one node reach those of others, as flannel does it: what each Node says of itself in its annotations, and what
// this node's routes, neighbours and forwarding entries should be. Pure. Formats: flannel's kube subnet manager and its vxlan
// and host-gw backends.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "basis/json.hpp"
#include "net/link/link.hpp"

namespace troupe::flannel {

enum class backend : std::uint8_t { vxlan, host_gw, none };
/// The names of --flannel-backend; nothing for others.
std::optional<backend> parse_backend(std::string_view text);
std::string_view to_string(backend of);

inline constexpr const char* vxlan_name = "flannel.1";
inline constexpr unsigned vxlan_vni = 1;
inline constexpr std::uint16_t vxlan_port = 8472;
inline constexpr unsigned vxlan_overhead = 50;               ///< Bytes: outer Ethernet, IP, UDP and VXLAN headers.

/// What one Node says.
struct peer {
  std::string pod_cidr;         ///< "10.42.2.0/24"
  std::string address;          ///< Where its node is reached by others.
  std::string mac;              ///< Of its flannel.1; empty in other backends.
  std::string backend;          ///< As annotated; empty: flannel does not run there.
};
peer peer_of(const json& node);
/// A peer that makes sense: an IPv4 network and address, and for vxlan a MAC.
bool is_usable(const peer& one, backend with);

/// "02:xx:…", from the node's name: the same after a restart of the machine, so that others need not learn it again.
std::string mac_for(std::string_view node);
/// "10.42.2.0" of "10.42.2.0/24": flannel's address of the node's end of the overlay.
std::string base_of(const std::string& cidr);

/// A merge patch of the Node's annotations; null when they are so already.
json annotations_patch(const json& node, backend with, const std::string& address, const std::string& mac);

struct overlay {
  std::set<net::route> routes;
  std::set<net::neighbour> neighbours;
  std::set<net::forwarding> forwardings;
};
/// What leads to all peers but `self`. `link` is flannel.1, or the interface with this node's address.
overlay wanted(backend with, const std::string& self, const std::map<std::string, peer>& peers, const std::string& link);

/// The CNI configuration that containerd reads (bridge cni0, addresses from the node's network, host ports). `state_folder`
/// is where addresses in use are written down. Masquerading is the service proxy's.
std::string conflist(const std::string& pod_cidr, unsigned mtu, const std::string& state_folder);

/// What to remove and what to put so that `present` becomes `aim`. `key` says which of two are one thing: such one is
/// replaced, not removed.
template <class T, class Key>
struct difference {
  std::vector<T> drop, put;
  difference(const std::vector<T>& present, const std::set<T>& aim, Key key) {
    std::set<std::string> kept;
    for (const auto& one : aim) kept.insert(key(one));
    for (const auto& one : present)
      if (!kept.contains(key(one))) drop.push_back(one);
    const std::set<T> have(present.begin(), present.end());
    for (const auto& one : aim)
      if (!have.contains(one)) put.push_back(one);
  }
};

}  // namespace troupe::flannel
