// Defaults of the kinds that make pods (pkg/apis/{apps,batch,core}/v1/defaults.go and the strategies' PrepareForCreate).
#include "actors/apiserver/resources/rules/parts.hpp"

namespace troupe::apiserver::rules {
namespace {

void set_missing(json& object, const char* key, json value) {
  auto& slot = object[key];
  if (slot.is_null()) slot = std::move(value);
}

json& spec_of(json& object) {
  auto& spec = object["spec"];
  if (!spec.is_object()) spec = json::object();
  return spec;
}

void template_defaults(json& spec) {
  auto& pod = spec["template"];
  if (!pod.is_object()) pod = json::object();
  set_missing(pod, "metadata", json::object());
  fill_template_defaults(pod);
}

/// "25%" and 1 are what Kubernetes calls an IntOrString.
void rolling_defaults(json& strategy, json unavailable, json surge) {
  set_missing(strategy, "type", "RollingUpdate");
  if (strategy["type"] != "RollingUpdate") return;
  auto& rolling = strategy["rollingUpdate"];
  if (!rolling.is_object()) rolling = json::object();
  set_missing(rolling, "maxUnavailable", std::move(unavailable));
  set_missing(rolling, "maxSurge", std::move(surge));
}

void deployment_defaults(json& spec) {
  set_missing(spec, "replicas", 1);
  rolling_defaults(spec["strategy"], "25%", "25%");
  set_missing(spec, "revisionHistoryLimit", 10);
  set_missing(spec, "progressDeadlineSeconds", 600);
}

void daemon_set_defaults(json& spec) {
  rolling_defaults(spec["updateStrategy"], 1, 0);
  set_missing(spec, "revisionHistoryLimit", 10);
}

void stateful_set_defaults(json& spec) {
  set_missing(spec, "replicas", 1);
  set_missing(spec, "podManagementPolicy", "OrderedReady");
  set_missing(spec, "revisionHistoryLimit", 10);
  set_missing(spec, "persistentVolumeClaimRetentionPolicy", json::object());
  for (auto key : {"whenDeleted", "whenScaled"}) set_missing(spec["persistentVolumeClaimRetentionPolicy"], key, "Retain");
  auto& strategy = spec["updateStrategy"];
  set_missing(strategy, "type", "RollingUpdate");
  if (strategy["type"] != "RollingUpdate") return;
  if (!dig(strategy, "rollingUpdate").is_object()) strategy["rollingUpdate"] = json::object();
  set_missing(strategy["rollingUpdate"], "partition", 0);
}

void job_spec_defaults(json& spec) {
  const bool neither = dig(spec, "completions").is_null() && dig(spec, "parallelism").is_null();
  if (neither) spec["completions"] = 1;
  set_missing(spec, "parallelism", 1);
  set_missing(spec, "backoffLimit", dig(spec, "backoffLimitPerIndex").is_null() ? 6 : 2147483647);
  set_missing(spec, "completionMode", "NonIndexed");
  set_missing(spec, "suspend", false);
  set_missing(spec, "manualSelector", false);
  set_missing(spec, "podReplacementPolicy", dig(spec, "podFailurePolicy").is_object() ? "Failed" : "TerminatingOrFailed");
}

/// An object without labels has its template's.
void labels_of_template(json& object) {
  const auto& wanted = dig(object, "spec", "template", "metadata", "labels");
  if (wanted.is_object() && !wanted.empty() && dig(object, "metadata", "labels").empty())
    object["metadata"]["labels"] = json(wanted);
}

void cron_job_defaults(json& spec) {
  set_missing(spec, "concurrencyPolicy", "Allow");
  set_missing(spec, "suspend", false);
  set_missing(spec, "successfulJobsHistoryLimit", 3);
  set_missing(spec, "failedJobsHistoryLimit", 1);
  if (!dig(spec, "jobTemplate").is_object()) spec["jobTemplate"] = json::object();
  auto& inner = spec_of(spec["jobTemplate"]);
  template_defaults(inner);
}

bool fill_apps(const schema::kind& kind, json& object) {
  if (kind.group != "apps" || kind.name == "ControllerRevision") return kind.group == "apps";
  auto& spec = spec_of(object);
  template_defaults(spec);
  if (kind.name == "Deployment") deployment_defaults(spec);
  if (kind.name == "ReplicaSet") set_missing(spec, "replicas", 1);
  if (kind.name == "DaemonSet") daemon_set_defaults(spec);
  if (kind.name == "StatefulSet") stateful_set_defaults(spec);
  if (kind.name == "ReplicaSet") labels_of_template(object);
  return true;
}

/// A job's pods are told from others' by its uid, which exists only now.
void give_job_selector(json& object, const std::string& uid, const std::string& name) {
  auto& spec = object["spec"];
  if (dig(spec, "manualSelector") == true) return;
  auto& labels = spec["template"]["metadata"]["labels"];
  if (!labels.is_object()) labels = json::object();
  for (auto key : {"batch.kubernetes.io/controller-uid", "controller-uid"}) labels[key] = uid;
  for (auto key : {"batch.kubernetes.io/job-name", "job-name"}) labels[key] = name;
  if (!dig(spec, "selector").is_object()) spec["selector"] = json::object();
  spec["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] = uid;
}

void identify_request(json& object, const write_context& ctx) {
  auto& spec = object["spec"];
  for (auto key : {"uid", "extra"}) spec.erase(key);
  spec["username"] = ctx.user;
  spec["groups"] = ctx.groups;
}

/// A pod stays five minutes on a node that is not ready or away, unless it says something else (DefaultTolerationSeconds).
void tolerate_for_a_while(json& pod) {
  constexpr int seconds = 300;
  auto& list = pod["spec"]["tolerations"];
  if (!list.is_array()) list = json::array();
  for (auto key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    bool said = false;
    for (const auto& each : list) {
      const auto theirs = text_or(dig(each, "key")), effect = text_or(dig(each, "effect"));
      said = said || ((theirs == key || theirs.empty()) && (effect == "NoExecute" || effect.empty()));
    }
    if (!said) list.push_back({{"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", seconds}});
  }
}

struct first_status { const char *group, *kind, *text; };
constexpr first_status first_statuses[] = {
    {"apps", "Deployment", "{}"},
    {"apps", "ReplicaSet", R"({"replicas":0})"},
    {"apps", "DaemonSet", R"({"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0})"},
    {"apps", "StatefulSet", R"({"replicas":0,"availableReplicas":0})"},
    {"batch", "Job", "{}"},
    {"batch", "CronJob", "{}"},
    {"certificates.k8s.io", "CertificateSigningRequest", "{}"},
    {"policy", "PodDisruptionBudget", R"({"currentHealthy":0,"desiredHealthy":0,"disruptionsAllowed":0,"expectedPods":0})"},
    {"", "ReplicationController", R"({"replicas":0})"},
    {"", "ResourceQuota", "{}"},
    {"", "PersistentVolume", R"({"phase":"Pending"})"},
    {"", "PersistentVolumeClaim", R"({"phase":"Pending"})"},
    {"networking.k8s.io", "Ingress", R"({"loadBalancer":{}})"},
    {"autoscaling", "HorizontalPodAutoscaler", R"({"desiredReplicas":0})"},
};

}  // namespace

bool fill_workload_defaults(const schema::kind& kind, json& object, bool creating) {
  if (fill_apps(kind, object)) return true;
  if (kind.group == "batch" && kind.name == "Job") {
    template_defaults(spec_of(object));
    job_spec_defaults(object["spec"]);
    if (creating) labels_of_template(object);
    return true;
  }
  if (kind.group == "batch") return cron_job_defaults(spec_of(object)), true;
  if (!kind.group.empty()) return false;
  if (kind.name == "PodTemplate") {
    if (!dig(object, "template").is_object()) object["template"] = json::object();
    return fill_template_defaults(object["template"]), true;
  }
  if (kind.name != "ReplicationController") return false;
  auto& spec = spec_of(object);
  set_missing(spec, "replicas", 1);
  template_defaults(spec);
  const auto& labels = dig(spec, "template", "metadata", "labels");
  if (labels.is_object() && !labels.empty() && dig(spec, "selector").empty()) spec["selector"] = json(labels);
  labels_of_template(object);
  return true;
}

void complete_creation(const schema::kind& kind, json& object, const write_context& ctx) {
  if (kind.group == "batch" && kind.name == "Job" && dig(object, "spec").is_object())
    give_job_selector(object, ctx.uid, text_or(dig(object, "metadata", "name")));
  if (kind.group.empty() && kind.name == "Pod" && dig(object, "spec").is_object()) tolerate_for_a_while(object);
  if (kind.name == "CertificateSigningRequest" && dig(object, "spec").is_object()) identify_request(object, ctx);
}

json initial_status(const schema::kind& kind) {
  for (const auto& each : first_statuses)
    if (kind.group == each.group && kind.name == each.kind) return json::parse(each.text, nullptr, false);
  return nullptr;
}

}  // namespace troupe::apiserver::rules
