// Jobs: pods run until enough of them have succeeded, or too many have failed, or time is over. Indexed jobs give each pod its
// number. How pods are counted: tally.hpp. What the end of a job is: upstream's two conditions, the first (SuccessCriteriaMet or
// FailureTarget) once it is decided, the last (Complete or Failed) when no pod of it is left running. Pure.
#pragma once
#include "actors/controllers/job/indexes.hpp"
#include "actors/controllers/workshop/plan.hpp"

namespace troupe::controllers {

plan decide_job(const store& all, const std::string& key, const moment& at);
/// A pod that a job would have to count and that has none: it is let go.
plan decide_job_orphan(const store& all, const std::string& key);

}  // namespace troupe::controllers
