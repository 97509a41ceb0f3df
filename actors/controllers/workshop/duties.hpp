// Which duty has to be looked at when an object changes, and who decides about it. The list of the controllers. Pure.
#pragma once
#include <compare>
#include <string>
#include <vector>

#include "actors/controllers/workshop/plan.hpp"

namespace troupe::controllers {

struct duty {
  std::string role, key;             ///< "deployment", "default/web"; the collector's keys begin with the plural and '|'.
  friend auto operator<=>(const duty&, const duty&) = default;
};
/// Kinds whose objects are followed whole; of all others only those that are bound (model::is_bound), and of these only what
/// they are called and their metadata.
bool follows_whole(std::string_view plural);
/// Kinds that nobody follows: Events, which own nothing and are owned by nobody, and Leases, which only ever change.
bool follows(std::string_view plural);
/// What a change concerns; `gone`: the object is no more.
std::vector<duty> concerned(const store& all, const std::string& plural, const std::string& key, const json& object, bool gone);
plan decide(const store& all, const duty& what, const moment& at);

}  // namespace troupe::controllers
