#include "actors/balancer/roster.hpp"

#include <algorithm>

namespace troupe::balancer {

roster::roster(endpoint fallback, node_name self) : fallback_(std::move(fallback)), self_(std::move(self)) {
  rows_.push_back({fallback_, health::unknown, true});
}

std::uint64_t roster::weight(const endpoint& at) const {
  std::uint64_t hash = 1469598103934665603ull;
  for (const unsigned char c : self_.text + "|" + to_string(at)) hash = (hash ^ c) * 1099511628211ull;
  // The last bytes differ most between servers; without this they would hardly reach the high bits.
  hash ^= hash >> 29;
  return hash * 0xbf58476d1ce4e5b9ull;
}

roster::row* roster::find(const endpoint& at) {
  for (auto& r : rows_)
    if (r.at == at) return &r;
  return nullptr;
}

std::vector<endpoint> roster::order() const {
  const auto rank = [](health h) { return h == health::lost ? 2 : h == health::unready ? 1 : 0; };
  auto sorted = rows_;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const row& a, const row& b) {
    if (rank(a.state) != rank(b.state)) return rank(a.state) < rank(b.state);
    if (a.fallback != b.fallback) return b.fallback;
    return weight(a.at) < weight(b.at);
  });
  std::vector<endpoint> out;
  for (auto& r : sorted) out.push_back(std::move(r.at));
  return out;
}

std::vector<effect> roster::moved(const endpoint& before) const {
  if (current() == before) return {};
  return {use_server{current()}};
}

std::vector<effect> roster::replace(std::vector<endpoint> servers) {
  if (servers.empty()) return {};
  const auto before = current();
  std::vector<row> next;
  for (auto& at : servers) {
    if (std::any_of(next.begin(), next.end(), [&](const row& r) { return r.at == at; })) continue;
    const auto* known = find(at);
    const auto state = known ? known->state : health::unknown;
    next.push_back({std::move(at), state, false});
  }
  if (std::none_of(next.begin(), next.end(), [&](const row& r) { return r.at == fallback_; })) {
    const auto* known = find(fallback_);
    next.push_back({fallback_, known ? known->state : health::unknown, true});
  }
  rows_ = std::move(next);
  return moved(before);
}

bool roster::alternative_to(const endpoint& at) const {
  return std::any_of(rows_.begin(), rows_.end(),
                     [&](const row& r) { return r.at != at && (r.state == health::ready || r.state == health::unknown); });
}

std::vector<effect> roster::unready(const endpoint& at) {
  auto* r = find(at);
  if (!r || r->state == health::unready) return {};
  const auto before = current();
  r->state = health::unready;
  return moved(before);
}

std::vector<effect> roster::lost(const endpoint& at) {
  auto* r = find(at);
  if (!r || r->state == health::lost) return {};
  const auto before = current();
  r->state = health::lost;
  std::vector<effect> out;
  if (alternative_to(at)) out.push_back(close_relays{at});
  for (auto& e : moved(before)) out.push_back(std::move(e));
  return out;
}

std::vector<effect> roster::recovered(const endpoint& at) {
  auto* r = find(at);
  if (!r || r->state == health::ready) return {};
  const auto before = current();
  r->state = health::ready;
  return moved(before);
}

}  // namespace troupe::balancer
