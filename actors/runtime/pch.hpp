// What every actor's source includes anyway, compiled once per library. Never included by hand.
#ifndef TROUPE_ACTORS_PCH
#define TROUPE_ACTORS_PCH
#include <caf/actor_system.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "basis/json.hpp"
#endif
