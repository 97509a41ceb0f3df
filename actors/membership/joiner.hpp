// Makes the actor that finds the cluster behind `--server` and asks it who its members are. Journey J6, steps 1 to 3.
#pragma once
#include "actors/membership/messages.hpp"
#include "actors/runtime/world.hpp"
#include "basis/secret.hpp"

namespace troupe::membership {

struct joiner_config {
  endpoint at;                      ///< Of the server that is asked, or of whatever stands before the servers.
  secret_text token;                ///< As typed: any of the four spellings.
  json critical;                    ///< Settings on which all servers must agree, as /v1-k3s/config names them.
  std::vector<std::pair<std::string, std::string>> critical_flags;   ///< Field -> flag, for the sentence.
  duration attempt_limit = std::chrono::seconds(5);
  duration delay_first = std::chrono::milliseconds(250), delay_max = std::chrono::seconds(5);
};
/// Pinned. Tells its owner cluster_found or joining_refused, and what it waits for in between.
joiner_actor make_joiner(const rt::world& in, joiner_config config, owner_actor owner);

}  // namespace troupe::membership
