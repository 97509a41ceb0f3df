// What a server may dial through an agent: the agent's side of K3s's rules for its egress modes. Pure.
//
//   every mode         tcp to this node's kubelet port, as 127.0.0.1 or ::1, and to CRI's streams
//   cluster            also any port of the node's own addresses, and any address of the cluster's network
//   pod                also any port of the pods that are scheduled to this node, and on the node's own addresses
//                      the ports that its pods of the host's network declare
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "basis/ids.hpp"
#include "basis/json.hpp"

namespace troupe::tunnel {

/// An IPv4 network; one that cannot be read contains nothing.
struct network {
  std::uint32_t base = 0, mask = ~0u;
  bool good = false;
  bool contains(std::string_view address) const;
};
network parse_network(std::string_view cidr);
/// A network as /v1-k3s/config writes it, Go's net.IPNet: {"IP":"10.42.0.0","Mask":"//8AAA=="}.
network network_of(const json& range);

class dial_rules {
 public:
  std::uint16_t kubelet_port = 10250;
  endpoint kubelet{"127.0.0.1", 10250};       ///< Where the kubelet really listens.
  std::uint16_t stream_port = 10010;          ///< CRI streaming, on loopback.
  std::vector<std::string> own_addresses;     ///< The node's.
  std::vector<network> cluster;               ///< Mode cluster: what lies behind this node; else empty.
  bool by_pod = false;                        ///< Mode pod.

  /// Where to dial, or nothing when it is not allowed.
  std::optional<endpoint> allow(std::string_view protocol, std::string_view address) const;

  /// Mode pod: a pod of this node as the API shows it; one that is over lets nobody in.
  void set_pod(const std::string& key, const json& pod);
  void drop_pod(const std::string& key);

 private:
  struct pod_entry {
    std::set<std::string> addresses;          ///< Its own; empty for a pod of the host's network.
    std::set<std::uint16_t> host_ports;       ///< What that one declares.
  };
  bool is_own(const std::string& host) const;
  std::map<std::string, pod_entry> pods_;
};

}  // namespace troupe::tunnel
