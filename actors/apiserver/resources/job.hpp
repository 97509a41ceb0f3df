// One write on its way through a kind keeper.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/apiserver/auth/authorizer.hpp"
#include "actors/apiserver/messages.hpp"
#include "actors/apiserver/resources/rules/write.hpp"
#include "actors/apiserver/resources/service_claims.hpp"
#include "actors/apiserver/resources/service_ranges.hpp"

namespace troupe::apiserver {

inline constexpr unsigned patch_tries_max = 6;       // the first and five more, as upstream
inline constexpr unsigned generate_tries_max = 8;
// How often a refusal looks at what other servers wrote before it stands: the namespaces' keeper tells us of a new
// namespace in its own time.
inline constexpr unsigned looks_max = 1, namespace_looks_max = 3;
// A datastore between two leaders has one again within a second: writes wait there, and looks as long.
inline constexpr unsigned waits_max = 8;
inline constexpr auto wait_pause = std::chrono::milliseconds(125);
inline constexpr auto reload_pause = std::chrono::milliseconds(500);

/// One write on its way. Shared by the continuations of its commits.
struct job : std::enable_shared_from_this<job> {
  write_object ask;
  caf::typed_response_promise<written> answer;
  unsigned tries = 0;
  bool created = false;
  std::vector<std::string> warnings;
  allocation_plan plan;
  allocation_grant grant;
  bool reserved = false;
  std::shared_ptr<const storage::claims> claims;   ///< What the write takes and gives back, where servers share a store.
  unsigned looks = 0, waits = 0;
  bool about_namespace = false;   ///< What was refused last was the namespace.
  bool certain = false;           ///< The datastore itself refused: looking again is useless.
};
using job_ptr = std::shared_ptr<job>;

inline std::string object_key(std::string_view ns, std::string_view name) {
  return ns.empty() ? std::string(name) : std::string(ns).append("/").append(name);
}

/// What stands in the way of creating something in `ns`, if anything does; `known` is null while that is not known.
inline std::optional<api_error> namespace_refusal(const schema::kind& kind, const std::map<std::string, bool, std::less<>>* known,
                                                  std::string_view ns, std::string_view name) {
  if (!kind.namespaced) return std::nullopt;
  if (!known) return unavailable("the server is still loading its namespaces");
  const auto found = known->find(ns);
  if (found == known->end()) return namespace_not_found(ns);
  if (!found->second) return namespace_terminating(kind, name, ns);
  return std::nullopt;
}

/// What the one who asks may not make of an object, although they may write it.
inline std::optional<api_error> change_refusal(const job& j, const json& old, json& next) {
  if (auto bad = restrict_change(j.ask.user, *j.ask.what, old, next)) return bad;
  return j.ask.admit ? j.ask.admit(next) : std::nullopt;
}

inline write_context context_of(const job& j, wall_time now) {
  const target& t = *j.ask.what;
  write_context ctx;
  ctx.now = now;
  ctx.garbage_collector = true;
  ctx.user = j.ask.user.name;
  ctx.groups = j.ask.user.groups;
  ctx.ns = t.ns;
  ctx.name = t.name;
  ctx.subresource = t.subresource;
  ctx.field_manager = t.ask.field_manager;
  ctx.dry_run = t.ask.dry_run;
  ctx.validation = t.ask.validation;
  return ctx;
}

/// The same ask about one object of many.
inline std::shared_ptr<target> one_of(const target& many, verb what, const model::document& which) {
  auto one = std::make_shared<target>(many);
  one->what = what;
  one->ns = std::string(which.ns());
  one->name = std::string(which.name());
  return one;
}

}  // namespace troupe::apiserver
