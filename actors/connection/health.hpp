// When a server is asked whether it serves, and what its silence means. No clock, no actor, no I/O.
#pragma once
#include "actors/connection/messages.hpp"
#include "basis/rng.hpp"

namespace troupe::connection {

struct probe_config {
  duration every = std::chrono::milliseconds(500);          ///< Of a server that carries something.
  duration every_unused = std::chrono::seconds(2);          ///< Of one that carries nothing: its silence hurts nobody.
  duration every_unready = std::chrono::milliseconds(250);  ///< It answers and says no: soon it may say yes.
  duration lost_first = std::chrono::milliseconds(250);     ///< Then twice as long each time,
  duration lost_max = std::chrono::seconds(2);              ///< up to this.
  duration deadline = std::chrono::milliseconds(700);       ///< For the whole probe, the dial included.
  duration rest = std::chrono::milliseconds(100);           ///< After a probe, so long none that somebody asks for.
  unsigned jitter_percent = 10;                             ///< Of each wait, to either side.
  unsigned failures_max = 1;                                ///< So many without an answer: lost.
  /// A deadline that fires later than this is our own fault: the answer may wait in our socket, so it gets `grace` more.
  duration own_stall = std::chrono::milliseconds(100);
  duration grace = std::chrono::milliseconds(150);
};

/// A server that freezes or falls silent while it carries something is left within this.
inline constexpr duration left_within = std::chrono::milliseconds(1500);
constexpr duration worst_notice(const probe_config& c) {
  return (c.every * (100 + c.jitter_percent) / 100 + c.deadline) * c.failures_max;
}
static_assert(worst_notice(probe_config{}) < left_within, "interval, deadline and failures must agree");

/// Why `config` makes no sense, as a sentence; empty when it does.
std::string problem(const probe_config& config);

class health {
 public:
  explicit health(probe_config config) : config_(config) {}
  /// The server answered: whether it serves.
  verdict answered(bool serves);
  /// No answer: still what it was as long as failures_max is not reached, then lost. A server never heard of is lost at once.
  verdict missed();
  /// How long until the next probe; `used` when relays or dials hang on the server.
  duration wait(bool used, rng& dice) const;
  verdict now() const { return now_; }
  /// Whether a deadline that fired `late` may be blamed on the server.
  bool is_its_fault(duration late) const { return late <= config_.own_stall; }

 private:
  probe_config config_;
  verdict now_ = verdict::lost;
  unsigned failures_ = 0;   ///< In a row.
};

}  // namespace troupe::connection
