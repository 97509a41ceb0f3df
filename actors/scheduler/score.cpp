#include "actors/scheduler/score.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace troupe::scheduler {
namespace {

constexpr std::int64_t score_max = 100;
using scores = std::vector<std::int64_t>;

/// Scales the largest to 100; reversed: the least is the best.
void add_scaled(scores& total, const scores& raw, std::int64_t weight, bool reversed) {
  const auto most = raw.empty() ? 0 : *std::ranges::max_element(raw);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    auto share = most == 0 ? 0 : score_max * raw[i] / most;
    total[i] += weight * (reversed ? score_max - share : share);
  }
}

/// The same between the least and the largest, which may be negative.
void add_spanned(scores& total, const scores& raw, std::int64_t weight) {
  if (raw.empty()) return;
  const auto [least, most] = std::ranges::minmax(raw);
  if (most == least) return;
  for (std::size_t i = 0; i < raw.size(); ++i) total[i] += weight * (score_max * (raw[i] - least) / (most - least));
}

/// The two that every node is scored by.
const std::string cpu = "cpu", memory = "memory";
std::int64_t amount(const amounts& of, const std::string& name) {
  const auto found = of.find(name);
  return found == of.end() ? 0 : found->second;
}

std::int64_t least_allocated(const pod_facts& pod, const node_facts& node) {
  auto free_share = [](std::int64_t have, std::int64_t used) { return have == 0 || used > have ? 0 : (have - used) * score_max / have; };
  return (free_share(amount(node.allocatable, cpu), node.cpu_scored + pod.cpu_scored) +
          free_share(amount(node.allocatable, memory), node.memory_scored + pod.memory_scored)) / 2;
}

std::int64_t balanced(const pod_facts& pod, const node_facts& node) {
  auto share = [](std::int64_t have, std::int64_t used) { return have == 0 ? 1.0 : std::min(1.0, static_cast<double>(used) / static_cast<double>(have)); };
  auto used = [&](const std::string& name) { return share(amount(node.allocatable, name), amount(node.used, name) + amount(pod.wants, name)); };
  const auto cpu_used = used(cpu), memory_used = used(memory);
  return static_cast<std::int64_t>((1.0 - std::abs(cpu_used - memory_used) / 2) * score_max);
}

std::int64_t at_topology(const node_facts& node, const std::string& topology, const std::map<std::string, std::int64_t>& counts) {
  const auto& value = dig(node.labels, topology);
  if (!value.is_string()) return 0;
  const auto found = counts.find(value.get_ref<const std::string&>());
  return found == counts.end() ? 0 : found->second;
}

/// What an image may be called on a node; made once for all nodes.
using image_names = std::vector<std::array<std::string, 4>>;
image_names names_of(const pod_facts& pod) {
  image_names out;
  for (const auto& image : pod.images) out.push_back({image, "docker.io/library/" + image, image + ":latest", "docker.io/library/" + image + ":latest"});
  return out;
}

std::int64_t images_there(const image_names& images, const node_facts& node) {
  constexpr std::int64_t least = 23LL * 1024 * 1024, most_each = 1000LL * 1024 * 1024;
  if (node.images.empty()) return 0;
  std::int64_t size = 0;
  for (const auto& names : images)
    for (const auto& name : names)
      if (const auto found = node.images.find(name); found != node.images.end()) {
        size += found->second;
        break;
      }
  const auto most = most_each * static_cast<std::int64_t>(std::max<std::size_t>(images.size(), 1));
  return score_max * (std::clamp(size, least, most) - least) / (most - least);
}

}  // namespace

std::vector<std::int64_t> score_nodes(const surroundings& seen, const std::vector<const node_facts*>& fit) {
  const auto& pod = seen.pod;
  scores total(fit.size()), taints(fit.size()), wished(fit.size()), neighbours(fit.size()), crowded(fit.size());
  const bool neighbourly = !pod.near_if_possible.empty() || !pod.away_if_possible.empty();
  bool spreads = false;
  const auto images = names_of(pod);
  for (std::size_t i = 0; i < fit.size(); ++i) {
    const auto& node = *fit[i];
    for (const auto& each : node.taints)
      if (each.effect == "PreferNoSchedule" && !model::tolerates(pod.where.tolerations, each)) ++taints[i];
    for (const auto& each : pod.where.preferred)
      if (model::term_matches(each, node.labels, node.name)) wished[i] += each.weight;
    for (std::size_t k = 0; k < pod.near_if_possible.size(); ++k)
      neighbours[i] += pod.near_if_possible[k].weight * at_topology(node, pod.near_if_possible[k].topology, seen.near_liked[k]);
    for (std::size_t k = 0; k < pod.away_if_possible.size(); ++k)
      neighbours[i] -= pod.away_if_possible[k].weight * at_topology(node, pod.away_if_possible[k].topology, seen.away_liked[k]);
    for (std::size_t k = 0; k < pod.spreads.size(); ++k) {
      if (pod.spreads[k].hard) continue;
      spreads = true;
      crowded[i] += at_topology(node, pod.spreads[k].topology, seen.spread_counts[k]);
    }
    total[i] += least_allocated(pod, node) + balanced(pod, node) + images_there(images, node);
  }
  add_scaled(total, taints, 3, true);
  if (!pod.where.preferred.empty()) add_scaled(total, wished, 2, false);
  if (spreads) add_scaled(total, crowded, 2, true);
  if (neighbourly) add_spanned(total, neighbours, 2);
  return total;
}

std::size_t enough_nodes(std::size_t nodes) {
  constexpr std::size_t least = 100;
  if (nodes <= least) return nodes;
  const auto share = nodes / 125 >= 45 ? std::size_t{5} : 50 - nodes / 125;
  return std::max(least, nodes * share / 100);
}

choice choose_node(const pod_facts& pod, const ledger& all, std::size_t begin, rng& dice) {
  choice out;
  const auto& order = all.order();
  const surroundings seen(pod, all);
  const auto enough = enough_nodes(order.size());
  std::vector<const node_facts*> fit;
  std::size_t looked = 0;
  for (; looked < order.size() && fit.size() < enough; ++looked) {
    const auto& node = *order[(begin + looked) % order.size()];
    const auto why = filter_node(seen, all, node);
    if (why) out.refused.add(why);
    else fit.push_back(&node);
  }
  out.next = order.empty() ? 0 : (begin + looked) % order.size();
  if (fit.empty()) return out;
  if (fit.size() == 1) return out.node = fit[0]->name, out;
  const auto points = score_nodes(seen, fit);
  const auto best = *std::ranges::max_element(points);
  const auto equals = static_cast<std::uint64_t>(std::ranges::count(points, best));
  auto pick = dice.below(equals);
  for (std::size_t i = 0; i < fit.size(); ++i)
    if (points[i] == best && pick-- == 0) out.node = fit[i]->name;
  return out;
}

}  // namespace troupe::scheduler
