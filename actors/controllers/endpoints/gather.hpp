// Which pods stand behind a Service, and how: the part that Endpoints and EndpointSlices share. Pure; upstream's rules
// (endpoint and endpointslice controllers of Kubernetes 1.33).
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "basis/json.hpp"

namespace troupe::controllers {

/// One address behind a Service.
struct backend {
  std::string address;
  std::string pod, uid, ns;      ///< The pod whose it is.
  std::string node, zone;        ///< Either may be empty.
  std::string hostname;          ///< Set when the pod asks for a name under this very Service.
  bool ready = false;            ///< Takes new connections: serving and not going, or the Service publishes all.
  bool serving = false;          ///< Its Ready condition.
  bool terminating = false;      ///< It is being deleted.
  friend auto operator<=>(const backend&, const backend&) = default;
};
/// Pods whose ports come to the same numbers. A named target port may differ from pod to pod.
struct backend_group {
  json ports = json::array();    ///< {"name","port","protocol"[,"appProtocol"]}, in the Service's order.
  std::vector<backend> backends; ///< By address.
};

using zone_map = std::map<std::string, std::string>;   ///< Node's name -> its zone.
using pod_list = std::vector<std::shared_ptr<const json>>;

/// True when this controller keeps the Service's endpoints: it has a selector and is no ExternalName.
bool is_selecting(const json& service);
/// True when every label that the Service selects by is the pod's.
bool selects(const json& service, const json& pod);
/// `pods` are those selected. `family` is "IPv4" or "IPv6"; pods without such an address, and pods that are over, are left
/// out. Groups come in the order of their ports' text.
std::vector<backend_group> gather(const json& service, const pod_list& pods, const zone_map& zones, const std::string& family);
/// The Service's address families; IPv4 when it names none.
std::vector<std::string> families_of(const json& service);
/// Labels of the Service, and upstream's mark of headless ones.
json labels_from(const json& service);

}  // namespace troupe::controllers
