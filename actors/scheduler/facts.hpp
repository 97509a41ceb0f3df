// What scheduling needs of pods and nodes, read once from the objects; and the account of who runs where. Values without
// clock or actor; quantities in thousandths (of a core, of a byte), as quantity_milli gives them.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/model/match.hpp"
#include "actors/model/views/placement.hpp"
#include "basis/json.hpp"

namespace troupe::scheduler {

/// By resource name: "cpu", "memory" and what else there is.
using amounts = std::map<std::string, std::int64_t>;

struct host_port {
  std::string ip, protocol;
  int port = 0;
};
/// One podAffinityTerm.
struct pod_term {
  model::label_match selector;
  std::set<std::string> namespaces;
  bool everywhere = false;           ///< An empty namespaceSelector.
  std::string topology;
  std::int64_t weight = 0;
};
struct spread {
  std::int64_t skew_max = 1;
  std::string topology;
  bool hard = true;
  model::label_match selector;
};

struct pod_facts {
  std::string key, ns, name, uid, node, version;
  std::int64_t priority = 0;
  bool preempts = true;              ///< Unless its preemptionPolicy is Never.
  std::string nominated;             ///< status.nominatedNodeName: where room is being made for it.
  std::string started;               ///< status.startTime, as it is written.
  bool ours = false;                 ///< Asks for this scheduler, is not bound, not gated and not going.
  bool ended = false, leaving = false;
  json labels;
  amounts wants;                     ///< Requests: containers and sidecars, or the largest init container; and overhead.
  std::int64_t cpu_scored = 0, memory_scored = 0;   ///< With upstream's floor for pods that ask for nothing (100m, 200Mi each).
  std::vector<host_port> ports;
  model::placement where;
  std::vector<pod_term> near, away, near_if_possible, away_if_possible;
  std::vector<spread> spreads;
  std::vector<std::string> images;
};
using pod_ptr = std::shared_ptr<const pod_facts>;
pod_ptr read_pod(const json& pod);

struct node_facts {
  std::string name;
  json labels;
  std::vector<model::taint> taints;
  bool unschedulable = false;
  amounts allocatable;
  std::int64_t pods_max = 110;
  std::map<std::string, std::int64_t> images;   ///< Name to size in bytes.
  // The account:
  amounts used;
  std::int64_t cpu_scored = 0, memory_scored = 0;
  std::map<std::string, pod_ptr> pods;
};

/// Who runs where. Owned by the scheduler; pods whose node is not known (yet) are kept aside.
class ledger {
 public:
  /// A Node as it is now; what it said before is replaced, its account stays.
  void put_node(const json& node);
  void drop_node(const std::string& name);
  /// Places a pod on pod.node (or `node`), or moves it; one that has ended frees its place.
  void put_pod(const pod_ptr& pod, const std::string& node);
  void drop_pod(const std::string& key);
  /// Room on `node` is kept for a pod that has no node yet, from others of lower priority; "" ends that.
  void nominate(const pod_ptr& pod, const std::string& node);
  const std::string& nominated(const std::string& key) const;
  /// Pods for whom room is kept there, by key; null when there are none.
  const std::map<std::string, pod_ptr>* nominees(const std::string& node) const;
  /// The node as it is for `pod` when all came for whom room is kept and who are at least as important; nothing when it is as it is.
  std::optional<node_facts> with_nominees(const node_facts& node, const pod_facts& pod) const;
  /// The node a pod is accounted on, or "".
  const std::string& place_of(const std::string& key) const;

  const std::map<std::string, node_facts>& nodes() const { return nodes_; }
  /// In the order that sampling walks.
  const std::vector<const node_facts*>& order() const { return order_; }
  /// Pods on nodes that refuse others near them: few, so that all others cost nothing.
  const std::map<std::string, pod_ptr>& loners() const { return loners_; }

 private:
  static void account(node_facts& at, const pod_facts& pod, int sign);
  void reorder();
  std::map<std::string, node_facts> nodes_;
  std::vector<const node_facts*> order_;
  std::map<std::string, std::pair<std::string, pod_ptr>> places_;
  std::map<std::string, pod_ptr> loners_;
  std::map<std::string, std::map<std::string, pod_ptr>> nominees_;   ///< By node.
  std::map<std::string, std::string> nominated_;                     ///< Pod to node.
};

}  // namespace troupe::scheduler
