#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "actors/balancer/roster.hpp"

using namespace troupe;
using balancer::close_relays;
using balancer::roster;
using balancer::use_server;
using namespace std::chrono_literals;
using health = roster::health;

namespace {
mono_time at(duration since_start) { return mono_time{} + 1h + since_start; }
const endpoint fallback{"front.example", 6443};
endpoint server(int i) { return {"10.0.0." + std::to_string(i), 6443}; }

roster make(int servers) {
  roster out(fallback, {"node"}, at(0s));
  std::vector<endpoint> list;
  for (int i = 1; i <= servers; ++i) list.push_back(server(i));
  if (servers > 0) out.replace(list, 1, at(0s));
  return out;
}
health state_of(const roster& r, const endpoint& at) {
  for (const auto& row : r.rows())
    if (row.at == at) return row.state;
  FAIL("not in the roster");
  return health::unknown;
}
bool serves(health state) { return state == health::ready || state == health::unknown; }
template <class E>
std::vector<endpoint> all_of(const std::vector<balancer::effect>& effects) {
  std::vector<endpoint> out;
  for (const auto& e : effects)
    if (const auto* one = std::get_if<E>(&e)) out.push_back(one->at);
  return out;
}
int closings(const std::vector<balancer::effect>& of) {
  return static_cast<int>(std::count_if(of.begin(), of.end(), [](const auto& e) { return std::holds_alternative<close_relays>(e); }));
}
}  // namespace

TEST_CASE("a roster of one is its fallback, whatever happens to it") {
  roster r(fallback, {"node"}, at(0s));
  CHECK(r.order() == std::vector<endpoint>{fallback});
  CHECK(r.lost(fallback, at(1s), "no answer").empty());
  CHECK(r.current() == fallback);
  CHECK(r.reason() == "it is the only server known");
  CHECK(r.recovered(fallback, at(2s)).empty());
  CHECK(r.rows()[0].error == "no answer");   // why it was last lost stays to be read
  CHECK(r.rows()[0].since == at(2s));
}

TEST_CASE("in every state every event keeps the roster's promises") {
  // Three servers and the fallback, each in one of four states: 256 states; on each 4 servers x 3 events.
  const std::vector<endpoint> all{server(1), server(2), server(3), fallback};
  for (int code = 0; code < 256; ++code) {
    for (int which = 0; which < 4; ++which) {
      for (const auto event : {health::ready, health::unready, health::lost}) {
        CAPTURE(code);
        CAPTURE(which);
        auto r = make(3);
        std::set<endpoint> closed;   // whose relays were closed since they were lost
        for (int i = 0; i < 4; ++i) {
          const auto& each = all[static_cast<std::size_t>(i)];
          const auto to = static_cast<health>(code >> (2 * i) & 3);
          for (const auto& e : to == health::ready ? r.recovered(each, at(0s)) : to == health::unready ? r.unready(each, at(0s)) : to == health::lost ? r.lost(each, at(0s)) : std::vector<balancer::effect>{})
            if (const auto* shut = std::get_if<close_relays>(&e)) closed.insert(shut->at);
        }
        const auto& whom = all[static_cast<std::size_t>(which)];
        const auto was = state_of(r, whom);
        const auto before = r.current();
        const auto effects = event == health::ready ? r.recovered(whom, at(1s)) : event == health::unready ? r.unready(whom, at(1s)) : r.lost(whom, at(1s));
        CHECK(state_of(r, whom) == event);

        // A lost server's relays close once, as soon as somebody else can serve, and never without one who can.
        const auto now_closed = all_of<close_relays>(effects);
        for (const auto& shut : now_closed) {
          CHECK(state_of(r, shut) == health::lost);
          CHECK((shut == whom ? was != health::lost || !closed.contains(shut) : !closed.contains(shut)));
          CHECK(std::any_of(all.begin(), all.end(), [&](const auto& other) { return other != shut && serves(state_of(r, other)); }));
        }
        for (const auto& each : all) {
          const bool can_go = std::any_of(all.begin(), all.end(), [&](const auto& other) { return other != each && serves(state_of(r, other)); });
          const bool fresh = each == whom && was != health::lost;   // a new loss owes a new closing
          const bool did = std::count(now_closed.begin(), now_closed.end(), each) > 0 || (closed.contains(each) && !fresh);
          if (state_of(r, each) == health::lost && can_go) CHECK_MESSAGE(did, to_string(each));
        }
        const auto moves = all_of<use_server>(effects);
        CHECK(moves.size() == (r.current() == before ? 0 : 1));
        if (!moves.empty()) {
          CHECK(moves.front() == r.current());
          // Clients are let go before the next server is named, so that none is told twice.
          CHECK(std::holds_alternative<use_server>(effects.back()));
        }

        // Healthy before unready before lost, and within those the fallback last.
        const auto order = r.order();
        REQUIRE(order.size() == 4);
        const auto rank = [&](const endpoint& of) {
          const auto s = state_of(r, of);
          return (s == health::lost ? 4 : s == health::unready ? 2 : 0) + (of == fallback ? 1 : 0);
        };
        CHECK(std::is_sorted(order.begin(), order.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); }));
        CHECK(std::set<endpoint>(order.begin(), order.end()).size() == 4);
        CHECK(!r.reason().empty());
      }
    }
  }
}

TEST_CASE("an event about a server that is not in the roster changes nothing") {
  auto r = make(2);
  const auto before = r.order();
  CHECK(r.lost({"10.9.9.9", 6443}, at(1s)).empty());
  CHECK(r.recovered({"10.9.9.9", 6443}, at(1s)).empty());
  CHECK(r.unready({"10.9.9.9", 6443}, at(1s)).empty());
  CHECK(r.order() == before);
}

TEST_CASE("losing a server twice closes its relays once") {
  auto r = make(3);
  CHECK(closings(r.lost(server(1), at(1s))) == 1);
  CHECK(closings(r.lost(server(1), at(2s))) == 0);
  r.recovered(server(1), at(3s));
  CHECK(closings(r.lost(server(1), at(4s))) == 1);
}

TEST_CASE("the last server is not closed by its health; what it owes is closed when another can serve") {
  auto r = make(2);
  r.lost(fallback, at(0s));
  r.unready(server(1), at(0s));
  CHECK(closings(r.lost(server(2), at(1s))) == 0);
  CHECK(r.reason().find(" would come before it and is ") == std::string::npos);
  const auto effects = r.recovered(server(1), at(2s));
  const auto closed = all_of<close_relays>(effects);
  CHECK(std::set<endpoint>(closed.begin(), closed.end()).contains(server(2)));
  CHECK(closings(r.recovered(fallback, at(3s))) == 0);   // once is enough
}

TEST_CASE("a newer list keeps what was known, an older or equal one changes nothing, and an empty one is doubted") {
  auto r = make(2);
  CHECK(r.generation() == 1);
  r.lost(server(1), at(1s));
  CHECK(all_of<balancer::attend_server>(r.replace({server(1), server(3)}, 3, at(2s))) == std::vector<endpoint>{server(3)});
  CHECK(state_of(r, server(1)) == health::lost);
  CHECK(state_of(r, server(3)) == health::unknown);
  const auto before = r.order();
  for (const std::uint64_t old : {0, 1, 2, 3}) CHECK(r.replace({server(7)}, old, at(3s)).empty());
  const auto empty = r.replace({}, 9, at(3s));
  REQUIRE(empty.size() == 1);
  CHECK(std::holds_alternative<balancer::doubt_list>(empty[0]));
  CHECK(r.generation() == 3);
  CHECK(r.order() == before);
  // A fallback that is a server is no longer last.
  r.replace({server(4), fallback}, 4, at(4s));
  for (const auto& row : r.rows()) CHECK(!row.fallback);
}

TEST_CASE("a removed server takes no new dials, drains, and is dismissed; one that comes back in time stays") {
  auto r = make(3);
  const auto drain = balancer::roster_limits{}.drain_max;
  CHECK(closings(r.replace({server(2), server(3)}, 2, at(0s))) == 0);
  CHECK(std::count(r.order().begin(), r.order().end(), server(1)) == 0);
  const auto strays = r.strays(at(1s));
  CHECK(r.pass(at(drain - 1ms)).empty());
  r.replace({server(1), server(2)}, 3, at(drain - 1ms));   // back, and the third leaves
  CHECK(r.pass(at(drain)).empty());
  CHECK(all_of<balancer::dismiss_server>(r.pass(at(drain + drain))) == std::vector<endpoint>{server(3)});
  for (const auto& row : r.rows()) CHECK(row.at != server(3));
  CHECK(r.lost(server(3), at(drain + drain)).empty());
}

TEST_CASE("a draining server that is lost lets its clients go at once") {
  auto r = make(2);
  r.replace({server(2)}, 2, at(0s));
  CHECK(all_of<close_relays>(r.lost(server(1), at(1s))) == std::vector<endpoint>{server(1)});
}

TEST_CASE("the address of --server stays as the last resort when it leaves the list, and its clients leave it") {
  roster r(server(1), {"node"}, at(0s));
  r.replace({server(1), server(2)}, 1, at(0s));
  r.recovered(server(2), at(0s));
  r.replace({server(2)}, 2, at(1s));
  CHECK(r.order() == std::vector<endpoint>{server(2), server(1)});
  const auto effects = r.pass(at(1s + balancer::roster_limits{}.drain_max));
  CHECK(all_of<close_relays>(effects) == std::vector<endpoint>{server(1)});
  CHECK(all_of<balancer::dismiss_server>(effects).empty());
  CHECK(r.pass(at(10min)).empty());
}

TEST_CASE("relays go home only when home serves and has done so for a while, and never from a server that is lost or unready") {
  auto r = make(3);
  const auto order = r.order();   // the three in this node's own order, then the fallback
  for (const auto& each : order) r.recovered(each, at(0s));
  r.lost(order[0], at(1s));
  r.recovered(order[0], at(2s));
  const auto after = balancer::roster_limits{}.return_after;
  CHECK(r.strays(at(2s + after - 1ms)) == std::vector<endpoint>{fallback});   // the last resort is left at once
  const auto strays = r.strays(at(2s + after));
  CHECK(std::set<endpoint>(strays.begin(), strays.end()) == std::set<endpoint>{order[1], order[2], fallback});
  r.unready(order[1], at(3s));
  const auto later = r.strays(at(1min));
  CHECK(std::count(later.begin(), later.end(), order[1]) == 0);
  r.unready(order[0], at(2min));
  r.unready(order[2], at(2min));
  r.unready(fallback, at(2min));
  CHECK(r.strays(at(10min)).empty());
}

TEST_CASE("a list that lies is bounded and doubted in one sentence") {
  roster r(fallback, {"node"}, at(0s));
  r.refuse({"127.0.0.1", 6444});
  std::vector<endpoint> lie{server(1), server(1), {"", 6443}, {"no host!", 6443}, {"10.0.0.9", 0}, {"127.0.0.1", 6444}};
  for (int i = 0; i < 10'000; ++i) lie.push_back({"10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250), 6443});
  const auto effects = r.replace(lie, 1, at(0s));
  const auto limit = balancer::roster_limits{}.servers_max;
  CHECK(r.rows().size() == limit + 1);
  CHECK(all_of<balancer::attend_server>(effects).size() == limit);
  int doubts = 0;
  for (const auto& e : effects)
    if (const auto* d = std::get_if<balancer::doubt_list>(&e)) {
      ++doubts;
      CHECK(d->why == "of 10006 servers in the list 1 are repeated, 4 make no sense and 9937 are over the limit; 64 are used");
    }
  CHECK(doubts == 1);
  CHECK(std::count(r.order().begin(), r.order().end(), endpoint{"127.0.0.1", 6444}) == 0);
}

TEST_CASE("agents spread over servers by themselves, and each chooses alike after a restart") {
  std::map<std::string, int> chosen;
  for (int i = 0; i < 300; ++i) {
    roster r(fallback, {"node-" + std::to_string(i)}), again(fallback, {"node-" + std::to_string(i)});
    r.replace({server(1), server(2), server(3)}, 1, at(0s));
    again.replace({server(3), server(1), server(2)}, 1, at(0s));
    CHECK(r.order() == again.order());
    ++chosen[r.current().host];
  }
  CHECK(chosen.size() == 3);
  for (const auto& [host, count] : chosen) CHECK_MESSAGE(count > 50, host);
}

TEST_CASE("why a server is used is said in words") {
  auto r = make(2);
  for (const auto& each : r.order()) r.recovered(each, at(0s));
  const auto order = r.order();
  CHECK(r.reason() == "it is the first in this node's own order");
  r.lost(order[0], at(1s));
  CHECK(r.reason() == "it is the first in this node's own order that serves; " + to_string(order[0]) + " would come before it and is lost");
  r.unready(order[1], at(1s));
  CHECK(r.reason() == "no server of the list serves; this is the address given as --server");
  r.lost(fallback, at(1s));
  CHECK(r.reason() == "no server serves: all are tried, this one first");
}
