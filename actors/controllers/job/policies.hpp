// What a Job says about pods that failed (spec.podFailurePolicy) and about when enough have succeeded (spec.successPolicy),
// matched as upstream does, in its words. Pure.
#pragma once
#include <optional>
#include <set>
#include <string>

#include "actors/controllers/workshop/store.hpp"

namespace troupe::controllers {

/// How a job ends: its condition.
struct job_end { std::string type, reason, message; };

struct failure_meaning {
  bool counts = true;                 ///< Towards backoffLimit, or its index's.
  bool ends_index = false;
  std::string ends_job;               ///< Why; "" when it does not.
};
/// The first rule that matches decides; without one the failure counts.
failure_meaning meaning_of_failure(const json& job, const json& pod);

/// By the numbers that have succeeded.
std::optional<job_end> early_success(const json& job, const std::set<std::int64_t>& done);

}  // namespace troupe::controllers
