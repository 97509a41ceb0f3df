#include "actors/scheduler/preempt.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace troupe::scheduler {
namespace {

constexpr std::size_t nodes_tried_max = 100;

bool more_important(const pod_ptr& a, const pod_ptr& b) {
  return std::tuple(-a->priority, a->started, a->key) < std::tuple(-b->priority, b->started, b->key);
}

/// Those of `pods`, which are sorted, that no budget lets go any more.
std::vector<pod_ptr> take_protected(std::vector<pod_ptr>& pods, budgets kept) {
  const auto first = std::stable_partition(pods.begin(), pods.end(), [&](const pod_ptr& pod) {
    bool may_go = true;
    for (auto& [key, budget] : kept)
      if (budget.ns == pod->ns && !budget.selector.empty() && budget.selector.matches(pod->labels) && --budget.allowed < 0) may_go = false;
    return may_go;
  });
  std::vector<pod_ptr> out(std::make_move_iterator(first), std::make_move_iterator(pods.end()));
  pods.erase(first, pods.end());
  return out;
}

/// Puts back who need not go; the rest are victims.
std::optional<sacrifice> try_node(const pod_facts& pod, ledger& all, const std::string& name, const budgets& kept) {
  const auto& node = all.nodes().at(name);
  std::vector<pod_ptr> lower;
  for (const auto& [key, other] : node.pods)
    if (other->priority < pod.priority) lower.push_back(other);
  if (lower.empty()) return std::nullopt;
  for (const auto& other : lower) all.drop_pod(other->key);
  const auto fits = [&] { return !filter_node(surroundings(pod, all), all, node); };
  if (!fits()) {
    for (const auto& other : lower) all.put_pod(other, name);
    return std::nullopt;
  }
  std::ranges::sort(lower, more_important);
  const auto guarded = take_protected(lower, kept);
  sacrifice out{name, {}, 0};
  const auto spare = [&](const pod_ptr& other) {
    all.put_pod(other, name);
    if (fits()) return true;
    all.drop_pod(other->key);
    out.victims.push_back(other);
    return false;
  };
  for (const auto& other : guarded) out.violations += spare(other) ? 0 : 1;
  for (const auto& other : lower) spare(other);
  for (const auto& other : out.victims) all.put_pod(other, name);
  std::ranges::sort(out.victims, more_important);
  return out;
}

bool less_loss(const sacrifice& a, const sacrifice& b) {
  const auto highest = [](const sacrifice& of) { return of.victims.empty() ? std::numeric_limits<std::int64_t>::min() : of.victims[0]->priority; };
  // Each priority is lifted above nought, so that many victims of negative priority are not better than few.
  const auto sum = [](const sacrifice& of) {
    std::int64_t out = 0;
    for (const auto& one : of.victims) out += one->priority + std::numeric_limits<std::int32_t>::max() + 1LL;
    return out;
  };
  const auto begun = [&](const sacrifice& of) {   // the first to begin of the most important ones
    return of.victims.empty() ? std::string() : of.victims[0]->started;
  };
  const auto left = std::tuple(a.violations, highest(a), sum(a), a.victims.size()), right = std::tuple(b.violations, highest(b), sum(b), b.victims.size());
  return left != right ? left < right : begun(a) > begun(b);
}

}  // namespace

disruption_budget read_budget(const json& budget) {
  const auto& allowed = dig(budget, "status", "disruptionsAllowed");
  return {text_or(dig(budget, "metadata", "namespace")), model::label_match::of(dig(budget, "spec", "selector")),
          allowed.is_number_integer() ? allowed.get<std::int64_t>() : 0};
}

std::optional<sacrifice> find_sacrifice(const pod_facts& pod, ledger& all, const budgets& kept, std::size_t begin) {
  std::optional<sacrifice> best;
  const auto& order = all.order();   // of nodes: pods that come and go do not change it
  const surroundings seen(pod, all);   // counts, which every try leaves as they were
  std::size_t tried = 0;
  for (std::size_t i = 0; i < order.size() && tried < nodes_tried_max; ++i) {
    const auto& node = *order[(begin + i) % order.size()];
    // Where all are as important, as mostly in a cluster without PriorityClasses, nothing need be computed.
    if (std::ranges::none_of(node.pods, [&](const auto& row) { return row.second->priority < pod.priority; })) continue;
    const auto why = filter_node(seen, all, node);
    if (!why || why.hopeless) continue;
    auto got = try_node(pod, all, node.name, kept);
    if (!got) continue;
    ++tried;
    if (!best || less_loss(*got, *best)) best = std::move(got);
  }
  return best;
}

}  // namespace troupe::scheduler
