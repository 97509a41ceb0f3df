#include "actors/controllers/job/job.hpp"

#include <algorithm>

#include "actors/controllers/workshop/pods.hpp"

namespace troupe::controllers {
namespace {

constexpr const char* component = "job-controller";
constexpr const char* index_note = "batch.kubernetes.io/job-completion-index";
constexpr std::int64_t burst_max = 500;

struct scene {
  const moment& at;
  object_ptr job;
  std::vector<object_ptr> active, going;
  std::int64_t succeeded = 0, failed = 0, ready = 0;
  std::set<std::int64_t> done, busy;       // indexes
  bool indexed = false, finished = false;

  const json& spec() const { return dig(*job, "spec"); }
  /// Whether a pod that is going keeps its place until it is gone. As upstream, nobody waits for it otherwise: it may be on a
  /// node that is lost, and then it never goes.
  bool waits_for_going() const { return dig(spec(), "podReplacementPolicy") == "Failed" || dig(spec(), "podFailurePolicy").is_object(); }
};

bool holds(const json& job, std::string_view type) { return dig(condition(job, type), "status") == "True"; }

std::optional<std::int64_t> index_of(const json& pod) {
  const auto text = text_or(dig(pod, "metadata", "annotations", index_note));
  if (text.empty()) return std::nullopt;
  return parse_indexes(text).empty() ? std::nullopt : std::optional(parse_indexes(text)[0]);
}

/// Pods that have ended and are counted already: their uids are in the status until they are gone.
std::set<std::string> counted(const json& job) {
  std::set<std::string> out;
  for (auto key : {"succeeded", "failed"})
    for (const auto& each : dig(job, "status", "uncountedTerminatedPods", key)) out.insert(text_or(each));
  return out;
}

scene look(const store& all, const object_ptr& job, const moment& at, json& known) {
  scene out{at, job, {}, {}, 0, 0, 0, {}, {}};
  out.indexed = dig(*job, "spec", "completionMode") == "Indexed";
  out.finished = holds(*job, "Complete") || holds(*job, "Failed");
  out.succeeded = number(dig(*job, "status", "succeeded"));
  out.failed = number(dig(*job, "status", "failed"));
  for (const auto each : parse_indexes(text_or(dig(*job, "status", "completedIndexes")))) out.done.insert(each);
  const auto before = counted(*job);
  known = {{"succeeded", json::array()}, {"failed", json::array()}};
  for (auto& pod : controlled(all, "pods", uid_of(*job))) {
    const auto phase = text_or(dig(*pod, "status", "phase"));
    const bool ended = phase == "Succeeded" || phase == "Failed";
    const auto index = index_of(*pod);
    if (ended) {
      known[phase == "Succeeded" ? "succeeded" : "failed"].push_back(uid_of(*pod));
      const bool fresh = !before.contains(uid_of(*pod)) && !out.finished;
      if (fresh && phase == "Failed") ++out.failed;
      if (fresh && phase == "Succeeded" && !(out.indexed && index && !out.done.insert(*index).second)) ++out.succeeded;
      continue;
    }
    if (index && (!is_going(*pod) || out.waits_for_going())) out.busy.insert(*index);
    out.ready += is_ready(*pod) && !is_going(*pod) ? 1 : 0;
    (is_going(*pod) ? out.going : out.active).push_back(std::move(pod));
  }
  return out;
}

struct verdict { std::string type, reason, message; };

std::optional<verdict> judge(const scene& now, plan& out) {
  const auto limit = number(dig(now.spec(), "backoffLimit"), 6);
  if (now.failed > limit) return verdict{"Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"};
  const auto& deadline = dig(now.spec(), "activeDeadlineSeconds");
  const auto began = parse_rfc3339(text_or(dig(*now.job, "status", "startTime")));
  if (deadline.is_number_integer() && began) {
    const auto left = duration(*began + std::chrono::seconds(number(deadline)) - now.at.now);
    if (left <= duration::zero()) return verdict{"Failed", "DeadlineExceeded", "Job was active longer than specified deadline"};
    out.again = left;
  }
  const auto& wanted = dig(now.spec(), "completions");
  const bool complete = wanted.is_number_integer() ? now.succeeded >= number(wanted)
                                                   : now.succeeded > 0 && now.active.empty() && now.going.empty();
  if (complete) return verdict{"Complete", "CompletionsReached", "Reached expected number of succeeded pods"};
  return std::nullopt;
}

/// How many pods shall run now.
std::int64_t wanted_active(const scene& now) {
  if (dig(now.spec(), "suspend") == true) return 0;
  const auto parallel = number(dig(now.spec(), "parallelism"), 1);
  const auto& completions = dig(now.spec(), "completions");
  if (!completions.is_number_integer()) return now.succeeded > 0 ? static_cast<std::int64_t>(now.active.size()) : parallel;
  return std::max<std::int64_t>(0, std::min(parallel, number(completions) - now.succeeded));
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

/// Back-off after failures: 10 s, doubled with each, at most ten minutes, from the last pod's end.
std::optional<duration> backoff(const scene& now, const store& all) {
  if (now.failed == 0) return std::nullopt;
  std::optional<wall_time> last;
  for (const auto& pod : controlled(all, "pods", uid_of(*now.job))) {
    if (text_or(dig(*pod, "status", "phase")) != "Failed") continue;
    for (const auto& each : dig(*pod, "status", "containerStatuses"))
      if (const auto at = parse_rfc3339(text_or(dig(each, "state", "terminated", "finishedAt"))); at && (!last || *at > *last)) last = *at;
  }
  if (!last) return std::nullopt;
  duration wait = std::chrono::seconds(10);
  for (std::int64_t i = 1; i < now.failed && wait < std::chrono::minutes(10); ++i) wait *= 2;
  const auto left = duration(*last + std::min<duration>(wait, std::chrono::minutes(10)) - now.at.now);
  return left > duration::zero() ? std::optional(left) : std::nullopt;
}

void settle_pods(const scene& now, const store& all, plan& out) {
  const auto wanted = wanted_active(now), have = static_cast<std::int64_t>(now.active.size());
  if (have > wanted) {
    stage removes;
    for (const auto& pod : first_to_go(now.active, static_cast<std::size_t>(have - wanted))) {
      auto one = remove_object("pods", pod);
      one.about = now.job;
      one.done = {"Normal", "SuccessfulDelete", "Deleted pod: " + meta(*pod, "name"), component};
      removes.push_back(std::move(one));
    }
    return out.stages.push_back(std::move(removes));
  }
  const auto taken = have + (now.waits_for_going() ? static_cast<std::int64_t>(now.going.size()) : 0);
  const auto missing = std::min(wanted - taken, burst_max);
  if (missing <= 0) return;
  if (const auto wait = backoff(now, all)) {
    out.again = out.again ? std::min(*out.again, *wait) : *wait;
    return;
  }
  std::vector<step> makes;
  std::int64_t next = 0;
  for (std::int64_t i = 0; i < missing; ++i) {
    while (now.indexed && (now.done.contains(next) || now.busy.contains(next))) ++next;
    if (now.indexed && next >= number(dig(now.spec(), "completions"))) break;
    auto one = make_object("pods", meta(*now.job, "namespace"),
                           now.indexed ? pod_with_index(*now.job, next) : pod_of(*now.job, dig(now.spec(), "template")));
    ++next;
    one.about = now.job;
    one.done = {"Normal", "SuccessfulCreate", "Created pod: {name}", component};
    one.failed = {"Warning", "FailedCreate", "Error creating: {why}", component};
    makes.push_back(std::move(one));
  }
  add_slowly(out, std::move(makes));
}

json status_of(const scene& now, const json& known, const std::optional<verdict>& end) {
  json status = dig(*now.job, "status").is_object() ? dig(*now.job, "status") : json::object();
  auto count = [&status](const char* name, std::int64_t value) {
    if (value == 0) status.erase(name);
    else status[name] = value;
  };
  const bool suspended = dig(now.spec(), "suspend") == true;
  if (!suspended && !status.contains("startTime")) status["startTime"] = to_rfc3339(now.at.now);
  count("active", end ? 0 : static_cast<std::int64_t>(now.active.size()));
  count("succeeded", now.succeeded);
  count("failed", now.failed);
  status["ready"] = end ? 0 : now.ready;
  status["terminating"] = now.going.size();
  status["uncountedTerminatedPods"] = json::object();
  for (auto key : {"succeeded", "failed"})
    if (!known[key].empty()) status["uncountedTerminatedPods"][key] = known[key];
  if (now.indexed) status["completedIndexes"] = print_indexes({now.done.begin(), now.done.end()});
  if (suspended) status["conditions"] = with_condition(dig(status, "conditions"), "Suspended", "True", "JobSuspended", "Job suspended", now.at.now, false);
  else if (holds(*now.job, "Suspended")) status["conditions"] = with_condition(dig(status, "conditions"), "Suspended", "False", "JobResumed", "Job resumed", now.at.now, false);
  if (!end) return status;
  status["conditions"] = with_condition(dig(status, "conditions"), end->type == "Complete" ? "SuccessCriteriaMet" : "FailureTarget", "True", end->reason, end->message, now.at.now, false);
  status["conditions"] = with_condition(dig(status, "conditions"), end->type, "True", end->reason, end->message, now.at.now, false);
  if (end->type == "Complete") status["completionTime"] = to_rfc3339(now.at.now);
  return status;
}

/// A finished job whose time after that is over goes.
void settle_end(const scene& now, plan& out) {
  const auto& life = dig(now.spec(), "ttlSecondsAfterFinished");
  if (!life.is_number_integer()) return;
  const auto& last = holds(*now.job, "Complete") ? condition(*now.job, "Complete") : condition(*now.job, "Failed");
  const auto ended = parse_rfc3339(text_or(dig(last, "lastTransitionTime")));
  if (!ended) return;
  const auto left = duration(*ended + std::chrono::seconds(number(life)) - now.at.now);
  if (left <= duration::zero()) out.add(remove_object("jobs", now.job, "Foreground"));
  else out.again = left;
}

}  // namespace

std::vector<std::int64_t> parse_indexes(const std::string& text) {
  std::vector<std::int64_t> out;
  std::int64_t from = -1, value = 0;
  bool any = false;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ',';
    if (c >= '0' && c <= '9') {
      value = value * 10 + (c - '0'), any = true;
    } else if (c == '-') {
      from = value, value = 0;
    } else {
      constexpr std::int64_t span_max = 100000;
      if (any)
        for (auto k = from < 0 ? value : from; k <= value && value - from <= span_max; ++k) out.push_back(k);
      from = -1, value = 0, any = false;
    }
  }
  return out;
}

std::string print_indexes(const std::vector<std::int64_t>& all) {
  std::string out;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t last = i;
    while (last + 1 < all.size() && all[last + 1] == all[last] + 1) ++last;
    out.append(out.empty() ? "" : ",").append(std::to_string(all[i]));
    if (last > i) out.append(last == i + 1 ? "," : "-").append(std::to_string(all[last]));
    i = last + 1;
  }
  return out;
}

plan decide_job(const store& all, const std::string& key, const moment& at) {
  plan out;
  const auto job = all.find("jobs", key);
  if (!job || is_going(*job)) return out;
  json known;
  const auto now = look(all, job, at, known);
  out.looked_at = now.active.size() + now.going.size() + known["succeeded"].size() + known["failed"].size();
  if (now.finished) {
    stage removes;
    for (const auto& pod : now.active) removes.push_back(remove_object("pods", pod));
    if (!removes.empty()) out.stages.push_back(std::move(removes));
    settle_end(now, out);
    return out;
  }
  const auto end = judge(now, out);
  auto status = status_of(now, known, end);
  if (status != dig(*job, "status")) {
    auto one = put_status("jobs", *job, std::move(status));
    if (end) {
      one.about = job;
      if (end->type == "Complete") one.done = {"Normal", "Completed", "Job completed", component};
      else one.done = {"Warning", end->reason, end->message, component};
    }
    out.add(std::move(one));
  }
  if (!end) settle_pods(now, all, out);
  return out;
}

}  // namespace troupe::controllers
