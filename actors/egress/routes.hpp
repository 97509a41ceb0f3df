// Which way a stream takes from this server to an address of the cluster. Pure; K3s's rules for its four egress modes
// (docs/operations/egress.md).
//
// The table of nodes and pods is fed by the cluster's own objects. A kubelet is reached through its node's tunnel in
// every mode but `disabled`; other ports of nodes, and pods, only where the node says by its label that it lets them in.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "basis/ids.hpp"
#include "basis/json.hpp"

namespace troupe::egress {

enum class egress_mode : std::uint8_t { agent, cluster, pod, disabled };
/// Inverse of the names above; nothing for another one.
std::optional<egress_mode> parse_egress_mode(std::string_view text);

/// Set by agents that carry more than their kubelet's port.
inline constexpr std::string_view carries_label = "egress.k3s.io/cluster";

struct node_entry {
  std::vector<std::string> addresses;      ///< InternalIP first, then ExternalIP.
  std::uint16_t kubelet_port = 10250;
  bool carries = false;
};
/// What of a Node object counts here; ports and addresses that are none are left out.
node_entry node_entry_of(const json& node);

/// `address` as the node sees it.
struct by_tunnel {
  node_name node;
  std::string address;
  bool else_direct = false;   ///< Without a tunnel, dial it.
};
struct direct { endpoint at; };
struct refused { std::string why; };
using way = std::variant<by_tunnel, direct, refused>;

class routes {
 public:
  routes(egress_mode mode, node_name self, endpoint own_kubelet) : mode_(mode), self_(std::move(self)), own_kubelet_(std::move(own_kubelet)) {}

  void set_node(const std::string& name, node_entry entry);
  void drop_node(const std::string& name);
  /// An empty address, or a pod of the host's network, is no route.
  void set_pod(const std::string& key, const std::string& node, const std::string& address);
  void drop_pod(const std::string& key);

  /// To the kubelet of a node; port 0 is the one that the node reports.
  way to_kubelet(const node_name& node, std::uint16_t port) const;
  /// To what a CONNECT names.
  way to_address(const endpoint& to) const;

 private:
  const node_entry* find(const std::string& name) const;
  egress_mode mode_;
  node_name self_;
  endpoint own_kubelet_;
  std::map<std::string, node_entry> nodes_;
  std::map<std::string, std::string> node_of_;              ///< Address of a node -> its name.
  struct pod_entry { std::string node, address; };
  std::map<std::string, pod_entry> pods_;
  std::map<std::string, std::string> pod_at_;               ///< Address of a pod -> its key.
};

inline constexpr std::uint16_t stream_port = 10010;         ///< CRI streaming, on every node's loopback.

}  // namespace troupe::egress
