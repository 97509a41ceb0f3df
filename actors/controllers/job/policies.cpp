#include "actors/controllers/job/policies.hpp"

#include <algorithm>

#include "actors/controllers/job/indexes.hpp"

namespace troupe::controllers {
namespace {

bool has_value(const json& values, std::int64_t code) {
  return std::any_of(values.begin(), values.end(), [&](const json& each) { return number(each, -1) == code; });
}

/// The container whose exit code matches, and the code; nobody's when none does. Who ended well is not asked.
const json* ended_as(const json& wanted, const json& pod) {
  const auto& name = dig(wanted, "containerName");
  const bool in = dig(wanted, "operator") == "In";
  for (auto list : {"containerStatuses", "initContainerStatuses"})
    for (const auto& each : dig(pod, "status", list)) {
      const auto& ended = dig(each, "state", "terminated");
      if (!ended.is_object() || number(dig(ended, "exitCode")) == 0) continue;
      if (name.is_string() && dig(each, "name") != name) continue;
      if (has_value(dig(wanted, "values"), number(dig(ended, "exitCode"))) == in) return &each;
    }
  return nullptr;
}

/// The type of the pod's condition that matches; "" when none does.
std::string holds_condition(const json& patterns, const json& pod) {
  for (const auto& have : dig(pod, "status", "conditions"))
    for (const auto& each : patterns)
      if (dig(each, "type") == dig(have, "type") && text_or(dig(each, "status"), "True") == text_or(dig(have, "status"))) return text_or(dig(have, "type"));
  return {};
}

}  // namespace

failure_meaning meaning_of_failure(const json& job, const json& pod) {
  std::size_t at = 0;
  for (const auto& rule : dig(job, "spec", "podFailurePolicy", "rules")) {
    const auto action = text_or(dig(rule, "action"));
    const auto which = " matching " + action + " rule at index " + std::to_string(at++);
    std::string why;
    if (const auto* container = dig(rule, "onExitCodes").is_object() ? ended_as(dig(rule, "onExitCodes"), pod) : nullptr)
      why = "Container " + text_or(dig(*container, "name")) + " for pod " + key_of(pod) + " failed with exit code " +
            std::to_string(number(dig(*container, "state", "terminated", "exitCode"))) + which;
    else if (const auto type = holds_condition(dig(rule, "onPodConditions"), pod); !type.empty())
      why = "Pod " + key_of(pod) + " has condition " + type + which;
    else
      continue;
    if (action == "Ignore") return {false, false, {}};
    if (action == "FailIndex") return {true, dig(job, "spec", "backoffLimitPerIndex").is_number_integer(), {}};
    return {true, false, action == "FailJob" ? why : std::string()};
  }
  return {};
}

std::optional<job_end> early_success(const json& job, const std::set<std::int64_t>& done) {
  std::size_t at = 0;
  for (const auto& rule : dig(job, "spec", "successPolicy", "rules")) {
    const auto which = at++;
    const auto& count = dig(rule, "succeededCount");
    const auto& indexes = dig(rule, "succeededIndexes");
    auto have = static_cast<std::int64_t>(done.size()), wanted = number(count, 1);
    if (indexes.is_string()) {
      const auto asked = parse_indexes(text_or(indexes));
      have = std::ranges::count_if(asked, [&](auto each) { return done.contains(each); });
      wanted = number(count, static_cast<std::int64_t>(asked.size()));
    }
    if (have >= wanted) return job_end{"Complete", "SuccessPolicy", "Matched rules at index " + std::to_string(which)};
  }
  return std::nullopt;
}

}  // namespace troupe::controllers
