// Jobs: pods run until enough of them have succeeded, or too many have failed, or time is over. Indexed jobs give each pod its
// number. Pods carry no tracking finalizer: what has ended is counted from the pods while they are there, and kept in the
// status as counts and uids before anybody may remove them. Pure.
#pragma once
#include "actors/controllers/workshop/plan.hpp"

namespace troupe::controllers {

plan decide_job(const store& all, const std::string& key, const moment& at);

/// "0-3,5,7" and the numbers it means, in order.
std::vector<std::int64_t> parse_indexes(const std::string& text);
std::string print_indexes(const std::vector<std::int64_t>& all);

}  // namespace troupe::controllers
