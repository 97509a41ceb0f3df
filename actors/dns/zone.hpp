// The cluster's names: Services, pods behind headless ones, named ports, addresses backwards, nodes. Pure; by the Kubernetes DNS
// specification 1.1.0, with CoreDNS's choices where that is silent, and K3s's NodeHosts.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "actors/dns/message.hpp"
#include "basis/json.hpp"

namespace troupe::dns {

inline constexpr std::uint32_t zone_ttl = 5, node_ttl = 60;    ///< s

/// What the zone says of a question.
struct finding {
  bool ours = false;          ///< Else it is somebody else's name: ask outside.
  answer said;
  std::string elsewhere;      ///< The question goes on with this name, outside (ExternalName). `said` has the CNAME.
};

class zone {
 public:
  /// `domain` as "cluster.local"; `server` is the address that pods ask.
  zone(std::string domain, std::string server);

  using slice_list = std::vector<std::shared_ptr<const json>>;
  /// What Service `key` ("namespace/name") is now; null: it is gone.
  void set_service(const std::string& key, const json& service, const slice_list& slices);
  /// A node's name resolves to these; empty: it is gone.
  void set_node(const std::string& name, std::vector<std::string> addresses);

  finding find(const std::string& name, std::uint16_t type) const;
  const std::string& domain() const { return domain_; }

 private:
  struct port { std::string name, protocol; std::uint16_t number = 0; };
  struct backend { std::string address, host; bool ready = false; std::vector<port> ports; };
  struct service {
    std::vector<std::string> addresses;    ///< Of the Service; empty: headless.
    std::string external;
    std::vector<port> ports;
    std::vector<backend> backends;         ///< Of a headless one, by address.
  };
  void forget(const std::string& key);
  void find_service(const service& of, const std::string& full, const std::vector<std::string>& rest, std::uint16_t type, answer& out, finding& where) const;
  bool find_ports(const service& of, const std::string& full, const std::string& port_name, const std::string& protocol, answer& out) const;
  bool find_below(const std::vector<std::string>& labels, const std::string& full, std::uint16_t type, finding& out) const;
  bool find_backwards(const std::string& name, std::uint16_t type, answer& out) const;
  record authority() const;

  std::string domain_, server_;
  std::map<std::string, service> services_;                    ///< By "namespace/name".
  std::map<std::string, std::size_t> namespaces_;              ///< With Services, and how many.
  std::map<std::string, std::set<std::string>> names_of_;      ///< Address -> full names.
  std::map<std::string, std::vector<std::string>> nodes_;
};

/// "10.42.0.7" of "10-42-0-7", "fd00::7" of "fd00--7"; empty for what is none.
std::string undashed(const std::string& label);
/// The inverse.
std::string dashed(std::string address);

}  // namespace troupe::dns
