#include "actors/controllers/daemon_set/daemon_set.hpp"

#include <algorithm>

#include "actors/controllers/deployment/deployment.hpp"
#include "actors/controllers/workshop/pods.hpp"
#include "actors/model/match.hpp"
#include "actors/model/views/placement.hpp"

namespace troupe::controllers {
namespace {

constexpr const char* component = "daemonset-controller";
constexpr const char* hash_label = "controller-revision-hash";

/// Tolerations that every daemon's pod has: it stays where others have to go.
json with_tolerations(json spec) {
  auto& list = spec["tolerations"];
  if (!list.is_array()) list = json::array();
  struct row { const char *key, *effect; };
  for (const auto& each : {row{"node.kubernetes.io/not-ready", "NoExecute"}, row{"node.kubernetes.io/unreachable", "NoExecute"},
                           row{"node.kubernetes.io/disk-pressure", "NoSchedule"}, row{"node.kubernetes.io/memory-pressure", "NoSchedule"},
                           row{"node.kubernetes.io/pid-pressure", "NoSchedule"}, row{"node.kubernetes.io/unschedulable", "NoSchedule"}})
    list.push_back({{"key", each.key}, {"operator", "Exists"}, {"effect", each.effect}});
  if (dig(spec, "hostNetwork") == true)
    list.push_back({{"key", "node.kubernetes.io/network-unavailable"}, {"operator", "Exists"}, {"effect", "NoSchedule"}});
  return spec;
}

/// The pod that belongs on this very node: the scheduler finds no other for it.
json pod_for(const json& set, const std::string& node, const std::string& hash) {
  auto pod = pod_of(set, dig(set, "spec", "template"));
  pod["metadata"]["labels"][hash_label] = hash;
  pod["spec"] = with_tolerations(std::move(pod["spec"]));
  const json term{{"matchFields", json::array({{{"key", "metadata.name"}, {"operator", "In"}, {"values", json::array({node})}}})}};
  auto& required = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
  if (dig(required, "nodeSelectorTerms").empty()) {
    required = {{"nodeSelectorTerms", json::array({term})}};
  } else {
    for (auto& each : required["nodeSelectorTerms"]) each["matchFields"] = term["matchFields"];
  }
  return pod;
}

/// The node a pod is on or is meant for.
std::string node_of(const json& pod) {
  if (auto node = text_or(dig(pod, "spec", "nodeName")); !node.empty()) return node;
  for (const auto& term : model::read_placement(dig(pod, "spec")).required)
    for (const auto& test : term.fields)
      if (test.key == "metadata.name" && test.values.size() == 1) return test.values[0];
  return {};
}

struct scene {
  const store& all;
  const moment& at;
  object_ptr set;
  std::string hash;
  std::map<std::string, std::vector<object_ptr>> on;   // node to pods of ours, going ones too
  std::int64_t desired = 0, current = 0, misplaced = 0, ready = 0, updated = 0, available = 0;
};

bool ended(const json& pod) {
  const auto phase = text_or(dig(pod, "status", "phase"));
  return phase == "Failed" || phase == "Succeeded";
}
bool is_old(const scene& now, const json& pod) { return text_or(dig(pod, "metadata", "labels", hash_label)) != now.hash; }

/// The template as a ControllerRevision, as kubectl rollout undo reads it.
json revision_of(const scene& now, std::int64_t number) {
  json pod = dig(*now.set, "spec", "template");
  pod["$patch"] = "replace";
  json labels = dig(*now.set, "spec", "template", "metadata", "labels");
  labels[hash_label] = now.hash;
  json notes = dig(*now.set, "metadata", "annotations");
  json made{{"apiVersion", "apps/v1"}, {"kind", "ControllerRevision"},
            {"metadata", {{"name", meta(*now.set, "name") + "-" + now.hash}, {"namespace", meta(*now.set, "namespace")}, {"labels", std::move(labels)},
                          {"ownerReferences", json::array({controller_reference(*now.set)})}}},
            {"data", {{"spec", {{"template", std::move(pod)}}}}}, {"revision", number}};
  if (notes.is_object()) made["metadata"]["annotations"] = std::move(notes);
  return made;
}

void settle_history(const scene& now, plan& out) {
  auto kept = controlled(now.all, "controllerrevisions", uid_of(*now.set));
  std::ranges::stable_sort(kept, [](const auto& a, const auto& b) { return number(dig(*a, "revision")) < number(dig(*b, "revision")); });
  const auto newest = kept.empty() ? 0 : number(dig(*kept.back(), "revision"));
  const auto name = meta(*now.set, "name") + "-" + now.hash;
  const auto mine = std::ranges::find_if(kept, [&](const auto& each) { return meta(*each, "name") == name; });
  if (mine == kept.end()) {
    out.add(make_object("controllerrevisions", meta(*now.set, "namespace"), revision_of(now, newest + 1)));
  } else if (number(dig(**mine, "revision")) < newest) {   // an old template is the present one again
    json next = **mine;
    next["revision"] = newest + 1;
    out.add(put_object("controllerrevisions", std::move(next)));
  }
  auto too_many = static_cast<std::int64_t>(kept.size()) - 1 - number(dig(*now.set, "spec", "revisionHistoryLimit"), 10);
  std::set<std::string> used{now.hash};
  for (const auto& [node, pods] : now.on)
    for (const auto& pod : pods) used.insert(text_or(dig(*pod, "metadata", "labels", hash_label)));
  for (const auto& each : kept) {
    if (too_many <= 0) break;
    if (used.contains(text_or(dig(*each, "metadata", "labels", hash_label)))) continue;
    out.add(remove_object("controllerrevisions", each));
    --too_many;
  }
}

step removal(const scene& now, const object_ptr& pod) {
  auto one = remove_object("pods", pod);
  one.about = now.set;
  one.done = {"Normal", "SuccessfulDelete", "Deleted pod: " + meta(*pod, "name"), component};
  return one;
}

/// Missing ones are made, surplus, failed and misplaced ones go.
void settle_pods(const scene& now, plan& out) {
  std::vector<step> makes;
  stage removes;
  for (const auto& [name, node] : now.all.all("nodes")) {
    const auto place = daemon_fits(*now.set, *node);
    const auto found = now.on.find(name);
    std::vector<object_ptr> alive;
    bool leaving = false;
    if (found != now.on.end())
      for (const auto& pod : found->second) {
        if (is_going(*pod)) leaving = true;
        else if (ended(*pod)) removes.push_back(removal(now, pod)), leaving = true;
        else alive.push_back(pod);
      }
    if (place.should_run && alive.empty() && !leaving) {
      auto one = make_object("pods", meta(*now.set, "namespace"), pod_for(*now.set, name, now.hash));
      one.about = now.set;
      one.done = {"Normal", "SuccessfulCreate", "Created pod: {name}", component};
      one.failed = {"Warning", "FailedCreate", "Error creating: {why}", component};
      makes.push_back(std::move(one));
    }
    if (!place.may_stay)
      for (const auto& pod : alive) removes.push_back(removal(now, pod));
    else if (alive.size() > 1) {
      std::ranges::sort(alive, [](const auto& a, const auto& b) { return meta(*a, "creationTimestamp") < meta(*b, "creationTimestamp"); });
      for (std::size_t i = 1; i < alive.size(); ++i) removes.push_back(removal(now, alive[i]));
    }
  }
  if (!removes.empty()) out.stages.push_back(std::move(removes));
  add_slowly(out, std::move(makes));
}

/// Old pods make room for new ones, as many at a time as may be away.
void settle_templates(const scene& now, plan& out) {
  if (dig(*now.set, "spec", "updateStrategy", "type") != "RollingUpdate") return;
  json as_if = *now.set;
  as_if["spec"]["replicas"] = now.desired;
  as_if["spec"]["strategy"] = {{"rollingUpdate", dig(*now.set, "spec", "updateStrategy", "rollingUpdate")}};
  auto room = std::max<std::int64_t>(1, limits_of(as_if).unavailable) - (now.desired - now.available);
  const auto patience = number(dig(*now.set, "spec", "minReadySeconds"));
  stage removes;
  for (const auto& [node, pods] : now.on)
    for (const auto& pod : pods) {
      if (is_going(*pod) || ended(*pod) || !is_old(now, *pod)) continue;
      const bool works = is_available(*pod, patience, now.at.now);
      if (works && room <= 0) continue;
      if (works) --room;
      removes.push_back(removal(now, pod));
    }
  if (!removes.empty()) out.stages.push_back(std::move(removes));
}

void count(scene& now, plan& out) {
  const auto patience = number(dig(*now.set, "spec", "minReadySeconds"));
  for (const auto& [name, node] : now.all.all("nodes")) {
    const bool wanted = daemon_fits(*now.set, *node).should_run;
    now.desired += wanted ? 1 : 0;
    const auto found = now.on.find(name);
    if (found == now.on.end()) continue;
    const auto oldest = std::ranges::find_if(found->second, [](const auto& pod) { return is_active(*pod); });
    if (oldest == found->second.end()) continue;
    if (!wanted) {
      ++now.misplaced;
      continue;
    }
    ++now.current;
    now.updated += is_old(now, **oldest) ? 0 : 1;
    now.ready += is_ready(**oldest) ? 1 : 0;
    now.available += is_available(**oldest, patience, now.at.now, &out.again) ? 1 : 0;
  }
}

json status_of(const scene& now) {
  json status{{"currentNumberScheduled", now.current}, {"numberMisscheduled", now.misplaced}, {"desiredNumberScheduled", now.desired},
              {"numberReady", now.ready}, {"observedGeneration", number(dig(*now.set, "metadata", "generation"))}};
  auto some = [&status](const char* name, std::int64_t value) {
    if (value != 0) status[name] = value;
  };
  some("updatedNumberScheduled", now.updated);
  some("numberAvailable", now.available);
  some("numberUnavailable", now.desired - now.available);
  for (auto key : {"conditions", "collisionCount"})
    if (const auto& kept = dig(*now.set, "status", key); !kept.is_null()) status[key] = kept;
  return status;
}

}  // namespace

daemon_place daemon_fits(const json& set, const json& node) {
  const auto spec = with_tolerations(dig(set, "spec", "template", "spec"));
  const auto place = model::read_placement(spec);
  const auto wanted_node = text_or(dig(spec, "nodeName"));
  if (!wanted_node.empty() && wanted_node != meta(node, "name")) return {};
  if (!model::selects_node(place, dig(node, "metadata", "labels"), meta(node, "name"))) return {};
  daemon_place out{true, true};
  for (const auto& each : model::read_taints(node)) {
    if (model::tolerates(place.tolerations, each)) continue;
    if (each.effect == "NoSchedule") out.should_run = false;
    if (each.effect == "NoExecute") return {};
  }
  return out;
}

plan decide_daemon_set(const store& all, const std::string& key, const moment& at) {
  plan out;
  const auto set = all.find("daemonsets", key);
  if (!set) return out;
  scene now{all, at, set, template_hash(dig(*set, "spec", "template"), number(dig(*set, "status", "collisionCount"))), {}};
  const auto match = model::label_match::of(dig(*set, "spec", "selector"));
  stage owners;
  auto pods = controlled(all, "pods", uid_of(*set));
  out.looked_at = pods.size() + all.all("nodes").size();
  for (auto& pod : pods) {
    if (!match.matches(dig(*pod, "metadata", "labels")) && !is_going(*pod)) owners.push_back(release("pods", *pod, uid_of(*set)));
    else now.on[node_of(*pod)].push_back(std::move(pod));
  }
  if (!is_going(*set))
    for (const auto& pod : all.orphans("pods", meta(*set, "namespace")))
      if (!is_going(*pod) && match.matches(dig(*pod, "metadata", "labels"))) owners.push_back(adopt("pods", *pod, *set));
  if (!owners.empty()) return out.stages.push_back(std::move(owners)), out;
  count(now, out);
  if (!is_going(*set)) {
    settle_history(now, out);
    settle_pods(now, out);
    if (out.stages.empty()) settle_templates(now, out);
  }
  if (auto status = status_of(now); status != dig(*set, "status")) out.add(put_status("daemonsets", *set, std::move(status)));
  return out;
}

}  // namespace troupe::controllers
