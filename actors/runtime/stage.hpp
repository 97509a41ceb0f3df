// The real stage: the actor system with our settings, and its end. One per process.
#pragma once
#include <memory>

#include "basis/clock.hpp"

namespace caf {
class actor_system;
}

namespace troupe::rt {

class stage {
 public:
  /// Starts the scheduler: sharing policy, two workers, 64 messages a slice.
  stage();
  /// Waits for every actor to end, at most `stop_limit`, then leaves without them: a handle that
  /// somebody leaked must not keep the process.
  ~stage();
  /// Waits until no actor is left, at most `stop_limit` (then as above). After it, and before the stage
  /// dies, the loops that actors were pinned to must stop: what is still on its way there holds handles,
  /// and letting go of the last handle to an actor needs the actor system.
  void await_actors();
  caf::actor_system& system();
  static constexpr duration stop_limit = std::chrono::seconds(2);

 private:
  struct inside;
  std::unique_ptr<inside> in_;
};

}  // namespace troupe::rt
