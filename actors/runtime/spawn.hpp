// Making actors. A scheduled actor shares two threads with all others; a pinned one runs on the net
// shard; a slow one runs on the loop for slow work. Under simulation all are ordinary.
#pragma once
#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include "actors/runtime/host.hpp"
#include "actors/runtime/pinned.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::rt {

/// `detail` tells siblings apart in the console; the rest goes to S::init.
template <class H, class S, class... Ts>
H spawn(const world& in, std::string detail, Ts&&... xs) {
  H made = in.system->spawn<host<H, S>>(std::move(detail), std::forward<Ts>(xs)...);
  if (in.born) in.born(caf::actor_cast<caf::strong_actor_ptr>(made));
  return made;
}

template <class H, class S, class... Ts>
H spawn_pinned(const world& in, std::string detail, Ts&&... xs) {
  if (in.simulated) return spawn<H, S>(in, std::move(detail), std::forward<Ts>(xs)...);
  return in.system->spawn<pinned<host<H, S>>>(in.unit, std::move(detail), std::forward<Ts>(xs)...);
}

template <class H, class S, class... Ts>
H spawn_slow(const world& in, std::string detail, Ts&&... xs) {
  if (in.simulated) return spawn<H, S>(in, std::move(detail), std::forward<Ts>(xs)...);
  return in.system->spawn<pinned<host<H, S>>>(in.slow_unit, std::move(detail), std::forward<Ts>(xs)...);
}

/// Sends without a sender; from callbacks of ports, on any thread.
template <class H, class M>
void post(const H& to, M&& what) {
  caf::anon_send(to, std::forward<M>(what));
}

/// Ends an actor from outside.
template <class H>
void end(const H& whom) {
  caf::anon_send_exit(whom, caf::exit_reason::user_shutdown);
}

/// A handle to oneself that keeps the actor's block alive, for callbacks; sends only.
template <class H>
H strong(self<H> me) {
  return caf::actor_cast<H>(me);
}

}  // namespace troupe::rt
