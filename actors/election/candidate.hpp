// Makes the actor that competes for a term on behalf of this server.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/election/messages.hpp"
#include "actors/election/term.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::election {

struct candidate_config {
  std::string lease = "k3s";                 ///< In kube-system; K3s's own name for its controllers.
  std::string self;                          ///< Unique among servers.
  term_times times;
};
candidate_actor make_candidate(const rt::world& in, candidate_config config, client::api_actor api, office_actor owner);

}  // namespace troupe::election
