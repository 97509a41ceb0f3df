// What a Job says about its indexes, about pods that fail and about when enough have succeeded (pkg/apis/batch/validation).
#include <algorithm>
#include <set>

#include "actors/apiserver/resources/rules/parts.hpp"

namespace troupe::apiserver::rules {
namespace {

constexpr std::size_t rules_max = 20;
constexpr std::int64_t many_indexes = 100000, parallel_max = 10000, index_failures_max = 100000;

void check_exit_codes(const json& rule, const std::string& at, causes& out) {
  const auto& wanted = dig(rule, "onExitCodes");
  const auto how = text_or(dig(wanted, "operator"));
  if (how.empty()) out.push_back(required_value(at + ".operator"));
  else if (how != "In" && how != "NotIn") out.push_back(not_supported(at + ".operator", dig(wanted, "operator"), {"In", "NotIn"}));
  const auto& values = dig(wanted, "values");
  if (values.empty()) out.push_back(invalid_value(at + ".values", values.is_null() ? json::array() : values, "at least one value is required"));
  std::set<std::int64_t> seen;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto here = at + ".values[" + std::to_string(i) + "]";
    const auto code = number_or(values[i], 0);
    if (how == "In" && code == 0) out.push_back(invalid_value(here, values[i], "must not be 0 for the In operator"));
    if (!seen.insert(code).second) out.push_back(duplicate_value(here, values[i]));
  }
}

void check_failure_rule(const json& spec, const json& rule, const std::string& at, causes& out) {
  const auto& action = dig(rule, "action");
  const auto name = text_or(action);
  if (name.empty()) out.push_back(required_value(at + ".action", "valid values: \"Count\", \"FailIndex\", \"FailJob\", \"Ignore\""));
  else if (name == "FailIndex" && dig(spec, "backoffLimitPerIndex").is_null())
    out.push_back(invalid_value(at + ".action", action, "requires the backoffLimitPerIndex to be set"));
  else if (name != "Count" && name != "FailIndex" && name != "FailJob" && name != "Ignore")
    out.push_back(not_supported(at + ".action", action, {"Count", "FailIndex", "FailJob", "Ignore"}));
  const bool codes = dig(rule, "onExitCodes").is_object(), conditions = !dig(rule, "onPodConditions").empty();
  if (codes == conditions)
    out.push_back(invalid_value(at, "", codes ? "specifying both OnExitCodes and OnPodConditions is not supported"
                                              : "specifying one of OnExitCodes and OnPodConditions is required"));
  if (codes) check_exit_codes(rule, at + ".onExitCodes", out);
  const auto& patterns = dig(rule, "onPodConditions");
  for (std::size_t i = 0; i < patterns.size(); ++i)
    if (text_or(dig(patterns[i], "type")).empty()) out.push_back(required_value(at + ".onPodConditions[" + std::to_string(i) + "].type"));
}

void check_failure_policy(const json& spec, const std::string& under, causes& out) {
  const auto& policy = dig(spec, "podFailurePolicy");
  if (!policy.is_object()) return;
  const auto& restarts = dig(spec, "template", "spec", "restartPolicy");
  if (restarts != "Never")
    out.push_back(invalid_value(under + ".template.spec.restartPolicy", restarts, "only \"Never\" is supported when podFailurePolicy is specified"));
  if (const auto& replaces = dig(spec, "podReplacementPolicy"); replaces.is_string() && replaces != "Failed")
    out.push_back(not_supported(under + ".podReplacementPolicy", replaces, {"Failed"}));
  const auto at = under + ".podFailurePolicy.rules";
  const auto& all = dig(policy, "rules");
  if (all.size() > rules_max) out.push_back(too_many_values(at, all.size(), rules_max));
  for (std::size_t i = 0; i < all.size(); ++i) check_failure_rule(spec, all[i], at + "[" + std::to_string(i) + "]", out);
}

void check_success_policy(const json& spec, const std::string& under, causes& out) {
  const auto& policy = dig(spec, "successPolicy");
  if (!policy.is_object()) return;
  const auto& all = dig(policy, "rules");
  const auto at = under + ".successPolicy";
  if (dig(spec, "completionMode") != "Indexed") return out.push_back(invalid_value(at, policy, "requires indexed completion mode"));
  if (all.empty()) return out.push_back(required_value(at + ".rules", "at least one rules must be specified when the successPolicy is specified"));
  if (all.size() > rules_max) out.push_back(too_many_values(at + ".rules", all.size(), rules_max));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto here = at + ".rules[" + std::to_string(i) + "]";
    const auto& count = dig(all[i], "succeededCount");
    if (count.is_null() && dig(all[i], "succeededIndexes").is_null())
      out.push_back(required_value(here, "at least one of succeededCount or succeededIndexes must be specified"));
    if (count.is_number_integer() && number_or(count, 0) < 0) out.push_back(invalid_value(here + ".succeededCount", count, "must be greater than or equal to 0"));
    if (const auto most = number_or(dig(spec, "completions"), 0); number_or(count, 0) > most)
      out.push_back(invalid_value(here + ".succeededCount", count, "must be less than or equal to " + std::to_string(most) + " (the number of specified completions)"));
  }
}

void check_indexes(const json& spec, const std::string& under, causes& out) {
  const auto& limit = dig(spec, "backoffLimitPerIndex");
  const auto& most = dig(spec, "maxFailedIndexes");
  if (dig(spec, "completionMode") == "Indexed") {
    const auto completions = number_or(dig(spec, "completions"), 0);
    if (completions > many_indexes && number_or(dig(spec, "parallelism"), 0) > parallel_max)
      out.push_back(invalid_value(under + ".parallelism", dig(spec, "parallelism"),
                                  "must be less than or equal to 10000 when completions are over 100000 and used with Indexed Job"));
    if (number_or(most, 0) > completions)
      out.push_back(invalid_value(under + ".maxFailedIndexes", most, "must be less than or equal to completions"));
    if (number_or(most, 0) > index_failures_max) out.push_back(invalid_value(under + ".maxFailedIndexes", most, "must be less than or equal to 100000"));
  } else {
    if (!limit.is_null()) out.push_back(invalid_value(under + ".backoffLimitPerIndex", limit, "requires indexed completion mode"));
    if (!most.is_null()) out.push_back(invalid_value(under + ".maxFailedIndexes", most, "requires indexed completion mode"));
  }
  if (!most.is_null() && limit.is_null()) out.push_back(required_value(under + ".backoffLimitPerIndex", "when maxFailedIndexes is specified"));
  if (!limit.is_null() && dig(spec, "template", "spec", "restartPolicy") == "OnFailure")
    out.push_back(invalid_value(under + ".template.spec.restartPolicy", dig(spec, "template", "spec", "restartPolicy"), "only \"Never\" is supported when backoffLimitPerIndex is specified"));
}

}  // namespace

void check_job_policies(const json& spec, const std::string& under, causes& out) {
  check_indexes(spec, under, out);
  check_failure_policy(spec, under, out);
  check_success_policy(spec, under, out);
  const auto manager = text_or(dig(spec, "managedBy"));
  if (!manager.empty() && manager.find('/') == std::string::npos)
    out.push_back(invalid_value(under + ".managedBy", dig(spec, "managedBy"), "must be a domain-prefixed path (such as \"acme.io/foo\")"));
}

}  // namespace troupe::apiserver::rules
