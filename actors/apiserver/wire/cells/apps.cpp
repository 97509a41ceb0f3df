// Cells of the kinds that make pods, with the logic of Kubernetes' printers (pkg/printers/internalversion).
#include "actors/apiserver/wire/cells.hpp"
#include "actors/apiserver/wire/table.hpp"
#include "actors/model/match.hpp"

namespace troupe::apiserver {
namespace {

std::int64_t number_at(const json& object, std::string_view path) {
  const auto& value = value_at(object, path);
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

/// The names or images of a pod's containers.
std::string of_containers(const json& spec, const char* key) {
  std::string out;
  for (const auto& each : dig(spec, "containers")) out.append(out.empty() ? "" : ",").append(text_or(dig(each, key)));
  return out;
}

std::string selector_text(const json& selector) {
  auto text = model::label_match::of(selector).text();
  return text.empty() ? "<none>" : text;
}

bool has_condition(const json& object, std::string_view type) {
  for (const auto& each : dig(object, "status", "conditions"))
    if (dig(each, "type") == type && dig(each, "status") == "True") return true;
  return false;
}

std::string job_status(const json& job) {
  if (has_condition(job, "Complete")) return "Complete";
  if (has_condition(job, "Failed")) return "Failed";
  if (dig(job, "metadata", "deletionTimestamp").is_string()) return "Terminating";
  if (has_condition(job, "Suspended")) return "Suspended";
  if (has_condition(job, "FailureTarget")) return "FailureTarget";
  if (has_condition(job, "SuccessCriteriaMet")) return "SuccessCriteriaMet";
  return "Running";
}

std::string job_completions(const json& job) {
  const auto done = std::to_string(number_at(job, "status.succeeded"));
  if (!dig(job, "spec", "completions").is_null()) return done + "/" + std::to_string(number_at(job, "spec.completions"));
  const auto parallel = number_at(job, "spec.parallelism");
  return parallel > 1 ? done + "/1 of " + std::to_string(parallel) : done + "/1";
}

std::string job_duration(const json& job, wall_time now) {
  const auto began = parse_rfc3339(text_or(dig(job, "status", "startTime")));
  if (!began) return {};
  auto ended = parse_rfc3339(text_or(dig(job, "status", "completionTime")));
  for (const auto& each : dig(job, "status", "conditions"))
    if (dig(each, "type") == "Failed" && dig(each, "status") == "True" && !ended) ended = parse_rfc3339(text_or(dig(each, "lastTransitionTime")));
  return human_duration((ended ? *ended : now) - *began);
}

/// "daemonset.apps/name" of the one that controls it.
std::string controller_of(const json& object) {
  for (const auto& each : dig(object, "metadata", "ownerReferences")) {
    if (dig(each, "controller") != true) continue;
    auto kind = text_or(dig(each, "kind"));
    for (char& c : kind)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    const auto version = text_or(dig(each, "apiVersion"));
    const auto slash = version.find('/');
    return kind + (slash == std::string::npos ? "" : "." + version.substr(0, slash)) + "/" + text_or(dig(each, "name"));
  }
  return "<none>";
}

}  // namespace

json compute_apps_cell(std::string_view name, std::string_view argument, const json& object, wall_time now) {
  if (name == "int") return number_at(object, argument);
  if (name == "flag") return value_at(object, argument) == true;
  if (name == "printed_flag") return value_at(object, argument) == true ? "True" : "False";
  if (name == "ratio") {
    const auto space = argument.find(' ');
    return std::to_string(number_at(object, argument.substr(0, space))) + "/" + std::to_string(number_at(object, argument.substr(space + 1)));
  }
  if (name == "since_or_none") {
    const auto& time = value_at(object, argument);
    return time.is_string() ? since(time, now) : std::string("<none>");
  }
  if (name == "containers") return of_containers(value_at(object, argument), "name");
  if (name == "images") return of_containers(value_at(object, argument), "image");
  if (name == "selector") return selector_text(value_at(object, argument));
  if (name == "job_status") return job_status(object);
  if (name == "job_completions") return job_completions(object);
  if (name == "job_duration") return job_duration(object, now);
  if (name == "controller") return controller_of(object);
  return nullptr;
}

}  // namespace troupe::apiserver
