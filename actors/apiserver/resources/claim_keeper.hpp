// Makes the keeper of the claims that Services have (service_claims.hpp): what was stored before there were claims, or by a
// server that writes none, gets its own; what nobody holds any more goes. Scheduled actor, at the server that leads.
#pragma once
#include "actors/datastore/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::apiserver {

/// claim keeper -> itself.
struct claims_due {};
/// test -> claim keeper: look now. Answers how many claims were wrong.
struct repair_claims {};
using claim_keeper_actor = rt::handle<std::uint64_t(repair_claims), void(claims_due)>;

struct claim_config {
  duration every = std::chrono::minutes(5);
  duration again_after = std::chrono::seconds(5);   ///< When the datastore was away, or somebody was faster.
};

/// Looks at once, then ever again.
claim_keeper_actor make_claim_keeper(const rt::world& in, claim_config config, datastore::pages_actor store);

}  // namespace troupe::apiserver

RT_MESSAGE(troupe::apiserver::claims_due)
RT_MESSAGE(troupe::apiserver::repair_claims)
