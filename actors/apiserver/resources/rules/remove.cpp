#include <algorithm>

#include "actors/apiserver/resources/rules/parts.hpp"

namespace troupe::apiserver {
namespace {

using rules::list_of;
using rules::number_or;

bool is_core(const schema::kind& kind, std::string_view name) { return kind.group.empty() && kind.name == name; }

std::optional<api_error> check_preconditions(const schema::kind& kind, const json& metadata, const json& wanted) {
  auto name = text_or(dig(metadata, "name"));
  struct row { const char *key, *word; };
  for (const auto& each : {row{"uid", "UID"}, row{"resourceVersion", "ResourceVersion"}}) {
    auto asked = text_or(dig(wanted, "preconditions", each.key)), present = text_or(dig(metadata, each.key));
    if (!asked.empty() && asked != present)
      return conflict(kind, name,
                      std::string("Precondition failed: ") + each.word + " in precondition: " + asked + ", " +
                          each.word + " in object meta: " + present);
  }
  if (!is_core(kind, "Namespace")) return std::nullopt;
  for (auto immortal : immortal_namespaces)
    if (name == immortal) return forbidden(kind, name, "this namespace may not be deleted");
  return std::nullopt;
}

/// Kinds from before there was a garbage collector leave their pods behind unless they are told otherwise, as upstream's do.
bool leaves_pods(const schema::kind& kind) { return (kind.group == "batch" && kind.name == "Job") || is_core(kind, "ReplicationController"); }

/// The finalizers after the propagation policy has had its say.
json finalizers_after(const schema::kind& kind, const json& metadata, const json& wanted, const write_context& ctx) {
  json out = list_of(metadata, "finalizers");
  auto policy = text_or(dig(wanted, "propagationPolicy"));
  if (dig(wanted, "orphanDependents").is_boolean())
    policy = wanted["orphanDependents"].get<bool>() ? "Orphan" : "Background";
  const bool settled = std::ranges::find(out, json("foregroundDeletion")) != out.end() || std::ranges::find(out, json("orphan")) != out.end();
  if (policy.empty() && leaves_pods(kind) && !settled) policy = "Orphan";
  if (policy.empty() || !ctx.garbage_collector) return out;
  auto set = [&](const char* name, bool present) {
    auto found = std::ranges::find(out, json(name));
    if (present && found == out.end()) out.push_back(name);
    if (!present && found != out.end()) out.erase(found);
  };
  set("foregroundDeletion", policy == "Foreground");
  set("orphan", policy == "Orphan");
  return out;
}

std::int64_t grace_of(const schema::kind& kind, const json& old, const json& wanted) {
  if (!is_core(kind, "Pod")) return 0;
  auto phase = text_or(dig(old, "status", "phase"));
  bool runs_nowhere = text_or(dig(old, "spec", "nodeName")).empty() || phase == "Succeeded" || phase == "Failed";
  if (runs_nowhere) return 0;
  auto grace =
      number_or(dig(wanted, "gracePeriodSeconds"), number_or(dig(old, "spec", "terminationGracePeriodSeconds"), 30));
  return grace < 0 ? 1 : grace;
}

bool answers_object(const schema::kind& kind) {
  return is_core(kind, "Pod") || is_core(kind, "Service") || is_core(kind, "ServiceAccount");
}

json without_version(const json& old) {
  json out = old;
  out["metadata"].erase("resourceVersion");
  return out;
}

deletion delete_namespace(const json& old, json finalizers, const write_context& ctx) {
  bool deleting = dig(old, "metadata", "deletionTimestamp").is_string();
  bool content = !list_of(dig(old, "spec"), "finalizers").empty();
  if (!content && finalizers.empty()) return erase_now{};
  if (deleting) return already_deleting{};
  auto out = without_version(old);
  out["metadata"]["deletionTimestamp"] = to_rfc3339(ctx.now);
  if (finalizers.empty()) out["metadata"].erase("finalizers");
  else out["metadata"]["finalizers"] = std::move(finalizers);
  out["status"]["phase"] = "Terminating";
  return update_first{std::move(out)};
}

/// A further delete of an object that is already going: it may only go sooner.
deletion delete_again(const schema::kind& kind, const json& old, json finalizers, std::int64_t grace) {
  const auto& metadata = old["metadata"];
  auto present = number_or(dig(metadata, "deletionGracePeriodSeconds"), 0);
  bool sooner = grace < present;
  bool changed = finalizers != list_of(metadata, "finalizers");
  auto left = sooner ? grace : present;
  if (left == 0 && finalizers.empty()) return erase_now{answers_object(kind)};
  if (!sooner && !changed) return already_deleting{};
  auto out = without_version(old);
  auto& next = out["metadata"];
  if (sooner) {
    auto at = parse_rfc3339(text_or(dig(metadata, "deletionTimestamp")));
    if (at) next["deletionTimestamp"] = to_rfc3339(*at - std::chrono::seconds(present - grace));
    next["deletionGracePeriodSeconds"] = grace;
  }
  if (finalizers.empty()) next.erase("finalizers");
  else next["finalizers"] = std::move(finalizers);
  return update_first{std::move(out)};
}

}  // namespace

std::vector<std::string> warnings_of_delete(const schema::kind& served, const json& wanted) {
  const auto& kind = schema::kinds()[served.storage];
  if (kind.group != "batch" || kind.name != "Job" || dig(wanted, "propagationPolicy").is_string() || dig(wanted, "orphanDependents").is_boolean()) return {};
  return {"child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning"};
}

deletion plan_delete(const schema::kind& served, const json& old, const json& wanted, const write_context& ctx) {
  const auto& kind = schema::kinds()[served.storage];
  const auto& metadata = dig(old, "metadata");
  if (auto why = check_preconditions(kind, metadata, wanted)) return std::move(*why);
  auto finalizers = finalizers_after(kind, metadata, wanted, ctx);
  if (is_core(kind, "Namespace")) return delete_namespace(old, std::move(finalizers), ctx);
  auto grace = grace_of(kind, old, wanted);
  if (metadata.contains("deletionTimestamp")) return delete_again(kind, old, std::move(finalizers), grace);
  if (grace == 0 && finalizers.empty()) return erase_now{answers_object(kind)};
  auto out = without_version(old);
  auto& next = out["metadata"];
  // Far beyond any sense a grace would leave the calendar.
  constexpr std::int64_t grace_max = 100LL * 365 * 24 * 3600;
  next["deletionTimestamp"] = to_rfc3339(ctx.now + std::chrono::seconds(std::min(grace, grace_max)));
  next["deletionGracePeriodSeconds"] = grace;
  if (next.contains("generation")) next["generation"] = number_or(next["generation"], 0) + 1;
  if (finalizers.empty()) next.erase("finalizers");
  else next["finalizers"] = std::move(finalizers);
  return update_first{std::move(out)};
}

}  // namespace troupe::apiserver
