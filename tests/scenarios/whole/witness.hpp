// Who looks at a simulated cluster from outside, over all lives of its server: follows pods and their events through the API,
// is told of each start of a container, and says what does not hold. Everything is on the simulation's one thread.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "basis/json.hpp"
#include "net/sim/cri/containers.hpp"
#include "tests/harness/cluster.hpp"

namespace troupe::scenario {

struct witnessed {
  /// Everything of a pod that is said or seen; also of those that are gone.
  struct pod_story {
    std::string key, node;                    ///< Node: where it was bound.
    std::string ran_on;                       ///< The computer a container of it was first started on.
    std::map<std::string, std::int64_t> told; ///< Events by reason and, after a space, the container's name.
    bool there = false;
    bool unsure = false;                      ///< Bound just before a server died, perhaps, with what it had to say of it.
  };
  std::map<std::string, pod_story> stories;   ///< By uid.
  std::map<std::string, std::shared_ptr<const json>> pods;   ///< Those that there are, by "namespace/name".
  std::string broken;
  std::size_t starts = 0;

  void see(const json& pod, bool listed);   ///< Listed: by a server that has just come back.
  void lose(const json& pod);
  void hear(const json& event);
  /// A container is about to start on `node`, whose machine has `all`.
  void start(const std::string& node, const net::cri::container_config& what, const net::sim::container_machine& on);
};

/// Follows pods and events for as long as this life of the server lasts.
void follow(harness::cluster& c, const std::string& server, witnessed& into);

/// What of a pod's state no event explains; "" when all of it is. A pod whose kubelet died while it was there (`interrupted`)
/// may lack what was told then.
std::string unexplained(const json& pod, const witnessed::pod_story& story, bool interrupted);

}  // namespace troupe::scenario
