#include "actors/scheduler/queue.hpp"

#include <algorithm>

namespace troupe::scheduler {

duration queue::backoff(unsigned tries) const {
  duration out = limits_.backoff_first;
  for (unsigned i = 1; i < tries && out < limits_.backoff_max; ++i) out *= 2;
  return std::min(out, limits_.backoff_max);
}

void queue::ready(const std::string& key, entry& one) {
  one.at = where::ready;
  ready_.insert({one.priority, one.number, key});
}

void queue::add(const std::string& key, std::int64_t priority) {
  auto [found, fresh] = known_.try_emplace(key);
  auto& one = found->second;
  if (!fresh && one.priority == priority) return;
  if (!fresh && one.at == where::ready) ready_.erase({one.priority, one.number, key});
  one.priority = priority;
  if (fresh) one.number = ++numbers_;
  if (one.at == where::ready) ready(key, one);
}

void queue::forget(const std::string& key) {
  const auto found = known_.find(key);
  if (found == known_.end()) return;
  const auto& one = found->second;
  ready_.erase({one.priority, one.number, key});
  waiting_.erase({one.at == where::aside ? one.flush : one.until, key});
  known_.erase(found);
}

std::optional<std::string> queue::pop(mono_time now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    const auto key = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    ready(key, known_.at(key));
  }
  if (ready_.empty()) return std::nullopt;
  const auto key = ready_.begin()->key;
  ready_.erase(ready_.begin());
  auto& one = known_.at(key);
  one.at = where::taken;
  one.woken = false;
  return key;
}

void queue::settle(entry& one, mono_time now) {
  ++one.tries;
  one.until = now + backoff(one.tries);
  one.flush = std::max(one.until, now + limits_.aside_max);
}

void queue::aside(const std::string& key, mono_time now) {
  const auto found = known_.find(key);
  if (found == known_.end() || found->second.at != where::taken) return;
  auto& one = found->second;
  settle(one, now);
  one.at = one.woken ? where::backing_off : where::aside;
  waiting_.insert({one.woken ? one.until : one.flush, key});
}

void queue::again(const std::string& key, mono_time now) {
  const auto found = known_.find(key);
  if (found == known_.end() || found->second.at != where::taken) return;
  settle(found->second, now);
  found->second.at = where::backing_off;
  waiting_.insert({found->second.until, key});
}

void queue::wake() {
  for (auto& [key, one] : known_) {
    one.woken = true;
    if (one.at != where::aside) continue;
    waiting_.erase({one.flush, key});
    one.at = where::backing_off;
    waiting_.insert({one.until, key});
  }
}

std::optional<mono_time> queue::due(mono_time now) const {
  if (!ready_.empty()) return now;
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->first;
}

}  // namespace troupe::scheduler
