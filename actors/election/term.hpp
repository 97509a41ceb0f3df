// Whose term it is, as one candidate sees it. Other servers' clocks do not count: a lease has run out when it has not been
// seen to change for its duration by our own clock. No clock, no actor, no I/O.
#pragma once
#include <optional>
#include <string>

#include "basis/clock.hpp"

namespace troupe::election {

struct term_times {
  duration lease = std::chrono::seconds(6);      ///< After this without renewal others may take it.
  duration deadline = std::chrono::seconds(4);   ///< After this without a successful renewal we stop acting.
  duration retry = std::chrono::milliseconds(1000);
};

/// The Lease as it stands.
struct lease_seen {
  std::string holder;            ///< Empty: nobody.
  std::string renewed;           ///< Its renewTime as text; only compared.
  std::string version;           ///< resourceVersion.
  std::int64_t transitions = 0;
  duration length{};             ///< Its own leaseDurationSeconds.
};

enum class move : std::uint8_t { wait, create, take, renew };

class term {
 public:
  term(std::string self, term_times times) : self_(std::move(self)), times_(times) {}

  /// What to do about the lease that was just read (nothing: there is none), at `now`.
  move look(const std::optional<lease_seen>& seen, mono_time now) {
    if (!seen) return move::create;
    if (!observed_ || observed_->renewed != seen->renewed || observed_->holder != seen->holder || observed_->version != seen->version) {
      observed_ = seen;
      observed_at_ = now;
    }
    if (seen->holder == self_) return move::renew;
    if (seen->holder.empty()) return move::take;
    return now - observed_at_ >= std::max(seen->length, times_.retry) ? move::take : move::wait;
  }
  /// A write of ours succeeded; it was sent at `sent` and the answer came at `now`. True when the term begins with it. An
  /// answer that was under way for longer than the deadline begins nothing and prolongs nothing: others count from then.
  bool won(mono_time sent, mono_time now) {
    if (now - sent >= times_.deadline) return false;
    renewed_at_ = sent;
    return !std::exchange(held_, true);
  }
  /// Somebody else stands in the lease. True when that ends our term.
  bool lost() { return std::exchange(held_, false); }
  /// True when our term must end now, because it was not renewed in time.
  bool overdue(mono_time now) {
    if (!held_ || now - renewed_at_ < times_.deadline) return false;
    return lost();
  }
  bool held() const { return held_; }

 private:
  std::string self_;
  term_times times_;
  std::optional<lease_seen> observed_;
  mono_time observed_at_{}, renewed_at_{};
  bool held_ = false;
};

}  // namespace troupe::election
