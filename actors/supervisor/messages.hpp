// The supervisor: the HTTP edge that agents speak to. It answers before the datastore is there.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/front/messages.hpp"
#include "actors/registration/messages.hpp"
#include "actors/secrets/messages.hpp"
#include "actors/snapshots/messages.hpp"
#include "actors/tunnel/messages.hpp"

namespace troupe::supervisor {

/// node -> gate: the API stands; registration may begin.
struct api_ready {
  registration::registrar_actor registrar;
  client::api_actor api;
  secrets::vault_actor vault;
};
/// node -> gate: who takes snapshots; until then /db/snapshot answers 503.
struct snapshots_ready { snapshots::snapshots_actor keeper; };
/// node -> gate: what a request for the API is told meanwhile.
struct still_waiting { std::string what; };
using gate_actor = rt::handle<void(front::request_arrived), void(still_waiting), void(api_ready),
                              void(snapshots_ready), void(secrets::passwords_changed)>;

}  // namespace troupe::supervisor

RT_MESSAGE(troupe::supervisor::api_ready)
RT_MESSAGE(troupe::supervisor::snapshots_ready)
RT_MESSAGE(troupe::supervisor::still_waiting)
