#include "actors/scheduler/facts.hpp"

#include <algorithm>

#include "actors/model/quantity.hpp"

namespace troupe::scheduler {
namespace {

constexpr std::int64_t cpu_floor = 100, memory_floor = 200LL * 1024 * 1024 * 1000;   // scores only, as upstream

std::int64_t amount(const json& text) {
  auto milli = model::quantity_milli(text_or(text, text.is_number() ? to_text(text) : "0"));
  return milli.ok() ? *milli : 0;
}

amounts amounts_of(const json& map) {
  amounts out;
  for (const auto& [name, text] : map.items()) out[name] = amount(text);
  return out;
}

void add(amounts& to, const amounts& more) {
  for (const auto& [name, count] : more) to[name] += count;
}
void raise(amounts& to, const amounts& least) {
  for (const auto& [name, count] : least) to[name] = std::max(to[name], count);
}

/// The larger of what runs together and of each init container beside the sidecars before it; and overhead.
void read_requests(const json& spec, pod_facts& out) {
  amounts together, before, peak;
  auto scored = [&out](const amounts& each) {
    const auto cpu = each.find("cpu"), memory = each.find("memory");
    out.cpu_scored += cpu == each.end() || cpu->second == 0 ? cpu_floor : cpu->second;
    out.memory_scored += memory == each.end() || memory->second == 0 ? memory_floor : memory->second;
  };
  for (const auto& each : dig(spec, "containers")) {
    const auto wants = amounts_of(dig(each, "resources", "requests"));
    add(together, wants);
    scored(wants);
  }
  for (const auto& each : dig(spec, "initContainers")) {
    auto wants = amounts_of(dig(each, "resources", "requests"));
    if (dig(each, "restartPolicy") == "Always") {
      add(together, wants);
      add(before, wants);
      scored(wants);
      raise(peak, before);
      continue;
    }
    add(wants, before);
    raise(peak, wants);
  }
  raise(together, peak);
  add(together, amounts_of(dig(spec, "overhead")));
  out.wants = std::move(together);
}

void read_ports(const json& spec, pod_facts& out) {
  for (auto key : {"containers", "initContainers"})
    for (const auto& each : dig(spec, key))
      for (const auto& port : dig(each, "ports"))
        if (const auto& host = dig(port, "hostPort"); host.is_number_integer() && host.get<int>() > 0)
          out.ports.push_back({text_or(dig(port, "hostIP"), "0.0.0.0"), text_or(dig(port, "protocol"), "TCP"), host.get<int>()});
}

pod_term read_pod_term(const json& term, const std::string& ns, std::int64_t weight) {
  pod_term out;
  out.selector = model::label_match::of(dig(term, "labelSelector"));
  out.topology = text_or(dig(term, "topologyKey"));
  out.weight = weight;
  for (const auto& each : dig(term, "namespaces")) out.namespaces.insert(text_or(each));
  const auto& spaces = dig(term, "namespaceSelector");
  out.everywhere = spaces.is_object();   // selectors of namespaces by label are not told apart from "all of them"
  if (out.namespaces.empty() && !out.everywhere) out.namespaces.insert(ns);
  return out;
}

void read_affinity(const json& spec, pod_facts& out) {
  constexpr auto must = "requiredDuringSchedulingIgnoredDuringExecution", may = "preferredDuringSchedulingIgnoredDuringExecution";
  const auto& affinity = dig(spec, "affinity");
  auto weight = [](const json& each) { return dig(each, "weight").is_number_integer() ? each["weight"].get<std::int64_t>() : 1; };
  for (const auto& each : dig(affinity, "podAffinity", must)) out.near.push_back(read_pod_term(each, out.ns, 0));
  for (const auto& each : dig(affinity, "podAntiAffinity", must)) out.away.push_back(read_pod_term(each, out.ns, 0));
  for (const auto& each : dig(affinity, "podAffinity", may))
    out.near_if_possible.push_back(read_pod_term(dig(each, "podAffinityTerm"), out.ns, weight(each)));
  for (const auto& each : dig(affinity, "podAntiAffinity", may))
    out.away_if_possible.push_back(read_pod_term(dig(each, "podAffinityTerm"), out.ns, weight(each)));
}

void read_rest(const json& spec, pod_facts& out) {
  out.where = model::read_placement(spec);
  for (const auto& each : dig(spec, "topologySpreadConstraints")) {
    spread one;
    one.skew_max = dig(each, "maxSkew").is_number_integer() ? each["maxSkew"].get<std::int64_t>() : 1;
    one.topology = text_or(dig(each, "topologyKey"));
    one.hard = dig(each, "whenUnsatisfiable") != "ScheduleAnyway";
    one.selector = model::label_match::of(dig(each, "labelSelector"));
    out.spreads.push_back(std::move(one));
  }
  for (const auto& each : dig(spec, "containers")) out.images.push_back(text_or(dig(each, "image")));
}

}  // namespace

pod_ptr read_pod(const json& pod) {
  auto out = std::make_shared<pod_facts>();
  const auto &meta = dig(pod, "metadata"), &spec = dig(pod, "spec");
  out->ns = text_or(dig(meta, "namespace"));
  out->name = text_or(dig(meta, "name"));
  out->key = out->ns + "/" + out->name;
  out->uid = text_or(dig(meta, "uid"));
  out->version = text_or(dig(meta, "resourceVersion"));
  out->labels = dig(meta, "labels");
  out->node = text_or(dig(spec, "nodeName"));
  const auto& priority = dig(spec, "priority");
  out->priority = priority.is_number_integer() ? priority.get<std::int64_t>() : 0;
  out->preempts = dig(spec, "preemptionPolicy") != "Never";
  out->nominated = text_or(dig(pod, "status", "nominatedNodeName"));
  out->started = text_or(dig(pod, "status", "startTime"));
  const auto phase = text_or(dig(pod, "status", "phase"));
  out->ended = phase == "Succeeded" || phase == "Failed";
  out->leaving = dig(meta, "deletionTimestamp").is_string();
  out->ours = out->node.empty() && !out->leaving && !out->ended && text_or(dig(spec, "schedulerName"), "default-scheduler") == "default-scheduler" &&
              dig(spec, "schedulingGates").empty();
  read_requests(spec, *out);
  read_ports(spec, *out);
  read_affinity(spec, *out);
  read_rest(spec, *out);
  return out;
}

void ledger::put_node(const json& node) {
  const auto name = text_or(dig(node, "metadata", "name"));
  const bool known = nodes_.contains(name);
  auto& to = nodes_[name];
  to.name = name;
  to.labels = dig(node, "metadata", "labels");
  to.unschedulable = dig(node, "spec", "unschedulable") == true;
  to.taints = model::read_taints(node);
  to.allocatable = amounts_of(dig(node, "status", "allocatable"));
  const auto pods = to.allocatable.find("pods");
  to.pods_max = pods == to.allocatable.end() ? 110 : pods->second / 1000;
  to.images.clear();
  for (const auto& image : dig(node, "status", "images"))
    for (const auto& each : dig(image, "names"))
      to.images[text_or(each)] = dig(image, "sizeBytes").is_number_integer() ? dig(image, "sizeBytes").get<std::int64_t>() : 0;
  if (known) return;
  for (const auto& [key, place] : places_)
    if (place.first == name) account(to, *place.second, 1), to.pods[key] = place.second;
  reorder();
}

void ledger::drop_node(const std::string& name) {
  nodes_.erase(name);
  reorder();
}

void ledger::put_pod(const pod_ptr& pod, const std::string& node) {
  drop_pod(pod->key);
  if (pod->ended || node.empty()) return;
  places_[pod->key] = {node, pod};
  if (!pod->away.empty()) loners_[pod->key] = pod;
  if (const auto at = nodes_.find(node); at != nodes_.end()) account(at->second, *pod, 1), at->second.pods[pod->key] = pod;
}

void ledger::drop_pod(const std::string& key) {
  const auto found = places_.find(key);
  if (found == places_.end()) return;
  if (const auto at = nodes_.find(found->second.first); at != nodes_.end()) {
    account(at->second, *found->second.second, -1);
    at->second.pods.erase(key);
  }
  loners_.erase(key);
  places_.erase(found);
}

void ledger::nominate(const pod_ptr& pod, const std::string& node) {
  if (const auto before = nominated_.find(pod->key); before != nominated_.end()) {
    auto& there = nominees_[before->second];
    there.erase(pod->key);
    if (there.empty()) nominees_.erase(before->second);
    nominated_.erase(before);
  }
  if (node.empty()) return;
  nominated_[pod->key] = node;
  nominees_[node][pod->key] = pod;
}

const std::string& ledger::nominated(const std::string& key) const {
  static const std::string nowhere;
  const auto found = nominated_.find(key);
  return found == nominated_.end() ? nowhere : found->second;
}

const std::map<std::string, pod_ptr>* ledger::nominees(const std::string& node) const {
  const auto found = nominees_.find(node);
  return found == nominees_.end() ? nullptr : &found->second;
}

std::optional<node_facts> ledger::with_nominees(const node_facts& node, const pod_facts& pod) const {
  std::optional<node_facts> out;
  const auto* all = nominees(node.name);
  if (all == nullptr) return out;
  for (const auto& [key, other] : *all) {
    if (key == pod.key || other->priority < pod.priority || places_.contains(key)) continue;
    if (!out) out = node;
    account(*out, *other, 1);
    out->pods[key] = other;
  }
  return out;
}

const std::string& ledger::place_of(const std::string& key) const {
  static const std::string nowhere;
  const auto found = places_.find(key);
  return found == places_.end() ? nowhere : found->second.first;
}

void ledger::account(node_facts& at, const pod_facts& pod, int sign) {
  for (const auto& [name, count] : pod.wants) at.used[name] += sign * count;
  at.cpu_scored += sign * pod.cpu_scored;
  at.memory_scored += sign * pod.memory_scored;
}

void ledger::reorder() {
  order_.clear();
  for (const auto& [name, node] : nodes_) order_.push_back(&node);
}

}  // namespace troupe::scheduler
