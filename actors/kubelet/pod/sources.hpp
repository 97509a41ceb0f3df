// What a pod's object refers to, fetched from the API: the bytes behind its volumes and variables. Pure values.
#pragma once
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "basis/clock.hpp"
#include "basis/json.hpp"

namespace troupe::kubelet {

/// A token of the pod's service account, for one volume.
struct token_need {
  std::string volume, path, audience;
  std::int64_t seconds = 3600;
  friend auto operator<=>(const token_need&, const token_need&) = default;
};
struct pod_needs {
  std::set<std::string> config_maps, secrets;    ///< Names, in the pod's namespace.
  std::vector<token_need> tokens;
  bool services = true;                          ///< Variables for each Service of the namespace.
};
pod_needs needs_of(const json& pod);

struct pod_sources {
  std::map<std::string, json> config_maps, secrets;   ///< By name; what does not exist is not in it.
  std::map<token_need, std::string> tokens;
  std::map<token_need, json> granted;                 ///< Of these, the TokenRequests that were answered just now.
  std::vector<json> services;                         ///< Of the namespace, and default/kubernetes.
  bool knows_services = true;                         ///< They were asked for; variables need them, volumes do not.
  std::string node;
  std::vector<std::string> node_addresses, pod_addresses;
  std::int64_t node_cpu_milli = 0, node_memory_bytes = 0;
};

/// The tokens that a pod has: each is good for most of its life, and asking anew is a signature for the server and a write for the disk.
class token_shelf {
 public:
  /// As upstream: due after four fifths of its life, or a day; some are due a little earlier, lest all ask at once. The life is as the
  /// server says; of this node's clock only differences count.
  void keep(const token_need& what, const json& granted, std::uint64_t chance, wall_time now);
  std::map<token_need, std::string> good(wall_time now) const;

 private:
  struct kept { std::string text; wall_time since{}, due{}; };
  std::map<token_need, kept> all_;
};

/// The bytes of one key: data or binaryData of a ConfigMap, data of a Secret decoded. Null pointer's stead: false.
bool value_of(const json& object, const std::string& key, std::string& out);

/// `metadata.name`, `metadata.labels['x']`, `status.podIP` ...; `invalid` names a path that there is not.
result<std::string> field_of(const json& pod, const std::string& path, const pod_sources& from);
/// `limits.cpu`, `requests.memory` ... of a container, divided and rounded up; what is not set is the node's.
result<std::string> resource_of(const json& container, const std::string& what, const json& divisor, const pod_sources& from);
/// Thousandths of an amount in "resources"; 0 when it is not set.
std::int64_t amount_milli(const json& container, const char* list, const std::string& what);

using variables = std::vector<std::pair<std::string, std::string>>;
/// The environment of a container: Services, envFrom, env, in upstream's order, $(NAME) expanded. `invalid`: why it cannot be
/// made, in upstream's words (CreateContainerConfigError).
result<variables> environment_of(const json& pod, const json& container, const pod_sources& from);
/// $(NAME) replaced by what is known, $$ by $.
std::string expanded(const std::string& text, const variables& known);

}  // namespace troupe::kubelet
