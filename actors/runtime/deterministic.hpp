// The deterministic scheduler: no thread, a virtual clock, one message at a time in seeded order.
// Time stands still while any actor is ready; then it jumps to the next thing due in the agenda (net
// and storage twins) or in the actors' own clock. The same seed gives the same run.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "basis/agenda.hpp"
#include "basis/clock.hpp"

namespace caf {
class actor_system;
}

namespace troupe::rt {

class deterministic {
 public:
  explicit deterministic(std::uint64_t seed);
  /// Ends every actor, runs what is left, and forgets the agenda.
  ~deterministic();
  deterministic(const deterministic&) = delete;

  caf::actor_system& system();
  agenda& plan() { return plan_; }
  mono_time now() const { return plan_.now(); }

  /// Runs until virtual time has moved by `span`.
  void run_for(duration span);
  /// Runs until `done()` or until `span` has passed; true when it was done.
  bool run_until(const std::function<bool()>& done, duration span);
  /// Messages handled so far.
  std::uint64_t steps() const;
  /// Adds what happened to the run's digest: same seed, same digest.
  void note(std::string_view what);
  std::uint64_t digest() const { return digest_; }

 private:
  bool step();
  bool jump(mono_time limit);
  struct inside;
  std::unique_ptr<inside> in_;
  agenda plan_;
  std::uint64_t digest_ = 1469598103934665603ull;
};

}  // namespace troupe::rt
