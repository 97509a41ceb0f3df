// Which of the nodes that may is the best: upstream's default scores and weights, and the choice of a node for a pod. Pure;
// chance is handed in and decides only between equals.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "actors/scheduler/filter.hpp"
#include "basis/rng.hpp"

namespace troupe::scheduler {

/// Sum of the weighted scores, each 0 to 100 before its weight, of every node in `fit`.
std::vector<std::int64_t> score_nodes(const surroundings& seen, const std::vector<const node_facts*>& fit);

/// How many nodes that fit are enough to choose from, of so many: all up to 100, then 50 - n/125 per cent, at least 5.
std::size_t enough_nodes(std::size_t nodes);

struct choice {
  std::string node;                  ///< "" when none fits.
  tally refused;
  std::size_t next = 0;              ///< Where the next pod's walk over the nodes begins.
};
/// Walks the nodes from `begin` on, round, until enough fit.
choice choose_node(const pod_facts& pod, const ledger& all, std::size_t begin, rng& dice);

}  // namespace troupe::scheduler
