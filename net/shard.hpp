// A net shard: one event loop on one thread. A socket, its timers and the actor that owns them
// live their whole life on one shard, so nothing of theirs needs a lock.
#pragma once
#include <cstdint>

#include "basis/clock.hpp"
#include "basis/task.hpp"

namespace troupe::net {

using timer_id = std::uint64_t;  ///< 0 is no timer.

class shard {
 public:
  virtual ~shard() = default;
  /// Runs `what` on the shard's thread, soon. Any thread. Never runs it inside the call.
  virtual void post(task what) = 0;
  /// Runs `what` once after `wait`. Only on the shard's thread.
  virtual timer_id after(duration wait, task what) = 0;
  /// Forgets a timer; unknown and fired ones are ignored. Only on the shard's thread.
  virtual void cancel(timer_id which) = 0;
  /// Elapsed time, cheap (the loop's own reading). Any thread.
  virtual mono_time now() const = 0;
};

}  // namespace troupe::net
