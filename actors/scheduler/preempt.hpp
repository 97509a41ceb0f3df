// Whose leaving would make room for a pod that fits nowhere: upstream's default preemption (pkg/scheduler/framework/preemption
// and plugins/defaultpreemption, 1.33). Pure.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/scheduler/filter.hpp"

namespace troupe::scheduler {

/// A PodDisruptionBudget as the scheduler needs it.
struct disruption_budget {
  std::string ns;
  model::label_match selector;
  std::int64_t allowed = 0;          ///< status.disruptionsAllowed.
};
disruption_budget read_budget(const json& budget);
using budgets = std::map<std::string, disruption_budget>;

struct sacrifice {
  std::string node;
  std::vector<pod_ptr> victims;      ///< The most important first; some may be leaving already.
  int violations = 0;                ///< How many of them a budget would keep.
};

/// The least loss by which `pod` would fit: on each node only pods of lower priority go, the least important first, and as few
/// as may be. Between nodes: fewest violated budgets, the lowest of the highest victims' priorities, the lowest sum of them,
/// fewest victims, those that started last. At most 100 nodes are tried, from `begin` on, as upstream does in small clusters.
/// `all` is changed while it tries, and is in the end as it was. Nothing when no node could take the pod.
std::optional<sacrifice> find_sacrifice(const pod_facts& pod, ledger& all, const budgets& kept, std::size_t begin);

}  // namespace troupe::scheduler
