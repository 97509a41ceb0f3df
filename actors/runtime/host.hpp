// A state class made an actor. The state dies when the actor exits, so handles and open promises
// inside it never form cycles that live for ever.
#pragma once
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <tuple>

#include "actors/runtime/handle.hpp"
#include "actors/runtime/observed.hpp"
#include "basis/task.hpp"

namespace troupe::rt {

template <class H, class S>
class host : public observed<caf::stateful_actor<S, typename H::base>, S> {
 public:
  using super = observed<caf::stateful_actor<S, typename H::base>, S>;
  /// `xs` is for S::init. It is kept by reference: who spawns launches before it returns.
  template <class... Ts>
  explicit host(caf::actor_config& cfg, std::string detail, Ts&&... xs) : super(cfg, std::move(detail)) {
    begin_ = [this, with = std::forward_as_tuple(std::forward<Ts>(xs)...)]() mutable {
      std::apply([this](auto&&... each) { this->state.init(std::forward<decltype(each)>(each)...); }, std::move(with));
    };
  }
  /// Begins the state only now, by its maker's thread: init may ask others, whose answers come from other threads, and
  /// until the last constructor has run they would meet half an actor (its table of virtual functions still changes).
  void launch(caf::execution_unit* on, bool lazy, bool hide) override {
    {
      const acting us(this->my_cell().id);   // what the state spawns are its children
      std::exchange(begin_, nullptr)();
    }
    super::launch(on, lazy, hide);
  }
  typename H::behavior_type make_behavior() override { return this->state.make_behavior(); }

 private:
  task begin_;
};

}  // namespace troupe::rt
