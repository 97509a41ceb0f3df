#include "actors/connection/health.hpp"

#include <algorithm>

namespace troupe::connection {

std::string problem(const probe_config& config) {
  if (config.every <= duration::zero() || config.deadline <= duration::zero() || config.lost_first <= duration::zero() ||
      config.every_unused <= duration::zero() || config.every_unready <= duration::zero())
    return "probes need waits and a deadline above zero";
  if (config.failures_max == 0 || config.jitter_percent > 50) return "probes need at least one failure and at most 50 % of jitter";
  return {};
}

verdict health::answered(bool serves) {
  failures_ = 0;
  return now_ = serves ? verdict::ready : verdict::unready;
}

verdict health::missed() {
  if (failures_ < 64) ++failures_;
  if (failures_ >= config_.failures_max) now_ = verdict::lost;
  return now_;
}

duration health::wait(bool used, rng& dice) const {
  duration out = used ? config_.every : config_.every_unused;
  if (now_ == verdict::unready) out = config_.every_unready;
  if (now_ == verdict::lost) {
    out = config_.lost_first;
    for (unsigned i = config_.failures_max; i < failures_ && out < config_.lost_max; ++i) out *= 2;
    out = std::min(out, config_.lost_max);
  } else if (failures_ > 0) {
    out = std::min(out, config_.lost_first);   // it missed one: the next decides, so it comes soon
  }
  const auto spread = out * config_.jitter_percent / 100;
  return out - spread + duration(static_cast<std::int64_t>(dice.below(static_cast<std::uint64_t>(2 * spread.count()) + 1)));
}

}  // namespace troupe::connection
