// What must hold for the kinds that make pods (pkg/apis/{apps,batch,core}/validation).
#include <algorithm>

#include "actors/apiserver/resources/rules/parts.hpp"
#include "actors/model/match.hpp"

namespace troupe::apiserver::rules {
namespace {

constexpr std::string_view not_negative = "must be greater than or equal to 0";
constexpr std::string_view immutable = "field is immutable";
constexpr std::size_t cron_name_max = 52;

void check_not_negative(const json& object, const char* key, const std::string& under, causes& out) {
  const auto& value = dig(object, key);
  if (value.is_number_integer() && value.get<std::int64_t>() < 0)
    out.push_back(invalid_value(under + "." + key, value, std::string(not_negative)));
}

void check_choice(const json& value, const std::string& at, const std::vector<std::string>& allowed, causes& out) {
  if (!value.is_null() && std::ranges::find(allowed, text_or(value)) == allowed.end())
    out.push_back(not_supported(at, value, allowed));
}

/// A number or a percentage, not negative.
void check_share(const json& value, const std::string& at, causes& out) {
  if (value.is_number_integer() && value.get<std::int64_t>() < 0)
    out.push_back(invalid_value(at, value, std::string(not_negative)));
  if (!value.is_string()) return;
  const auto& text = value.get_ref<const std::string&>();
  const bool percent = text.size() > 1 && text.back() == '%' &&
                       std::all_of(text.begin(), text.end() - 1, [](char c) { return c >= '0' && c <= '9'; });
  if (!percent)
    out.push_back(invalid_value(at, value, "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
                                           "'93%', regex used for validation is '[0-9]+%')"));
}

bool is_none(const json& value) { return value == 0 || value == "0%"; }

void check_template(const json& spec, const std::string& under, const char* only_policy, causes& out) {
  const auto at = under + ".template";
  check_pod_spec(dig(spec, "template", "spec"), at + ".spec", out);
  if (!only_policy) return;
  const auto& policy = dig(spec, "template", "spec", "restartPolicy");
  if (policy != only_policy) out.push_back(not_supported(at + ".spec.restartPolicy", policy, {only_policy}));
  if (!dig(spec, "template", "spec", "activeDeadlineSeconds").is_null())
    out.push_back(forbidden_value(at + ".spec.activeDeadlineSeconds", "activeDeadlineSeconds in ReplicaSet is not Supported"));
}

/// The selector is there, well formed, not empty, and means the template's pods.
void check_selector(const json& spec, std::string_view noun, causes& out) {
  const auto& selector = dig(spec, "selector");
  const auto& labels = dig(spec, "template", "metadata", "labels");
  if (!selector.is_object()) {
    out.push_back(required_value("spec.selector"));
    out.push_back(invalid_value("spec.template.metadata.labels", labels.is_null() ? json::object() : labels,
                                "`selector` does not match template `labels`"));
    return;
  }
  std::string where;
  if (auto why = model::label_match_problem(selector, where); !why.empty()) {
    out.push_back(invalid_value("spec.selector." + where, selector, why));
    return;
  }
  const auto match = model::label_match::of(selector);
  if (match.empty())
    out.push_back(invalid_value("spec.selector", selector, "empty selector is invalid for " + std::string(noun)));
  else if (!match.matches(labels))
    out.push_back(invalid_value("spec.template.metadata.labels", labels.is_null() ? json::object() : labels,
                                "`selector` does not match template `labels`"));
}

void check_rolling(const json& strategy, const std::string& at, bool percent_max, causes& out) {
  if (dig(strategy, "type") != "RollingUpdate") {
    if (!dig(strategy, "rollingUpdate").is_null())
      out.push_back(forbidden_value(at + ".rollingUpdate",
                                    "may not be specified when strategy `type` is '" + text_or(dig(strategy, "type")) + "'"));
    return;
  }
  const auto &unavailable = dig(strategy, "rollingUpdate", "maxUnavailable"), &surge = dig(strategy, "rollingUpdate", "maxSurge");
  check_share(unavailable, at + ".rollingUpdate.maxUnavailable", out);
  check_share(surge, at + ".rollingUpdate.maxSurge", out);
  if (percent_max && is_none(unavailable) && is_none(surge))
    out.push_back(invalid_value(at + ".rollingUpdate.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"));
}

void check_deployment(const json& spec, causes& out) {
  check_not_negative(spec, "replicas", "spec", out);
  check_selector(spec, "deployment", out);
  check_template(spec, "spec", "Always", out);
  check_choice(dig(spec, "strategy", "type"), "spec.strategy.type", {"Recreate", "RollingUpdate"}, out);
  check_rolling(dig(spec, "strategy"), "spec.strategy", true, out);
  for (auto key : {"minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"}) check_not_negative(spec, key, "spec", out);
  if (number_or(dig(spec, "progressDeadlineSeconds"), 600) <= number_or(dig(spec, "minReadySeconds"), 0))
    out.push_back(invalid_value("spec.progressDeadlineSeconds", dig(spec, "progressDeadlineSeconds"), "must be greater than minReadySeconds"));
}

void check_apps(const schema::kind& kind, const json& object, causes& out) {
  const auto& spec = dig(object, "spec");
  if (kind.name == "ControllerRevision") {
    check_not_negative(object, "revision", "", out);
    return;
  }
  if (kind.name == "Deployment") return check_deployment(spec, out);
  const auto* noun = kind.name == "ReplicaSet" ? "replicaset" : kind.name == "DaemonSet" ? "daemonset" : "statefulset";
  check_selector(spec, noun, out);
  check_template(spec, "spec", "Always", out);
  for (auto key : {"replicas", "minReadySeconds", "revisionHistoryLimit"}) check_not_negative(spec, key, "spec", out);
  if (kind.name == "ReplicaSet") return;
  check_choice(dig(spec, "updateStrategy", "type"), "spec.updateStrategy.type", {"OnDelete", "RollingUpdate"}, out);
  if (kind.name == "DaemonSet") return check_rolling(dig(spec, "updateStrategy"), "spec.updateStrategy", true, out);
  check_choice(dig(spec, "podManagementPolicy"), "spec.podManagementPolicy", {"OrderedReady", "Parallel"}, out);
}

void check_job_spec(const json& spec, const std::string& under, causes& out) {
  for (auto key : {"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "backoffLimitPerIndex",
                   "maxFailedIndexes"})
    check_not_negative(spec, key, under, out);
  check_template(spec, under, nullptr, out);
  const auto policy = text_or(dig(spec, "template", "spec", "restartPolicy"));
  if (policy == "Always" || policy.empty())
    out.push_back(required_value(under + ".template.spec.restartPolicy", "valid values: \"OnFailure\", \"Never\""));
  check_choice(dig(spec, "completionMode"), under + ".completionMode", {"Indexed", "NonIndexed"}, out);
  if (dig(spec, "completionMode") == "Indexed" && dig(spec, "completions").is_null())
    out.push_back(required_value(under + ".completions", "when completion mode is Indexed"));
  check_job_policies(spec, under, out);
}

void check_job(const json& object, causes& out) {
  const auto& spec = dig(object, "spec");
  check_job_spec(spec, "spec", out);
  if (!dig(spec, "selector").is_object()) out.push_back(required_value("spec.selector"));
  else if (!model::label_match::of(dig(spec, "selector")).matches(dig(spec, "template", "metadata", "labels")))
    out.push_back(invalid_value("spec.template.metadata.labels", dig(spec, "template", "metadata", "labels"),
                                "`selector` does not match template `labels`"));
}

void check_cron_job(const json& object, causes& out) {
  const auto& spec = dig(object, "spec");
  if (text_or(dig(object, "metadata", "name")).size() > cron_name_max)
    out.push_back(invalid_value("metadata.name", dig(object, "metadata", "name"), "must be no more than 52 characters"));
  const auto schedule = text_or(dig(spec, "schedule"));
  const auto words = std::count(schedule.begin(), schedule.end(), ' ') + 1;
  if (schedule.empty()) out.push_back(required_value("spec.schedule"));
  else if (schedule.front() != '@' && words < 5)
    out.push_back(invalid_value("spec.schedule", schedule, "expected exactly 5 fields, found " + std::to_string(words) + ": [" + schedule + "]"));
  check_choice(dig(spec, "concurrencyPolicy"), "spec.concurrencyPolicy", {"Allow", "Forbid", "Replace"}, out);
  for (auto key : {"startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"}) check_not_negative(spec, key, "spec", out);
  check_job_spec(dig(spec, "jobTemplate", "spec"), "spec.jobTemplate.spec", out);
}

void check_replication_controller(const json& object, causes& out) {
  const auto& spec = dig(object, "spec");
  check_not_negative(spec, "replicas", "spec", out);
  check_not_negative(spec, "minReadySeconds", "spec", out);
  check_template(spec, "spec", "Always", out);
  if (dig(spec, "selector").empty()) out.push_back(required_value("spec.selector"));
  else if (!model::label_match::of_map(dig(spec, "selector")).matches(dig(spec, "template", "metadata", "labels")))
    out.push_back(invalid_value("spec.template.metadata.labels", dig(spec, "template", "metadata", "labels"),
                                "`selector` does not match template `labels`"));
}

void check_same(const json& old, const json& now, const char* key, causes& out) {
  if (dig(old, "spec", key) != dig(now, "spec", key))
    out.push_back(invalid_value(std::string("spec.") + key, dig(now, "spec", key), std::string(immutable)));
}

/// What of a StatefulSet may change.
constexpr const char* stateful_words =
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
    "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

void check_stateful_change(const json& old, const json& now, causes& out) {
  auto fixed = [](json spec) {
    for (auto key : {"replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy",
                     "minReadySeconds"})
      if (spec.is_object()) spec.erase(key);
    return spec;
  };
  if (fixed(dig(old, "spec")) != fixed(dig(now, "spec"))) out.push_back(forbidden_value("spec", stateful_words));
}

}  // namespace

bool check_workload(const schema::kind& kind, const json& object, causes& out) {
  if (kind.group == "apps") return check_apps(kind, object, out), true;
  if (kind.group == "batch") return kind.name == "Job" ? check_job(object, out) : check_cron_job(object, out), true;
  if (!kind.group.empty()) return false;
  if (kind.name == "ReplicationController") return check_replication_controller(object, out), true;
  if (kind.name != "PodTemplate") return false;
  return check_pod_spec(dig(object, "template", "spec"), "template.spec", out), true;
}

void check_workload_change(const schema::kind& kind, const json& old, const json& now, causes& out) {
  if (kind.group == "batch" && kind.name == "Job") {
    for (auto key : {"completions", "selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"})
      if (std::string_view(key) != "completions" || dig(now, "spec", "completionMode") != "Indexed") check_same(old, now, key, out);
    const bool startable = dig(old, "spec", "suspend") == true && dig(old, "status", "startTime").is_null();
    if (!startable) check_same(old, now, "template", out);
    return;
  }
  if (kind.group != "apps") return;
  if (kind.name == "ControllerRevision") {
    if (dig(old, "data") != dig(now, "data")) out.push_back(invalid_value("data", dig(now, "data"), std::string(immutable)));
    return;
  }
  if (kind.name == "StatefulSet") return check_stateful_change(old, now, out);
  check_same(old, now, "selector", out);
}

}  // namespace troupe::apiserver::rules
