#include "actors/controllers/job/job.hpp"

#include <algorithm>

#include "actors/controllers/job/tally.hpp"
#include "actors/controllers/workshop/pods.hpp"

namespace troupe::controllers {
namespace {

constexpr const char* component = "job-controller";
constexpr std::int64_t burst_max = 500;
constexpr duration delay_first = std::chrono::seconds(10), delay_max = std::chrono::minutes(10);

bool is_suspended(const json& job) { return dig(job, "spec", "suspend") == true; }
bool was_suspended(const json& job) { return dig(condition(job, "Suspended"), "status") == "True"; }
void sooner(plan& out, duration wait) { out.again = out.again ? std::min(*out.again, wait) : wait; }

// --- its end ---------------------------------------------------------------------------------------------

/// Restarts of containers that are restarted in place count, too, where pods do not fail.
bool restarts_too_often(const job_tally& now, std::int64_t limit) {
  if (dig(now.spec(), "template", "spec", "restartPolicy") != "OnFailure") return false;
  std::int64_t restarts = 0;
  for (const auto& pod : now.active)
    for (auto list : {"initContainerStatuses", "containerStatuses"})
      for (const auto& each : dig(*pod, "status", list)) restarts += number(dig(each, "restartCount"));
  return limit == 0 ? restarts > 0 : restarts >= limit;
}

std::optional<job_end> end_of_indexes(const job_tally& now) {
  if (!now.per_index || now.lost.empty()) return std::nullopt;
  const auto& most = dig(now.spec(), "maxFailedIndexes");
  const auto lost = static_cast<std::int64_t>(now.lost.size());
  if (most.is_number_integer() && lost > number(most)) return job_end{"Failed", "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"};
  if (static_cast<std::int64_t>(now.done.size()) + lost >= number(dig(now.spec(), "completions"))) return job_end{"Failed", "FailedIndexes", "Job has failed indexes"};
  return std::nullopt;
}

std::optional<job_end> judge(const job_tally& now, const moment& at, plan& out) {
  if (auto known = known_end(*now.job)) return known;
  if (!now.ended_by_policy.empty()) return job_end{"Failed", "PodFailurePolicy", now.ended_by_policy};
  const auto limit = number(dig(now.spec(), "backoffLimit"), 6);
  if (now.failed > limit || restarts_too_often(now, limit)) return job_end{"Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"};
  const auto& deadline = dig(now.spec(), "activeDeadlineSeconds");
  const auto began = parse_rfc3339(text_or(dig(*now.job, "status", "startTime")));
  if (deadline.is_number_integer() && began && !is_suspended(*now.job) && !was_suspended(*now.job)) {
    const auto left = duration(*began + std::chrono::seconds(number(deadline)) - at.now);
    if (left <= duration::zero()) return job_end{"Failed", "DeadlineExceeded", "Job was active longer than specified deadline"};
    out.again = left;
  }
  if (auto end = end_of_indexes(now)) return end;
  if (now.indexed)
    if (auto end = early_success(*now.job, now.done)) return end;
  const auto& wanted = dig(now.spec(), "completions");
  const bool complete = wanted.is_number_integer() ? now.succeeded >= number(wanted) : now.succeeded > 0;
  if (complete && now.active.empty() && now.going.empty()) return job_end{"Complete", "CompletionsReached", "Reached expected number of succeeded pods"};
  return std::nullopt;
}

// --- pods ------------------------------------------------------------------------------------------------

/// How many pods shall run now.
std::int64_t wanted_active(const job_tally& now) {
  if (is_suspended(*now.job)) return 0;
  const auto parallel = number(dig(now.spec(), "parallelism"), 1);
  const auto& completions = dig(now.spec(), "completions");
  if (!completions.is_number_integer()) return now.succeeded > 0 ? static_cast<std::int64_t>(now.active.size()) : parallel;
  return std::max<std::int64_t>(0, std::min(parallel, number(completions) - now.succeeded - static_cast<std::int64_t>(now.lost.size())));
}

json pod_with_index(const json& job, std::int64_t index) {
  auto pod = pod_of(job, dig(job, "spec", "template"));
  const auto text = std::to_string(index);
  pod["metadata"]["annotations"][index_note] = text;
  pod["metadata"]["labels"][index_note] = text;
  pod["metadata"]["generateName"] = meta(job, "name") + "-" + text + "-";
  pod["spec"]["hostname"] = (meta(job, "name") + "-" + text).substr(0, 63);
  for (auto list : {"containers", "initContainers"})
    if (dig(pod, "spec", list).is_array())
      for (auto& each : pod["spec"][list]) {
        if (!dig(each, "env").is_array()) each["env"] = json::array();
        each["env"].push_back({{"name", "JOB_COMPLETION_INDEX"}, {"value", text}});
      }
  return pod;
}

json next_pod(const job_tally& now, std::int64_t index) {
  auto pod = now.indexed ? pod_with_index(*now.job, index) : pod_of(*now.job, dig(now.spec(), "template"));
  auto& metadata = pod["metadata"];
  if (!dig(metadata, "finalizers").is_array()) metadata["finalizers"] = json::array();
  metadata["finalizers"].push_back(job_finalizer);
  if (!now.per_index) return pod;
  std::int64_t failures = 0, ignored = 0;
  if (const auto last = now.before.find(index); last != now.before.end()) {
    failures = noted(*last->second, failures_note), ignored = noted(*last->second, ignored_note);
    ++(meaning_of_failure(*now.job, *last->second).counts ? failures : ignored);
  }
  metadata["annotations"][failures_note] = std::to_string(failures);
  if (ignored > 0) metadata["annotations"][ignored_note] = std::to_string(ignored);
  return pod;
}

/// 10 s after the first failure, doubled with each, at most ten minutes, from the pod's end.
std::optional<duration> delay_left(std::int64_t failures, const std::optional<wall_time>& last, const moment& at) {
  if (failures == 0 || !last) return std::nullopt;
  duration wait = delay_first;
  for (std::int64_t i = 1; i < failures && wait < delay_max; ++i) wait *= 2;
  const auto left = duration(*last + std::min(wait, delay_max) - at.now);
  return left > duration::zero() ? std::optional(left) : std::nullopt;
}

/// Of the job as a whole: by its failures since a pod of it has succeeded.
std::optional<duration> backoff(const job_tally& now, const moment& at) {
  if (now.per_index) return std::nullopt;
  std::optional<wall_time> last;
  std::int64_t failures = 0;
  for (const auto& pod : now.failures) {
    const auto ended = ended_at(*pod);
    if (!ended || (now.last_success && *ended <= *now.last_success)) continue;
    ++failures;
    if (!last || *ended > *last) last = ended;
  }
  return delay_left(failures, last, at);
}
std::optional<duration> backoff(const job_tally& now, std::int64_t index, const moment& at) {
  const auto found = now.before.find(index);
  if (found == now.before.end()) return std::nullopt;
  return delay_left(noted(*found->second, failures_note) + noted(*found->second, ignored_note) + 1, ended_at(*found->second), at);
}

/// The indexes that get a pod now, at most `most`; in a job without them as many zeros.
std::vector<std::int64_t> free_indexes(const job_tally& now, std::int64_t most, const moment& at, plan& out) {
  if (!now.indexed) return std::vector<std::int64_t>(static_cast<std::size_t>(most));
  std::vector<std::int64_t> free;
  const auto end = number(dig(now.spec(), "completions"));
  for (std::int64_t i = 0; i < end && static_cast<std::int64_t>(free.size()) < most; ++i) {
    if (now.done.contains(i) || now.busy.contains(i) || now.lost.contains(i)) continue;
    if (const auto wait = backoff(now, i, at)) sooner(out, *wait);
    else free.push_back(i);
  }
  return free;
}

step remove_pod(const job_tally& now, const object_ptr& pod) {
  auto one = remove_object("pods", pod);
  one.about = now.job;
  one.done = {"Normal", "SuccessfulDelete", "Deleted pod: " + meta(*pod, "name"), component};
  return one;
}

void settle_pods(const job_tally& now, const moment& at, plan& out) {
  const auto wanted = wanted_active(now), have = static_cast<std::int64_t>(now.active.size());
  if (have > wanted) {
    stage releases, removes;   // what the job itself does not want any more has not failed
    for (const auto& pod : first_to_go(now.active, static_cast<std::size_t>(have - wanted))) {
      if (has_finalizer(*pod, job_finalizer)) releases.push_back(release_pod(*pod));
      removes.push_back(remove_pod(now, pod));
    }
    if (!releases.empty()) out.stages.push_back(std::move(releases));
    return out.stages.push_back(std::move(removes));
  }
  const auto missing = std::min(wanted - have - static_cast<std::int64_t>(now.going.size()), burst_max);
  if (missing <= 0) return;
  if (const auto wait = backoff(now, at)) return sooner(out, *wait);
  std::vector<step> makes;
  for (const auto index : free_indexes(now, missing, at, out)) {
    auto one = make_object("pods", meta(*now.job, "namespace"), next_pod(now, index));
    one.about = now.job;
    one.done = {"Normal", "SuccessfulCreate", "Created pod: {name}", component};
    one.failed = {"Warning", "FailedCreate", "Error creating: {why}", component};
    makes.push_back(std::move(one));
  }
  add_slowly(out, std::move(makes));
}

// --- status ----------------------------------------------------------------------------------------------

void set_suspended(const json& job, json& status, const moment& at) {
  const bool now = is_suspended(job), before = was_suspended(job);
  if (now && !before) status["conditions"] = with_condition(dig(status, "conditions"), "Suspended", "True", "JobSuspended", "Job suspended", at.now, false);
  if (!now && before) {
    status["conditions"] = with_condition(dig(status, "conditions"), "Suspended", "False", "JobResumed", "Job resumed", at.now, false);
    status["startTime"] = to_rfc3339(at.now);   // its deadline counts from here
  }
  if (!now && !status.contains("startTime")) status["startTime"] = to_rfc3339(at.now);
}

void set_end(const job_end& end, bool last, json& status, const moment& at) {
  const auto set = [&](const char* type) { status["conditions"] = with_condition(dig(status, "conditions"), type, "True", end.reason, end.message, at.now, false); };
  set(end.type == "Complete" ? "SuccessCriteriaMet" : "FailureTarget");
  if (!last) return;
  set(end.type.c_str());
  if (end.type == "Complete") status["completionTime"] = to_rfc3339(at.now);
}

/// Whether nothing has to be waited for: no pod runs, and all are counted.
bool is_settled(const job_tally& now) {
  return now.active.empty() && now.terminating == 0 && now.noted_succeeded.empty() && now.noted_failed.empty() && now.released.empty();
}

json status_of(const job_tally& now, const std::optional<job_end>& end, const moment& at) {
  json status = dig(*now.job, "status").is_object() ? dig(*now.job, "status") : json::object();
  auto count = [&status](const char* name, std::int64_t value) {
    if (value == 0) status.erase(name);
    else status[name] = value;
  };
  if (!end) set_suspended(*now.job, status, at);
  const auto active = static_cast<std::int64_t>(now.active.size());
  count("active", end ? 0 : active);
  count("succeeded", now.counted_succeeded);
  count("failed", now.counted_failed);
  status["ready"] = end ? 0 : now.ready;
  status["terminating"] = now.terminating + (end ? active : 0);
  status["uncountedTerminatedPods"] = json::object();
  if (!now.noted_succeeded.empty()) status["uncountedTerminatedPods"]["succeeded"] = now.noted_succeeded;
  if (!now.noted_failed.empty()) status["uncountedTerminatedPods"]["failed"] = now.noted_failed;
  if (now.indexed) status["completedIndexes"] = print_indexes({now.done.begin(), now.done.end()});
  if (now.per_index) status["failedIndexes"] = print_indexes({now.lost.begin(), now.lost.end()});
  if (end) set_end(*end, is_settled(now), status, at);
  return status;
}

/// What is said when the status is written.
model::event_words news(const job_tally& now, const std::optional<job_end>& end, const json& status) {
  if (end) {
    if (dig(condition({{"status", status}}, end->type), "status") != "True") return {};
    if (end->type == "Complete") return {"Normal", "Completed", "Job completed", component};
    return {"Warning", end->reason, end->message, component};
  }
  if (is_suspended(*now.job) == was_suspended(*now.job)) return {};
  if (is_suspended(*now.job)) return {"Normal", "Suspended", "Job suspended", component};
  return {"Normal", "Resumed", "Job resumed", component};
}

// --- the whole -------------------------------------------------------------------------------------------

/// A finished job whose time after that is over goes.
void settle_end(const job_tally& now, const moment& at, plan& out) {
  const auto& life = dig(now.spec(), "ttlSecondsAfterFinished");
  if (!life.is_number_integer()) return;
  const auto& last = dig(condition(*now.job, "Complete"), "status") == "True" ? condition(*now.job, "Complete") : condition(*now.job, "Failed");
  const auto ended = parse_rfc3339(text_or(dig(last, "lastTransitionTime")));
  if (!ended) return;
  const auto left = duration(*ended + std::chrono::seconds(number(life)) - at.now);
  if (left <= duration::zero()) out.add(remove_object("jobs", now.job, "Foreground"));
  else out.again = left;
}

void release_all(const std::vector<object_ptr>& pods, plan& out) {
  stage releases;
  for (const auto& pod : pods)
    if (has_finalizer(*pod, job_finalizer)) releases.push_back(release_pod(*pod));
  if (!releases.empty()) out.stages.push_back(std::move(releases));
}
void remove_active(const job_tally& now, plan& out) {
  stage removes;
  for (const auto& pod : now.active) removes.push_back(remove_pod(now, pod));
  if (!removes.empty()) out.stages.push_back(std::move(removes));
}

}  // namespace

plan decide_job(const store& all, const std::string& key, const moment& at) {
  plan out;
  const auto job = all.find("jobs", key);
  if (!job) return out;
  if (const auto manager = text_or(dig(*job, "spec", "managedBy")); !manager.empty() && manager != "kubernetes.io/job-controller") return out;
  if (is_going(*job)) return release_all(controlled(all, "pods", uid_of(*job)), out), out;
  const auto now = tally_of(all, job, known_end(*job));
  out.looked_at = now.looked_at;
  if (is_over(*job)) {
    remove_active(now, out);
    release_all(now.released, out);
    settle_end(now, at, out);
    return out;
  }
  const auto end = judge(now, at, out);
  auto status = status_of(now, end, at);
  if (status != dig(*job, "status")) {
    auto words = news(now, end, status);
    auto one = put_status("jobs", *job, std::move(status));
    one.about = job;
    one.done = std::move(words);
    out.add(std::move(one));
  }
  release_all(now.released, out);
  if (end) remove_active(now, out);
  else settle_pods(now, at, out);
  return out;
}

plan decide_job_orphan(const store& all, const std::string& key) {
  plan out;
  const auto pod = all.find("pods", key);
  if (!pod || !has_finalizer(*pod, job_finalizer)) return out;
  const auto& owner = controller_of(*pod);
  const auto uid = text_or(dig(owner, "uid"));
  if (!uid.empty() && all.find_uid(uid)) return out;
  if (dig(owner, "kind") == "Job") {
    // Asked, not believed: it may be newer than what is known.
    step ask;
    ask.method = "GET";
    ask.path = collection_path("jobs", meta(*pod, "namespace")) + "/" + text_or(dig(owner, "name"));
    ask.plural = "jobs";
    ask.must_be_absent = true;
    ask.absent_uid = uid;
    out.add(std::move(ask));
  }
  out.add(release_pod(*pod));
  return out;
}

}  // namespace troupe::controllers
