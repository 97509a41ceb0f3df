// One probe of one container over time: when it is due, and what its answers have come to. Pure.
#pragma once
#include <optional>

#include "actors/kubelet/pod/wish.hpp"

namespace troupe::kubelet {

enum class probe_kind : std::uint8_t { startup, liveness, readiness };
std::string to_string(probe_kind of);        ///< "Liveness", as events name it.

/// Belongs to one running instance; a new instance gets a new one.
class probing {
 public:
  probing(probe_kind kind, const probe_wish& how, wall_time began);
  probe_kind kind() const { return kind_; }
  wall_time due() const { return due_; }
  /// It is being asked: not due before it has been answered.
  void begin(wall_time now);
  /// Nobody could be asked: no answer either way.
  void skip() { asking_ = false; }
  /// An answer. True when the verdict has changed by it.
  bool settle(bool well, wall_time now);
  /// Nothing until as many answers in a row have come as it takes. (Readiness begins as not ready, liveness as alive.)
  std::optional<bool> verdict() const { return verdict_; }
  const probe_wish& how() const { return how_; }
  bool asking() const { return asking_; }

 private:
  probe_kind kind_;
  probe_wish how_;
  wall_time due_;
  std::optional<bool> verdict_;
  int successes_ = 0, failures_ = 0;
  bool asking_ = false;
};

}  // namespace troupe::kubelet
