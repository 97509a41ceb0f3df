#include "actors/controllers/replica_set/replica_set.hpp"

#include <algorithm>

#include "actors/controllers/workshop/pods.hpp"
#include "actors/model/match.hpp"

namespace troupe::controllers {
namespace {

constexpr std::int64_t burst_max = 500;

struct replicas {
  const json& set;
  std::string plural, component;
  model::label_match selector;
  std::vector<object_ptr> active;    // of ours, those that count
};

/// Whom the selector means and nobody owns is ours from now on; whom it does not mean any more is let go.
void settle_owners(const store& all, replicas& of, plan& out) {
  const auto uid = uid_of(of.set);
  stage changes;
  auto pods = controlled(all, "pods", uid);
  out.looked_at = pods.size();
  for (auto& pod : pods) {
    if (!of.selector.matches(dig(*pod, "metadata", "labels"))) {
      if (!is_going(*pod)) changes.push_back(release("pods", *pod, uid));
    } else if (is_active(*pod)) {
      of.active.push_back(std::move(pod));
    }
  }
  if (!is_going(of.set))
    for (const auto& pod : all.orphans("pods", meta(of.set, "namespace")))
      if (is_active(*pod) && of.selector.matches(dig(*pod, "metadata", "labels"))) changes.push_back(adopt("pods", *pod, of.set));
  if (!changes.empty()) out.stages.push_back(std::move(changes));
}

void settle_count(const object_ptr& set, const replicas& of, plan& out) {
  const auto wanted = number(dig(*set, "spec", "replicas"), 1), have = static_cast<std::int64_t>(of.active.size());
  if (have < wanted) {
    std::vector<step> makes;
    const auto pod = pod_of(*set, dig(*set, "spec", "template"));
    for (std::int64_t i = 0; i < std::min(wanted - have, burst_max); ++i) {
      auto one = make_object("pods", meta(*set, "namespace"), pod);
      one.about = set;
      one.done = {"Normal", "SuccessfulCreate", "Created pod: {name}", of.component};
      one.failed = {"Warning", "FailedCreate", "Error creating: {why}", of.component};
      makes.push_back(std::move(one));
    }
    return add_slowly(out, std::move(makes));
  }
  if (have == wanted) return;
  stage removes;
  for (const auto& pod : first_to_go(of.active, static_cast<std::size_t>(std::min(have - wanted, burst_max)))) {
    auto one = remove_object("pods", pod);
    one.about = set;
    one.done = {"Normal", "SuccessfulDelete", "Deleted pod: " + meta(*pod, "name"), of.component};
    removes.push_back(std::move(one));
  }
  out.stages.push_back(std::move(removes));
}

json status_of(const json& set, const replicas& of, const moment& at, plan& out) {
  json status = dig(set, "status").is_object() ? dig(set, "status") : json::object();
  const auto patience = number(dig(set, "spec", "minReadySeconds"));
  std::int64_t full = 0, ready = 0, available = 0;
  const auto& labels = dig(set, "spec", "template", "metadata", "labels");
  const auto whole = labels.empty() ? model::label_match::of(json::object()) : model::label_match::of_map(labels);
  for (const auto& pod : of.active) {
    full += whole.matches(dig(*pod, "metadata", "labels")) ? 1 : 0;
    ready += is_ready(*pod) ? 1 : 0;
    available += is_available(*pod, patience, at.now, &out.again) ? 1 : 0;
  }
  auto count = [&status](const char* name, std::int64_t value) {
    if (value == 0) status.erase(name);
    else status[name] = value;
  };
  status["replicas"] = of.active.size();
  count("fullyLabeledReplicas", full);
  count("readyReplicas", ready);
  count("availableReplicas", available);
  status["observedGeneration"] = number(dig(set, "metadata", "generation"));
  if (!at.failure.empty())
    status["conditions"] = with_condition(dig(status, "conditions"), "ReplicaFailure", "True", "FailedCreate", at.failure, at.now, false);
  else if (status.contains("conditions"))
    std::erase_if(status["conditions"].get_ref<json::array_t&>(), [](const json& each) { return dig(each, "type") == "ReplicaFailure"; });
  if (dig(status, "conditions").empty()) status.erase("conditions");
  return status;
}

}  // namespace

plan decide_replica_set(const store& all, const std::string& plural, const std::string& key, const moment& at) {
  plan out;
  const auto set = all.find(plural, key);
  if (!set) return out;
  const bool old = plural == "replicationcontrollers";
  const auto& selector = dig(*set, "spec", "selector");
  replicas of{*set, plural, old ? "replication-controller" : "replicaset-controller",
              old ? model::label_match::of_map(selector) : model::label_match::of(selector), {}};
  settle_owners(all, of, out);
  // Who was adopted or let go is seen first; then what is missing is made.
  if (!out.stages.empty()) return out;
  auto status = status_of(*set, of, at, out);
  if (status != dig(*set, "status")) out.add(put_status(plural, *set, std::move(status)));
  if (!is_going(*set)) settle_count(set, of, out);
  return out;
}

}  // namespace troupe::controllers
