// What is to happen at which moment of simulated time. Owned by a simulation; one thread. Ties
// are broken by order of entry, so that a run depends on its seed only.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "basis/clock.hpp"
#include "basis/task.hpp"

namespace troupe {

class agenda {
 public:
  using entry = std::pair<mono_time, std::uint64_t>;

  mono_time now() const noexcept { return now_; }
  /// Enters `what`, due `after` from now (at once when negative). The answer cancels it.
  entry in(duration after, task what);
  void cancel(const entry& which) { due_.erase(which); }
  std::optional<mono_time> next_due() const;
  bool empty() const noexcept { return due_.empty(); }
  /// Moves time forward to `at`, running nothing; never backwards.
  void advance_to(mono_time at) { if (at > now_) now_ = at; }
  /// Runs the earliest entry that is due at or before now; false when there is none.
  bool run_one();

 private:
  mono_time now_{};
  std::uint64_t counter_ = 0;
  std::map<entry, task> due_;
};

}  // namespace troupe
