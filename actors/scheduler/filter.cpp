#include "actors/scheduler/filter.hpp"

#include <algorithm>
#include <limits>

namespace troupe::scheduler {
namespace {

const std::string* label(const node_facts& node, const std::string& key) {
  const auto& value = dig(node.labels, key);
  return value.is_string() ? value.get_ptr<const std::string*>() : nullptr;
}

bool means(const pod_term& term, const pod_facts& other) {
  return (term.everywhere || term.namespaces.contains(other.ns)) && term.selector.matches(other.labels);
}

bool overlaps(const host_port& a, const host_port& b) {
  return a.port == b.port && a.protocol == b.protocol && (a.ip == b.ip || a.ip == "0.0.0.0" || b.ip == "0.0.0.0");
}

bool ports_free(const pod_facts& pod, const node_facts& node) {
  if (pod.ports.empty()) return true;
  for (const auto& [key, other] : node.pods)
    for (const auto& theirs : other->ports)
      for (const auto& ours : pod.ports)
        if (overlaps(ours, theirs)) return false;
  return true;
}

void check_resources(const pod_facts& pod, const node_facts& node, refusal& out) {
  if (static_cast<std::int64_t>(node.pods.size()) + 1 > node.pods_max) out.why.emplace_back("Too many pods");
  for (const auto& [name, wanted] : pod.wants) {
    if (wanted == 0) continue;
    const auto have = node.allocatable.find(name), used = node.used.find(name);
    const auto left = (have == node.allocatable.end() ? 0 : have->second) - (used == node.used.end() ? 0 : used->second);
    if (wanted <= left) continue;
    out.why.push_back("Insufficient " + name);
    if (have == node.allocatable.end() || wanted > have->second) out.hopeless = true;
  }
}

bool check_spread(const surroundings& seen, const node_facts& node, refusal& out) {
  for (std::size_t i = 0; i < seen.pod.spreads.size(); ++i) {
    const auto& rule = seen.pod.spreads[i];
    if (!rule.hard) continue;
    const auto* value = label(node, rule.topology);
    if (!value) {
      out = {{"node(s) didn't match pod topology spread constraints (missing required label)"}, true};
      return false;
    }
    const auto count = seen.spread_counts[i].find(*value);
    const std::int64_t here = count == seen.spread_counts[i].end() ? 0 : count->second;
    const std::int64_t self = rule.selector.matches(seen.pod.labels) ? 1 : 0;
    if (here + self - seen.spread_least[i] > rule.skew_max) {
      out = {{"node(s) didn't match pod topology spread constraints"}, false};
      return false;
    }
  }
  return true;
}

bool check_neighbours(const surroundings& seen, const node_facts& node, refusal& out) {
  bool first_of_all = true;   // a pod that wants to be near its own kind may be the first of them
  for (std::size_t i = 0; i < seen.pod.near.size(); ++i)
    first_of_all = first_of_all && seen.near_counts[i].empty() && means(seen.pod.near[i], seen.pod);
  for (std::size_t i = 0; i < seen.pod.near.size(); ++i) {
    const auto* value = label(node, seen.pod.near[i].topology);
    if (value && (first_of_all || seen.near_counts[i].contains(*value))) continue;
    out = {{"node(s) didn't match pod affinity rules"}, true};
    return false;
  }
  for (std::size_t i = 0; i < seen.pod.away.size(); ++i) {
    const auto* value = label(node, seen.pod.away[i].topology);
    if (!value || !seen.away_counts[i].contains(*value)) continue;
    out = {{"node(s) didn't match pod anti-affinity rules"}, false};
    return false;
  }
  for (const auto& [place, count] : seen.unwelcome) {
    const auto* value = label(node, place.first);
    if (!value || *value != place.second) continue;
    out = {{"node(s) didn't satisfy existing pods anti-affinity rules"}, false};
    return false;
  }
  return true;
}

}  // namespace

surroundings::surroundings(const pod_facts& of, const ledger& all) : pod(of) {
  spread_counts.resize(pod.spreads.size());
  spread_least.assign(pod.spreads.size(), 0);
  near_counts.resize(pod.near.size());
  away_counts.resize(pod.away.size());
  near_liked.resize(pod.near_if_possible.size());
  away_liked.resize(pod.away_if_possible.size());
  const bool looks_around = !pod.spreads.empty() || !pod.near.empty() || !pod.away.empty() || !near_liked.empty() || !away_liked.empty();
  if (looks_around) {
    auto count = [](const std::vector<pod_term>& terms, auto& into, const node_facts& node, const pod_facts& other) {
      for (std::size_t i = 0; i < terms.size(); ++i)
        if (const auto* value = label(node, terms[i].topology); value && means(terms[i], other)) ++into[i][*value];
    };
    for (const auto& [name, node] : all.nodes()) {
      const bool eligible = selects_node(pod, node);
      for (std::size_t i = 0; i < pod.spreads.size(); ++i)
        if (const auto* value = label(node, pod.spreads[i].topology); value && eligible) spread_counts[i][*value];
      for (const auto& [key, other] : node.pods) {
        if (other->leaving || other->key == pod.key) continue;
        for (std::size_t i = 0; i < pod.spreads.size(); ++i)
          if (const auto* value = label(node, pod.spreads[i].topology);
              value && eligible && other->ns == pod.ns && pod.spreads[i].selector.matches(other->labels))
            ++spread_counts[i][*value];
        count(pod.near, near_counts, node, *other);
        count(pod.away, away_counts, node, *other);
        count(pod.near_if_possible, near_liked, node, *other);
        count(pod.away_if_possible, away_liked, node, *other);
      }
    }
    for (std::size_t i = 0; i < pod.spreads.size(); ++i) {
      auto least = std::numeric_limits<std::int64_t>::max();
      for (const auto& [value, many] : spread_counts[i]) least = std::min(least, many);
      spread_least[i] = spread_counts[i].empty() ? 0 : least;
    }
  }
  for (const auto& [key, loner] : all.loners()) {
    const auto at = all.nodes().find(all.place_of(key));
    if (at == all.nodes().end() || key == pod.key) continue;
    for (const auto& term : loner->away)
      if (const auto* value = label(at->second, term.topology); value && means(term, pod)) ++unwelcome[{term.topology, *value}];
  }
}

bool selects_node(const pod_facts& pod, const node_facts& node) { return model::selects_node(pod.where, node.labels, node.name); }

refusal filter_node(const surroundings& seen, const node_facts& node) {
  const auto& pod = seen.pod;
  if (node.unschedulable && !model::tolerates(pod.where.tolerations, {"node.kubernetes.io/unschedulable", "", "NoSchedule"}))
    return {{"node(s) were unschedulable"}, true};
  for (const auto& each : node.taints)
    if ((each.effect == "NoSchedule" || each.effect == "NoExecute") && !model::tolerates(pod.where.tolerations, each))
      return {{"node(s) had untolerated taint {" + each.key + ": " + each.value + "}"}, true};
  if (!selects_node(pod, node)) return {{"node(s) didn't match Pod's node affinity/selector"}, true};
  refusal out;
  if (!ports_free(pod, node)) return {{"node(s) didn't have free ports for the requested pod ports"}, false};
  check_resources(pod, node, out);
  if (out) return out;
  if (!check_spread(seen, node, out) || !check_neighbours(seen, node, out)) return out;
  return {};
}

refusal filter_node(const surroundings& seen, const ledger& all, const node_facts& node) {
  const auto fuller = all.with_nominees(node, seen.pod);
  return filter_node(seen, fuller ? *fuller : node);
}

void tally::add(const refusal& why) {
  ++nodes;
  hopeless += why.hopeless ? 1 : 0;
  for (const auto& each : why.why) ++reasons[each];
}

std::string tally::reasons_text() const {
  if (nodes == 0) return "no nodes available to schedule pods";
  const auto head = "0/" + std::to_string(nodes) + " nodes are available: ";
  std::vector<std::string> lines;
  for (const auto& [why, count] : reasons) lines.push_back(std::to_string(count) + " " + why);
  std::ranges::sort(lines);   // as upstream sorts them: by text
  std::string out = head;
  for (const auto& each : lines) out.append(out.size() > head.size() ? ", " : "").append(each);
  return out += '.';
}

std::string tally::text() const {
  auto out = reasons_text();
  if (nodes == 0) return out;
  out.append(" preemption: 0/").append(std::to_string(nodes)).append(" nodes are available: ");
  const int others = nodes - hopeless;
  if (others > 0) out.append(std::to_string(others)).append(" No preemption victims found for incoming pod");
  if (hopeless > 0) out.append(others > 0 ? ", " : "").append(std::to_string(hopeless)).append(" Preemption is not helpful for scheduling");
  return out += '.';
}

}  // namespace troupe::scheduler
