// What Services and EndpointSlices come to on this node: for every address and port that is served, where its connections
// go. Pure; the choices are kube-proxy's.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "basis/ids.hpp"
#include "basis/json.hpp"

namespace troupe::service_proxy {

struct node_facts {
  std::string name;
  std::string cluster_cidr = "10.42.0.0/16";    ///< Addresses of pods; who is not of them is masqueraded.
  endpoint dns;                                 ///< Where this node answers DNS itself; empty host: it does not.
};

/// By what a connection is recognized: address, protocol and port; or protocol and port at any address of this node. The
/// `inside` two are looked at first, for connections of pods and of this node: they may go where strangers may not.
enum class plane : std::uint8_t { address, port, inside_address, inside_port };
/// Whose connections get this node's address as their source: those from outside of the pods' network; all; none.
enum class masking : std::uint8_t { strangers, everybody, nobody };
/// What happens where there is nobody to connect to.
enum class absence : std::uint8_t { refused, dropped };

struct frontend {
  plane where = plane::address;
  std::string key;                              ///< "10.43.0.1 . tcp . 443", or "tcp . 30080".
  masking mask = masking::strangers;
  absence empty = absence::refused;
  std::vector<endpoint> targets;                ///< In order; none: nobody is there.
  std::string sticky;                           ///< With session affinity: the Service and its port, which share one memory.
  unsigned sticky_seconds = 0;
  std::vector<std::string> allowed;             ///< Source networks; empty: everybody.
  friend bool operator==(const frontend&, const frontend&) = default;
};

/// All that one Service asks of this node, and which of its targets live here.
struct served {
  std::vector<frontend> fronts;
  std::vector<std::string> own_targets;         ///< Addresses of targets on this node: they may meet themselves.
  friend bool operator==(const served&, const served&) = default;
};

using slice_list = std::vector<std::shared_ptr<const json>>;

/// Nothing for headless Services, names elsewhere, other proxies' Services and IPv6. Values that make no sense are left out.
served serve(const json& service, const slice_list& slices, const node_facts& node);

inline constexpr const char* node_dns_label = "troupe.io/dns-on-each-node";   ///< Of the Service kube-dns: answered by each node.

}  // namespace troupe::service_proxy
