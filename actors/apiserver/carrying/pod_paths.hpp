// What a kubelet is asked when a client wants a pod's log, a stream into it, or to speak to its port: from the request and the
// stored pod, in upstream's words where it cannot be. Pure. Paths and parameters are those of a kubelet's port 10250.
#pragma once
#include <optional>
#include <string>
#include <variant>

#include "actors/apiserver/router.hpp"
#include "basis/json.hpp"

namespace troupe::apiserver {

/// True for pods/log, exec, attach and portforward: what only the pod's kubelet can answer.
bool is_carried_to_kubelet(const target& asked);

struct kubelet_ask {
  std::string node;
  std::string path;        ///< With the query.
  bool upgrade = false;    ///< A stream: the client must ask to switch protocols.
};
std::variant<kubelet_ask, api_error> ask_kubelet(const target& asked, const json& pod);

/// pods/proxy: where the pod listens. Port: number or name of the request, else its first one.
struct pod_address {
  std::string node, address;    ///< "10.42.1.5:8080".
  bool tls = false;
};
std::variant<pod_address, api_error> find_pod_port(const proxy_name& named, const json& pod);

/// services/proxy: one of the pods behind a Service, which take turns. Port: number or name of one of the Service's, else its
/// only one. `endpoints`: the Endpoints of its name, or null.
std::variant<pod_address, api_error> find_service_port(const proxy_name& named, const json& service, const json& endpoints, std::size_t turn);

}  // namespace troupe::apiserver
