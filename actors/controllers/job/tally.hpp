// What a job's pods come to. A pod carries a finalizer until it was counted, in two steps: its uid is written down in the
// status as not counted yet, then its finalizer goes, and a uid whose pod has none any more is counted. So each pod counts once,
// whoever dies in between, and a pod that somebody deletes is not gone before it has counted. Pure.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "actors/controllers/job/policies.hpp"
#include "actors/controllers/workshop/plan.hpp"

namespace troupe::controllers {

inline constexpr const char* job_finalizer = "batch.kubernetes.io/job-tracking";
inline constexpr const char* index_note = "batch.kubernetes.io/job-completion-index";
inline constexpr const char* failures_note = "batch.kubernetes.io/job-index-failure-count";
inline constexpr const char* ignored_note = "batch.kubernetes.io/job-index-ignored-failure-count";

struct job_tally {
  object_ptr job;
  bool indexed = false, per_index = false;
  std::vector<object_ptr> active, going;            ///< Going: deleted, and neither ended nor given up yet.
  std::int64_t ready = 0, terminating = 0;
  std::int64_t counted_succeeded = 0, counted_failed = 0;       ///< What the status counts from now on.
  std::vector<std::string> noted_succeeded, noted_failed;       ///< Uids that it counts next.
  std::int64_t failed = 0, succeeded = 0;           ///< All that is known, counted or not.
  std::set<std::int64_t> done, lost, busy;          ///< Indexes: succeeded, given up, with a pod.
  std::map<std::int64_t, object_ptr> before;        ///< By index: the failed pod that is to be replaced; its count lives on in the next.
  std::vector<object_ptr> released;                 ///< Whose finalizer may go once the status is written.
  std::vector<object_ptr> failures;                 ///< Failed pods that are still there, for the back-off.
  std::optional<wall_time> last_success;            ///< Failures from before it do not slow anybody down.
  std::string ended_by_policy;
  std::size_t looked_at = 0;

  const json& spec() const { return dig(*job, "spec"); }
};

/// `end`: the job is known to be over, and how; its finalizers all go.
job_tally tally_of(const store& all, const object_ptr& job, const std::optional<job_end>& end);

/// As its condition says: FailureTarget or SuccessCriteriaMet, which come first, or the last word.
std::optional<job_end> known_end(const json& job);
bool is_over(const json& job);
/// A pod that is going keeps its place until it has ended. As upstream, nobody waits for it otherwise: it may be on a node that
/// is lost, and then it never ends.
bool waits_for_going(const json& job);
std::optional<wall_time> ended_at(const json& pod);
std::int64_t noted(const json& pod, const char* annotation);
/// Lets go of a pod that is counted.
step release_pod(const json& pod);

}  // namespace troupe::controllers
