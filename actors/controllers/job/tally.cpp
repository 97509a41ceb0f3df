#include "actors/controllers/job/tally.hpp"

#include <algorithm>
#include <charconv>

#include "actors/controllers/job/indexes.hpp"
#include "actors/controllers/workshop/pods.hpp"

namespace troupe::controllers {
namespace {

constexpr std::size_t uncounted_max = 500;   // uids in a status

bool holds(const json& job, std::string_view type) { return dig(condition(job, type), "status") == "True"; }

std::set<std::string> uids_in(const json& list) {
  std::set<std::string> out;
  for (const auto& each : list) out.insert(text_or(each));
  return out;
}

class counter {
 public:
  counter(job_tally& out, const std::optional<job_end>& end)
      : out_(out), job_(*out.job), end_(end), waits_(waits_for_going(job_)),
        known_succeeded_(uids_in(dig(job_, "status", "uncountedTerminatedPods", "succeeded"))),
        known_failed_(uids_in(dig(job_, "status", "uncountedTerminatedPods", "failed"))) {
    out_.counted_succeeded = number(dig(job_, "status", "succeeded"));
    out_.counted_failed = number(dig(job_, "status", "failed"));
    for (const auto each : parse_indexes(text_or(dig(job_, "status", "completedIndexes")))) out_.done.insert(each);
    for (const auto each : parse_indexes(text_or(dig(job_, "status", "failedIndexes")))) out_.lost.insert(each);
  }

  void count(const std::vector<object_ptr>& pods) {
    out_.looked_at = pods.size();
    std::set<std::string> tracked;
    for (const auto& pod : pods)
      if (has_finalizer(*pod, job_finalizer)) tracked.insert(uid_of(*pod));
    settle(known_succeeded_, tracked, out_.counted_succeeded, out_.noted_succeeded);
    settle(known_failed_, tracked, out_.counted_failed, out_.noted_failed);
    for (const auto& pod : pods) see(pod);
    keep_counts();
    for (const auto& pod : failed_) let_go(pod);
    if (out_.indexed) out_.counted_succeeded = static_cast<std::int64_t>(out_.done.size());
    out_.succeeded = out_.counted_succeeded + static_cast<std::int64_t>(out_.noted_succeeded.size());
    out_.failed = out_.counted_failed + static_cast<std::int64_t>(out_.noted_failed.size()) + kept_back_;
  }

 private:
  /// What was written down and has lost its finalizer is counted now.
  static void settle(const std::set<std::string>& known, const std::set<std::string>& tracked, std::int64_t& counted, std::vector<std::string>& noted) {
    for (const auto& uid : known) {
      if (tracked.contains(uid)) noted.push_back(uid);
      else ++counted;
    }
  }
  /// Less than 0: it has none that counts.
  std::int64_t index_of(const json& pod) const {
    const auto all = parse_indexes(text_or(dig(pod, "metadata", "annotations", index_note)));
    return out_.indexed && all.size() == 1 && all[0] < number(dig(job_, "spec", "completions")) ? all[0] : -1;
  }
  bool room() const { return out_.noted_succeeded.size() + out_.noted_failed.size() < uncounted_max; }

  void see(const object_ptr& pod) {
    const auto phase = text_or(dig(*pod, "status", "phase"));
    const bool ended = phase == "Succeeded" || phase == "Failed";
    const auto index = index_of(*pod);
    if (is_going(*pod) && !ended) ++out_.terminating;
    if (phase == "Succeeded") return see_success(pod, index);
    if (phase == "Failed" || (is_going(*pod) && !waits_)) return see_failure(pod, index);
    if (index >= 0) out_.busy.insert(index);
    if (is_going(*pod)) return out_.going.push_back(pod);
    out_.ready += is_ready(*pod) ? 1 : 0;
    out_.active.push_back(pod);
  }

  void see_success(const object_ptr& pod, std::int64_t index) {
    if (const auto at = ended_at(*pod); at && (!out_.last_success || *at > *out_.last_success)) out_.last_success = at;
    if (!has_finalizer(*pod, job_finalizer)) return;
    if (out_.indexed) {
      if (index >= 0) out_.done.insert(index);
    } else if (!known_succeeded_.contains(uid_of(*pod))) {
      if (!room()) return;
      out_.noted_succeeded.push_back(uid_of(*pod));
    }
    out_.released.push_back(pod);
  }

  void see_failure(const object_ptr& pod, std::int64_t index) {
    out_.failures.push_back(pod);
    if (!has_finalizer(*pod, job_finalizer)) return;
    failed_.push_back(pod);
    if (known_failed_.contains(uid_of(*pod))) return;
    const auto means = meaning_of_failure(job_, *pod);
    if (out_.ended_by_policy.empty()) out_.ended_by_policy = means.ends_job;
    if (!out_.per_index || index < 0) return;
    if (means.ends_index || (means.counts && noted(*pod, failures_note) >= number(dig(job_, "spec", "backoffLimitPerIndex")))) out_.lost.insert(index);
    auto& last = out_.before[index];
    if (!last || failures_of(*last) <= failures_of(*pod)) last = pod;
  }
  static std::int64_t failures_of(const json& pod) { return noted(pod, failures_note) + noted(pod, ignored_note); }

  /// The number of failures of an index is told by its last pod, which stays until the next one has it.
  void keep_counts() {
    std::erase_if(out_.before, [this](const auto& each) { return out_.done.contains(each.first) || out_.lost.contains(each.first) || out_.busy.contains(each.first); });
  }
  bool is_kept(const object_ptr& pod) const {
    return std::any_of(out_.before.begin(), out_.before.end(), [&](const auto& each) { return each.second == pod; });
  }

  void let_go(const object_ptr& pod) {
    const bool counts = (!out_.indexed || index_of(*pod) >= 0) && meaning_of_failure(job_, *pod).counts;
    if (known_failed_.contains(uid_of(*pod))) return out_.released.push_back(pod);
    if (!end_ && is_kept(pod)) return void(kept_back_ += counts ? 1 : 0);
    if (counts && !room()) return void(++kept_back_);
    if (counts) out_.noted_failed.push_back(uid_of(*pod));
    out_.released.push_back(pod);
  }

  job_tally& out_;
  const json& job_;
  const std::optional<job_end>& end_;
  const bool waits_;
  const std::set<std::string> known_succeeded_, known_failed_;
  std::vector<object_ptr> failed_;
  std::int64_t kept_back_ = 0;
};

}  // namespace

job_tally tally_of(const store& all, const object_ptr& job, const std::optional<job_end>& end) {
  job_tally out;
  out.job = job;
  out.indexed = dig(*job, "spec", "completionMode") == "Indexed";
  out.per_index = out.indexed && dig(*job, "spec", "backoffLimitPerIndex").is_number_integer();
  counter(out, end).count(controlled(all, "pods", uid_of(*job)));
  return out;
}

std::optional<job_end> known_end(const json& job) {
  struct row { const char *first, *last; } rows[] = {{"SuccessCriteriaMet", "Complete"}, {"FailureTarget", "Failed"}};
  for (const auto& each : rows)
    for (auto type : {each.last, each.first})
      if (holds(job, type)) return job_end{each.last, text_or(dig(condition(job, type), "reason")), text_or(dig(condition(job, type), "message"))};
  return std::nullopt;
}

bool is_over(const json& job) { return holds(job, "Complete") || holds(job, "Failed"); }

bool waits_for_going(const json& job) { return dig(job, "spec", "podReplacementPolicy") == "Failed" || dig(job, "spec", "podFailurePolicy").is_object(); }

std::optional<wall_time> ended_at(const json& pod) {
  std::optional<wall_time> out;
  for (const auto& each : dig(pod, "status", "containerStatuses"))
    if (const auto at = parse_rfc3339(text_or(dig(each, "state", "terminated", "finishedAt"))); at && (!out || *at > *out)) out = *at;
  if (out) return out;
  const auto& ready = condition(pod, "Ready");
  if (const auto at = parse_rfc3339(text_or(dig(ready, "lastTransitionTime"))); at && dig(ready, "status") == "False") return *at;
  // When it was asked to go, not when it has to be gone.
  if (const auto at = parse_rfc3339(meta(pod, "deletionTimestamp"))) return *at - std::chrono::seconds(number(dig(pod, "metadata", "deletionGracePeriodSeconds")));
  return std::nullopt;
}

std::int64_t noted(const json& pod, const char* annotation) {
  const auto text = text_or(dig(pod, "metadata", "annotations", annotation));
  std::int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

step release_pod(const json& pod) {
  return patch_object("pods", pod, {{"metadata", {{"$deleteFromPrimitiveList/finalizers", json::array({job_finalizer})}}}}, strategic_patch);
}

}  // namespace troupe::controllers
