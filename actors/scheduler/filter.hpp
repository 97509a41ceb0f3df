// May this pod run there? One answer per node, in upstream's words (pkg/scheduler/framework/plugins). Pure.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "actors/scheduler/facts.hpp"

namespace troupe::scheduler {

/// What is the same for all nodes while one pod is looked at: counts by topology, made once per pod.
class surroundings {
 public:
  surroundings(const pod_facts& pod, const ledger& all);
  const pod_facts& pod;
  /// For each of pod.spreads: how many matching pods each value of its topology has, and the least of them.
  std::vector<std::map<std::string, std::int64_t>> spread_counts;
  std::vector<std::int64_t> spread_least;
  /// For each of pod.near and pod.away: values of the topology where matching pods run.
  std::vector<std::map<std::string, std::int64_t>> near_counts, away_counts;
  /// The same of preferences.
  std::vector<std::map<std::string, std::int64_t>> near_liked, away_liked;
  /// (topology, value) where some pod does not want this one.
  std::map<std::pair<std::string, std::string>, std::int64_t> unwelcome;
};

struct refusal {
  std::vector<std::string> why;      ///< Empty: it may.
  bool hopeless = false;             ///< No pod's leaving would change it.
  explicit operator bool() const { return !why.empty(); }
};
refusal filter_node(const surroundings& seen, const node_facts& node);
/// The same, with room for those that are nominated there and at least as important.
refusal filter_node(const surroundings& seen, const ledger& all, const node_facts& node);

/// Whether nodeSelector and required node affinity let the pod in.
bool selects_node(const pod_facts& pod, const node_facts& node);

/// Counts of reasons, for the words of FailedScheduling.
struct tally {
  std::map<std::string, int> reasons;
  int nodes = 0, hopeless = 0;
  void add(const refusal& why);
  /// "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable."
  std::string reasons_text() const;
  /// With what can be said when nobody's leaving would help: "... preemption: 0/3 nodes are available: ..."
  std::string text() const;
};

}  // namespace troupe::scheduler
