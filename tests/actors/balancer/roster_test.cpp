#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "actors/balancer/roster.hpp"

using namespace troupe;
using balancer::close_relays;
using balancer::roster;
using balancer::use_server;
using health = roster::health;

namespace {
const endpoint fallback{"front.example", 6443};
endpoint server(int i) { return {"10.0.0." + std::to_string(i), 6443}; }

roster make(int servers) {
  roster out(fallback, {"node"});
  std::vector<endpoint> list;
  for (int i = 1; i <= servers; ++i) list.push_back(server(i));
  if (servers > 0) out.replace(list);
  return out;
}
health state_of(const roster& r, const endpoint& at) {
  for (const auto& row : r.rows())
    if (row.at == at) return row.state;
  FAIL("not in the roster");
  return health::unknown;
}
void bring(roster& r, const endpoint& at, health to) {
  if (to == health::ready) r.recovered(at);
  if (to == health::unready) r.unready(at);
  if (to == health::lost) r.lost(at);
}
int closings(const std::vector<balancer::effect>& of) {
  return static_cast<int>(std::count_if(of.begin(), of.end(), [](const auto& e) { return std::holds_alternative<close_relays>(e); }));
}
}  // namespace

TEST_CASE("a roster of one is its fallback, whatever happens to it") {
  roster r(fallback, {"node"});
  CHECK(r.order() == std::vector<endpoint>{fallback});
  CHECK(r.lost(fallback).empty());
  CHECK(r.current() == fallback);
  CHECK(r.recovered(fallback).empty());
}

TEST_CASE("in every state every event keeps the roster's promises") {
  // Three servers and the fallback, each in one of four states: 256 states; on each 4 servers x 3 events.
  for (int code = 0; code < 256; ++code) {
    for (int which = 0; which < 4; ++which) {
      for (const auto event : {health::ready, health::unready, health::lost}) {
        auto r = make(3);
        std::vector<endpoint> all{server(1), server(2), server(3), fallback};
        for (int i = 0; i < 4; ++i) bring(r, all[static_cast<std::size_t>(i)], static_cast<health>(code >> (2 * i) & 3));
        const auto& at = all[static_cast<std::size_t>(which)];
        const auto was = state_of(r, at);
        const auto before = r.current();
        const auto effects = event == health::ready ? r.recovered(at) : event == health::unready ? r.unready(at) : r.lost(at);
        CAPTURE(code);
        CAPTURE(which);
        CHECK(state_of(r, at) == event);

        bool alternative = false;
        for (const auto& row : r.rows())
          if (row.at != at && (row.state == health::ready || row.state == health::unknown)) alternative = true;
        // Relays close on the edge to lost only, of this server only, and only with somewhere else to go.
        CHECK(closings(effects) == (event == health::lost && was != health::lost && alternative ? 1 : 0));
        int moves = 0;
        for (const auto& e : effects) {
          if (const auto* shut = std::get_if<close_relays>(&e)) CHECK(shut->at == at);
          if (const auto* use = std::get_if<use_server>(&e)) {
            CHECK(use->at == r.current());
            ++moves;
          }
        }
        CHECK(moves == (r.current() == before ? 0 : 1));
        // Clients are let go before the next server is named, so that none is told twice.
        if (effects.size() == 2) CHECK(std::holds_alternative<close_relays>(effects[0]));

        // Healthy before unready before lost, and within those the fallback last.
        const auto order = r.order();
        REQUIRE(order.size() == 4);
        const auto rank = [&](const endpoint& of) {
          const auto s = state_of(r, of);
          return (s == health::lost ? 4 : s == health::unready ? 2 : 0) + (of == fallback ? 1 : 0);
        };
        CHECK(std::is_sorted(order.begin(), order.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); }));
        CHECK(std::set<endpoint>(order.begin(), order.end()).size() == 4);
      }
    }
  }
}

TEST_CASE("an event about a server that is not in the roster changes nothing") {
  auto r = make(2);
  const auto before = r.order();
  CHECK(r.lost({"10.9.9.9", 6443}).empty());
  CHECK(r.recovered({"10.9.9.9", 6443}).empty());
  CHECK(r.unready({"10.9.9.9", 6443}).empty());
  CHECK(r.order() == before);
}

TEST_CASE("losing a server twice closes its relays once") {
  auto r = make(3);
  CHECK(closings(r.lost(server(1))) == 1);
  CHECK(closings(r.lost(server(1))) == 0);
  r.recovered(server(1));
  CHECK(closings(r.lost(server(1))) == 1);
}

TEST_CASE("a newer list keeps what was known, drops what is gone, and ignores an empty one") {
  auto r = make(2);
  r.lost(server(1));
  r.replace({server(1), server(3)});
  CHECK(state_of(r, server(1)) == health::lost);
  CHECK(state_of(r, server(3)) == health::unknown);
  CHECK(r.rows().size() == 3);   // and the fallback
  const auto before = r.order();
  CHECK(r.replace({}).empty());
  CHECK(r.order() == before);
  // A list with repeats is a list without them; a fallback that is a server is no longer last.
  r.replace({server(4), server(4), fallback});
  CHECK(r.rows().size() == 2);
  for (const auto& row : r.rows()) CHECK(!row.fallback);
}

TEST_CASE("agents spread over servers by themselves, and each chooses alike after a restart") {
  std::map<std::string, int> chosen;
  for (int i = 0; i < 300; ++i) {
    roster r(fallback, {"node-" + std::to_string(i)}), again(fallback, {"node-" + std::to_string(i)});
    r.replace({server(1), server(2), server(3)});
    again.replace({server(3), server(1), server(2)});
    CHECK(r.order() == again.order());
    ++chosen[r.current().host];
  }
  CHECK(chosen.size() == 3);
  for (const auto& [host, count] : chosen) CHECK_MESSAGE(count > 50, host);
}
