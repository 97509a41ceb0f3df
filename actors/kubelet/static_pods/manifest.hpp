// A static pod: what a file in the node's folder of manifests asks for, without any server. Pure.
//
// Source of names and annotations: upstream's kubelet (pkg/kubelet/config/{file,common}.go, pkg/kubelet/types).
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "basis/clock.hpp"
#include "basis/json.hpp"

namespace troupe::kubelet {

inline constexpr const char* annotation_hash = "kubernetes.io/config.hash";
inline constexpr const char* annotation_mirror = "kubernetes.io/config.mirror";

/// The pod that a file of this name and text (YAML or JSON) asks of `node`: NAME-NODE, its uid made of what it says. `seen` is
/// written into it and counts for nothing. `invalid`: why there can be no such pod, in a sentence.
result<json> read_manifest(const std::string& file, const std::string& text, const std::string& node, wall_time seen);

/// "namespace/name".
std::string pod_key(const json& object);

// --- mirrors: what the API shows of static pods -------------------------------------------------------------------------

/// What the mirror of a static pod is made from; `owner` is the uid of its Node.
json make_mirror(const json& pod, const std::string& node, const std::string& owner);

struct mirror_step {
  enum class kind : std::uint8_t { create, remove } what = kind::create;
  std::string key;                               ///< "namespace/name"
  std::shared_ptr<const json> object;            ///< The static pod; of a removal: the mirror.
};
using pod_map = std::map<std::string, std::shared_ptr<const json>>;
/// What the API must be told next, in the order of names. A mirror stays while its pod still ends (`living` has its hash), goes
/// with its file, and is made anew when somebody deletes it.
std::vector<mirror_step> plan_mirrors(const pod_map& wanted, const pod_map& mirrors, const std::set<std::string>& living);

}  // namespace troupe::kubelet
