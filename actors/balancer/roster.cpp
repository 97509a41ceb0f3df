#include "actors/balancer/roster.hpp"

#include <algorithm>
#include <set>

namespace troupe::balancer {
namespace {

using health = roster::health;

int rank(health state) { return state == health::lost ? 2 : state == health::unready ? 1 : 0; }
bool serves(health state) { return state == health::ready || state == health::unknown; }
bool contains(const std::vector<endpoint>& all, const endpoint& at) { return std::find(all.begin(), all.end(), at) != all.end(); }

}  // namespace

roster::roster(endpoint fallback, node_name self, mono_time now, roster_limits limits)
    : fallback_(std::move(fallback)), self_(std::move(self)), limits_(limits) {
  rows_.push_back(made(fallback_, now, true));
  order_.push_back(fallback_);
}

roster::row roster::made(endpoint at, mono_time now, bool fallback) const {
  row out;
  out.weight = weight_of(at);
  out.at = std::move(at);
  out.since = now;
  out.fallback = fallback;
  return out;
}

std::uint64_t roster::weight_of(const endpoint& at) const {
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

void roster::arrange(const endpoint& before, std::vector<effect>& into) {
  std::vector<const row*> sorted;
  for (const auto& r : rows_)
    if (!r.draining) sorted.push_back(&r);
  std::sort(sorted.begin(), sorted.end(), [](const row* a, const row* b) {
    if (rank(a->state) != rank(b->state)) return rank(a->state) < rank(b->state);
    if (a->fallback != b->fallback) return b->fallback;
    return std::pair(a->weight, a->at) < std::pair(b->weight, b->at);
  });
  order_.clear();
  for (const auto* r : sorted) order_.push_back(r->at);
  if (current() != before) into.push_back(use_server{current()});
}

bool roster::alternative_to(const endpoint& at) const {
  return std::any_of(rows_.begin(), rows_.end(), [&](const row& r) { return r.at != at && !r.draining && serves(r.state); });
}

void roster::collect_debts(std::vector<effect>& into) {
  for (auto& r : rows_)
    if (r.owes && alternative_to(r.at)) {
      r.owes = false;
      into.push_back(close_relays{r.at});
    }
}

std::vector<endpoint> roster::sift(std::vector<endpoint> servers, std::string& doubt) const {
  std::vector<endpoint> good;
  std::set<endpoint> seen;
  std::size_t repeated = 0, senseless = 0, too_many = 0;
  const auto all = servers.size();
  for (auto& at : servers) {
    if (at.port == 0 || !(is_ip_address(at.host) || is_dns_subdomain(at.host)) || contains(own_, at)) ++senseless;
    else if (seen.contains(at)) ++repeated;
    else if (good.size() == limits_.servers_max) ++too_many;
    else seen.insert(at), good.push_back(std::move(at));
  }
  if (senseless + repeated + too_many > 0 || all == 0)
    doubt = "of " + std::to_string(all) + " servers in the list " + std::to_string(repeated) + " are repeated, " + std::to_string(senseless) +
            " make no sense and " + std::to_string(too_many) + " are over the limit; " + std::to_string(good.size()) + " are used";
  return good;
}

void roster::drain_missing(const std::vector<endpoint>& listed, mono_time now) {
  for (auto& r : rows_) {
    if (contains(listed, r.at) || r.draining || r.fallback) continue;
    // The address of --server stays as the last resort, but its clients leave it like any removed server's.
    if (r.at == fallback_) r.fallback = true;
    else r.draining = true;
    r.drained_at = now + limits_.drain_max;
  }
}

std::vector<effect> roster::replace(std::vector<endpoint> servers, std::uint64_t generation, mono_time now) {
  std::vector<effect> out;
  if (generation <= generation_) return out;
  std::string doubt;
  const auto listed = sift(std::move(servers), doubt);
  if (!doubt.empty()) out.push_back(doubt_list{std::move(doubt)});
  if (listed.empty()) return out;
  generation_ = generation;
  const auto before = current();
  for (const auto& at : listed) {
    if (auto* known = find(at)) {
      known->draining = known->fallback = false;
      known->drained_at = {};
      continue;
    }
    rows_.push_back(made(at, now, false));
    out.push_back(attend_server{at});
  }
  drain_missing(listed, now);
  collect_debts(out);
  arrange(before, out);
  return out;
}

std::vector<effect> roster::change(const endpoint& at, health to, mono_time now, std::string why) {
  auto* r = find(at);
  if (!r) return {};
  if (!why.empty()) r->error = std::move(why);
  if (r->state == to) return {};
  std::vector<effect> out;
  const auto before = current();
  r->state = to;
  r->since = now;
  r->owes = to == health::lost;
  collect_debts(out);
  arrange(before, out);
  return out;
}

std::vector<effect> roster::recovered(const endpoint& at, mono_time now) { return change(at, health::ready, now, {}); }
std::vector<effect> roster::unready(const endpoint& at, mono_time now, std::string why) { return change(at, health::unready, now, std::move(why)); }
std::vector<effect> roster::lost(const endpoint& at, mono_time now, std::string why) { return change(at, health::lost, now, std::move(why)); }

std::vector<effect> roster::pass(mono_time now) {
  std::vector<effect> out;
  std::erase_if(rows_, [&](row& r) {
    if (r.drained_at == mono_time{} || now < r.drained_at) return false;
    if (r.draining) {
      out.push_back(dismiss_server{r.at});
      return true;
    }
    if (!alternative_to(r.at)) return false;
    r.drained_at = {};
    out.push_back(close_relays{r.at});
    return false;
  });
  return out;
}

std::vector<endpoint> roster::strays(mono_time now) const {
  const auto& home = *std::find_if(rows_.begin(), rows_.end(), [&](const row& r) { return r.at == current(); });
  std::vector<endpoint> out;
  if (home.state != health::ready) return out;
  for (const auto& r : rows_) {
    if (r.at == home.at) continue;
    if (r.draining || r.fallback || (r.state == health::ready && now - home.since >= limits_.return_after)) out.push_back(r.at);
  }
  return out;
}

std::string roster::reason() const {
  const row *here = nullptr, *favourite = nullptr;
  for (const auto& r : rows_) {
    if (r.draining) continue;
    if (r.at == current()) here = &r;
    if (!r.fallback && (!favourite || std::pair(r.weight, r.at) < std::pair(favourite->weight, favourite->at))) favourite = &r;
  }
  if (order_.size() == 1) return "it is the only server known";
  if (!serves(here->state)) return "no server serves: all are tried, this one first";
  if (here->fallback) return "no server of the list serves; this is the address given as --server";
  if (here == favourite) return "it is the first in this node's own order";
  return "it is the first in this node's own order that serves; " + to_string(favourite->at) + " would come before it and is " +
         (favourite->state == health::lost ? "lost" : "not ready");
}

}  // namespace troupe::balancer
