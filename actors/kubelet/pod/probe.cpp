#include "actors/kubelet/pod/probe.hpp"

namespace troupe::kubelet {

std::string to_string(probe_kind of) {
  switch (of) {
    case probe_kind::startup: return "Startup";
    case probe_kind::liveness: return "Liveness";
    case probe_kind::readiness: return "Readiness";
  }
  return "Probe";
}

probing::probing(probe_kind kind, const probe_wish& how, wall_time began) : kind_(kind), how_(how), due_(began + how.initial_delay) {}

void probing::begin(wall_time now) {
  asking_ = true;
  due_ = now + how_.period;
}

bool probing::settle(bool well, wall_time now) {
  asking_ = false;
  due_ = std::max(due_, now);   // an answer that took longer than the period: again at once, not twice
  (well ? failures_ : successes_) = 0;
  const bool enough = well ? ++successes_ >= how_.successes_needed : ++failures_ >= how_.failures_allowed;
  if (!enough || verdict_ == well) return false;
  verdict_ = well;
  return true;
}

}  // namespace troupe::kubelet
