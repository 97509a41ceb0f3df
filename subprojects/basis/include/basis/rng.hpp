// Chance that can be repeated. Every user forks a generator by name, so that one actor more does
// not shift another's draws. Not for keys, passwords or serial numbers: those need `entropy`.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

class rng {
 public:
  explicit rng(std::uint64_t seed) noexcept;
  /// A generator that depends on this one's seed and the name only, not on draws made so far.
  rng fork(std::string_view name) const noexcept;
  std::uint64_t next() noexcept;
  /// Uniform in [0, bound); 0 when bound is 0.
  std::uint64_t below(std::uint64_t bound) noexcept;
  /// True with probability `percent` / 100.
  bool chance(unsigned percent) noexcept { return below(100) < percent; }

 private:
  std::uint64_t seed_;
  std::uint64_t state_[4];
};

/// Where key material, passwords, tokens and UIDs come from. Any thread.
class entropy {
 public:
  virtual ~entropy() = default;
  /// `count` unpredictable bytes (in simulation: seeded).
  virtual std::string draw(std::size_t count) = 0;
  /// A version 4 UUID in its usual spelling.
  std::string uuid();
};
/// The kernel's generator; ends the process if it has none.
entropy& system_entropy();

}  // namespace troupe
