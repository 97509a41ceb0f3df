#include "actors/controllers/workshop/duties.hpp"

#include <algorithm>

#include "actors/controllers/collector/collector.hpp"
#include "actors/controllers/daemon_set/daemon_set.hpp"
#include "actors/controllers/deployment/deployment.hpp"
#include "actors/controllers/job/job.hpp"
#include "actors/controllers/job/tally.hpp"
#include "actors/controllers/replica_set/replica_set.hpp"
#include "actors/controllers/upkeep/upkeep.hpp"
#include "actors/model/match.hpp"

namespace troupe::controllers {
namespace {

constexpr std::string_view whole[] = {"pods", "nodes", "replicasets", "replicationcontrollers", "deployments", "daemonsets", "jobs",
                                      "controllerrevisions", "poddisruptionbudgets"};
/// Kinds that have a duty of their own, by plural.
struct own_duty { std::string_view plural, role; };
constexpr own_duty own_duties[] = {{"deployments", "deployment"}, {"replicasets", "replica_set"}, {"replicationcontrollers", "replication_controller"},
                                   {"daemonsets", "daemon_set"}, {"jobs", "job"}, {"poddisruptionbudgets", "budget"}, {"pods", "pod_end"}};

std::string role_of_kind(const std::string& kind) {
  if (kind == "Deployment") return "deployment";
  if (kind == "ReplicaSet") return "replica_set";
  if (kind == "ReplicationController") return "replication_controller";
  if (kind == "DaemonSet") return "daemon_set";
  return kind == "Job" ? "job" : "";
}

/// Whoever would take an orphan in: those whose selector means it.
void claimants(const store& all, const char* plural, const char* role, const json& object, std::vector<duty>& out) {
  all.within(plural, meta(object, "namespace"), [&](const std::string& key, const object_ptr& each) {
    const auto& selector = dig(*each, "spec", "selector");
    const auto match = std::string_view(plural) == "replicationcontrollers" ? model::label_match::of_map(selector) : model::label_match::of(selector);
    if (match.matches(dig(object, "metadata", "labels"))) out.push_back({role, key});
  });
}

void of_pod(const store& all, const std::string& key, const json& pod, std::vector<duty>& out) {
  if (has_finalizer(pod, job_finalizer) && !all.find_uid(text_or(dig(controller_of(pod), "uid")))) out.push_back({"job_orphan", key});
  if (controller_of(pod).is_null()) {
    claimants(all, "replicasets", "replica_set", pod, out);
    claimants(all, "replicationcontrollers", "replication_controller", pod, out);
    claimants(all, "daemonsets", "daemon_set", pod, out);
  } else if (const auto set = all.find_uid(text_or(dig(controller_of(pod), "uid"))); set && set->first == "replicasets") {
    // Who recreates waits for the last old pod.
    const auto object = all.find(set->first, set->second);
    const auto deployment = object ? all.find_uid(text_or(dig(controller_of(*object), "uid"))) : std::nullopt;
    if (deployment && dig(*all.find(deployment->first, deployment->second), "spec", "strategy", "type") == "Recreate")
      out.push_back({"deployment", deployment->second});
  }
  claimants(all, "poddisruptionbudgets", "budget", pod, out);
}

}  // namespace

bool follows_whole(std::string_view plural) { return std::ranges::find(whole, plural) != std::end(whole); }
bool follows(std::string_view plural) { return plural != "events" && plural != "leases"; }

std::vector<duty> concerned(const store& all, const std::string& plural, const std::string& key, const json& object, bool gone) {
  std::vector<duty> out;
  for (const auto& each : own_duties)
    if (plural == each.plural) out.push_back({std::string(each.role), key});
  const auto ns = meta(object, "namespace");
  for (const auto& each : dig(object, "metadata", "ownerReferences")) {
    if (dig(each, "controller") == true)
      if (auto role = role_of_kind(text_or(dig(each, "kind"))); !role.empty()) out.push_back({std::move(role), ns + "/" + text_or(dig(each, "name"))});
    // An owner that waits for its dependents.
    if (const auto owner = all.find_uid(text_or(dig(each, "uid")))) {
      const auto known = all.find(owner->first, owner->second);
      if (known && is_going(*known)) out.push_back({"collect", owner->first + "|" + owner->second});
    }
  }
  if (gone) {
    for (const auto& [kind, name] : all.dependents(uid_of(object))) {
      out.push_back({"collect", kind + "|" + name});
      if (plural == "jobs" && kind == "pods") out.push_back({"job_orphan", name});
    }
  } else if (!dig(object, "metadata", "ownerReferences").empty() || has_finalizer(object, "foregroundDeletion") || has_finalizer(object, "orphan")) {
    out.push_back({"collect", plural + "|" + key});
  }
  if (plural == "pods") of_pod(all, key, object, out);
  if (plural == "replicasets" && controller_of(object).is_null()) claimants(all, "deployments", "deployment", object, out);
  if (plural == "nodes") {
    for (const auto& [name, set] : all.all("daemonsets")) out.push_back({"daemon_set", name});
    for (const auto& [name, pod] : all.all("pods"))
      if (dig(*pod, "spec", "nodeName") == key) out.push_back({"pod_end", name});
  }
  return out;
}

plan decide(const store& all, const duty& what, const moment& at) {
  if (what.role == "replica_set") return decide_replica_set(all, "replicasets", what.key, at);
  if (what.role == "replication_controller") return decide_replica_set(all, "replicationcontrollers", what.key, at);
  if (what.role == "deployment") return decide_deployment(all, what.key, at);
  if (what.role == "daemon_set") return decide_daemon_set(all, what.key, at);
  if (what.role == "job") return decide_job(all, what.key, at);
  if (what.role == "job_orphan") return decide_job_orphan(all, what.key);
  if (what.role == "budget") return decide_budget(all, what.key, at);
  if (what.role == "pod_end") return decide_pod_end(all, what.key, at);
  const auto bar = what.key.find('|');
  return decide_collection(all, what.key.substr(0, bar), what.key.substr(bar + 1));
}

}  // namespace troupe::controllers
