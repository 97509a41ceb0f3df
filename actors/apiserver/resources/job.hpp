// One write on its way through a kind keeper.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "actors/apiserver/messages.hpp"
#include "actors/apiserver/resources/service_ranges.hpp"

namespace troupe::apiserver {

inline constexpr unsigned patch_tries_max = 6;       // the first and five more, as upstream
inline constexpr unsigned generate_tries_max = 8;
// How often a refusal looks at what other servers wrote before it stands: the namespaces' keeper tells us of a new
// namespace in its own time.
inline constexpr unsigned looks_max = 1, namespace_looks_max = 3;
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
  unsigned looks = 0;
  bool about_namespace = false;   ///< What was refused last was the namespace.
  bool certain = false;           ///< The datastore itself refused: looking again is useless.
};
using job_ptr = std::shared_ptr<job>;

}  // namespace troupe::apiserver
