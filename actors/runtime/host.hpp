// A state class made an actor. The state dies when the actor exits, so handles and open promises
// inside it never form cycles that live for ever.
#pragma once
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/runtime/handle.hpp"
#include "actors/runtime/observed.hpp"

namespace troupe::rt {

template <class H, class S>
class host : public observed<caf::stateful_actor<S, typename H::base>, S> {
 public:
  using super = observed<caf::stateful_actor<S, typename H::base>, S>;
  template <class... Ts>
  explicit host(caf::actor_config& cfg, std::string detail, Ts&&... xs) : super(cfg, std::move(detail)) {
    const acting us(this->my_cell().id);   // what the state spawns are its children
    this->state.init(std::forward<Ts>(xs)...);
  }
  typename H::behavior_type make_behavior() override { return this->state.make_behavior(); }
};

}  // namespace troupe::rt
