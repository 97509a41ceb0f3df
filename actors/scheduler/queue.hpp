// Which pod is looked at next: the highest priority first, then who came first. A pod that found no place waits aside until
// something changes that might help (or five minutes), and at least its back-off: 1 s, doubled to 10 s. Pure; time is handed in.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "basis/clock.hpp"

namespace troupe::scheduler {

struct queue_limits {
  duration backoff_first = std::chrono::seconds(1), backoff_max = std::chrono::seconds(10);
  duration aside_max = std::chrono::minutes(5);
};

class queue {
 public:
  explicit queue(queue_limits limits = {}) : limits_(limits) {}
  /// A pod that wants a place; nothing when it is known and its priority is the same.
  void add(const std::string& key, std::int64_t priority);
  void forget(const std::string& key);
  /// The next one, out of the queue but not forgotten: settle it by aside(), again() or forget().
  std::optional<std::string> pop(mono_time now);
  /// Found no place: waits until wake() or aside_max, and its back-off.
  void aside(const std::string& key, mono_time now);
  /// Something went wrong: after its back-off, whatever happens.
  void again(const std::string& key, mono_time now);
  /// Something changed that may help: those aside need wait for their back-off only.
  void wake();
  /// When somebody waits: the earliest moment worth another pop().
  std::optional<mono_time> due(mono_time now) const;
  std::size_t size() const { return known_.size(); }
  bool knows(const std::string& key) const { return known_.contains(key); }

 private:
  enum class where : std::uint8_t { ready, taken, aside, backing_off };
  struct entry {
    std::int64_t priority = 0;
    std::uint64_t number = 0;
    unsigned tries = 0;
    where at = where::ready;
    mono_time until{}, flush{};
    bool woken = false;              ///< Something changed while it was looked at.
  };
  struct place {
    std::int64_t priority;
    std::uint64_t number;
    std::string key;
    bool operator<(const place& other) const {
      return priority != other.priority ? priority > other.priority : number < other.number;
    }
  };
  duration backoff(unsigned tries) const;
  void settle(entry& one, mono_time now);
  void ready(const std::string& key, entry& one);

  queue_limits limits_;
  std::map<std::string, entry> known_;
  std::set<place> ready_;
  std::set<std::pair<mono_time, std::string>> waiting_;   ///< Those aside (by flush) and backing off (by until).
  std::uint64_t numbers_ = 0;
};

}  // namespace troupe::scheduler
