#include "tests/harness/link.hpp"

using namespace troupe;
using testing::link_stage;

namespace {

/// Asks through `from` until an answer comes, at most `tries` times; whose it was.
std::string insist(link_stage& s, testing::small_client& from, int tries = 2) {
  for (int i = 0; i < tries; ++i) {
    std::optional<std::string> got;
    from.ask(5s, [&](const std::string& server) { got = server; });
    REQUIRE(s.until([&] { return got.has_value(); }));
    if (!got->empty()) return *got;
  }
  return "";
}
std::size_t number_of(const std::string& server) { return static_cast<std::size_t>(server.at(1) - '0'); }
bool all_ready(link_stage& s) {
  for (std::size_t i = 1; i <= s.count(); ++i)
    if (s.state_of(i) != "ready") return false;
  return true;
}
void stand(link_stage& s) {
  std::vector<std::size_t> all;
  for (std::size_t i = 1; i <= s.count(); ++i) all.push_back(i);
  s.list(all);
  for (int i = 0; i < 100 && !all_ready(s); ++i) s.on.run.run_for(50ms);
  REQUIRE_MESSAGE(all_ready(s), s.published);
}

}  // namespace

TEST_CASE("a server that dies is left at once: the next connection goes to another") {
  link_stage s(1, 3);
  stand(s);
  auto client = s.client();
  const auto first = insist(s, client);
  REQUIRE(!first.empty());
  s[number_of(first)].stop(net::sim::loss::reset);
  const auto from = s.on.run.now();
  const auto second = insist(s, client);
  CHECK(second != first);
  CHECK(!second.empty());
  CHECK(s.on.run.now() - from < 300ms);   // Simulated time: a promise, not a measurement.
}

TEST_CASE("a server that freezes or falls silent is left within the promised time, and who waits on it is let go") {
  for (const bool frozen : {true, false}) {
    CAPTURE(frozen);
    link_stage s(2, 3);
    stand(s);
    auto client = s.client();
    const auto first = insist(s, client);
    if (frozen) s[number_of(first)].mute = true;
    else s.net->black_hole(first);
    const auto from = s.on.run.now();
    const auto second = insist(s, client);
    CHECK(!second.empty());
    CHECK(second != first);
    CHECK(s.on.run.now() - from < connection::left_within);
    CHECK(s.state_of(number_of(first)).starts_with("lost"));
    // And when it answers again, new connections go to it.
    s[number_of(first)].mute = false;
    s.net->heal();
    s.on.run.run_for(5s);
    auto late = s.client();
    CHECK(insist(s, late) == first);
  }
}

TEST_CASE("a server that says no gets no new connections and keeps the old ones") {
  link_stage s(3, 3);
  stand(s);
  auto old = s.client();
  const auto first = insist(s, old);
  s[number_of(first)].ready = false;
  s.on.run.run_for(3s);
  CHECK(s.state_of(number_of(first)) == "unready");
  CHECK(insist(s, old, 1) == first);
  CHECK(old.cuts == 0);
  auto fresh = s.client();
  CHECK(insist(s, fresh) != first);
}

TEST_CASE("with every server silent nothing is closed, and the first that answers serves") {
  link_stage s(4, 3);
  stand(s);
  auto client = s.client();
  REQUIRE(!insist(s, client).empty());
  // Two first; the third carries the client when it falls silent too.
  const auto last = insist(s, client);
  for (std::size_t i = 1; i <= 3; ++i)
    if (i != number_of(last)) s.net->black_hole("s" + std::to_string(i));
  s.on.run.run_for(4s);
  s.net->black_hole(last);
  s.on.run.run_for(4s);
  for (std::size_t i = 1; i <= 3; ++i) CHECK(s.state_of(i) == "lost");
  CHECK(s.view().relays == 1);   // the last one is not closed by health alone
  s.net->heal();
  s.on.run.run_for(4s);
  CHECK(!insist(s, client).empty());
}

TEST_CASE("a slow dial is not waited for alone") {
  link_stage s(5, 3);
  stand(s);
  const auto current = s.view().current;
  std::size_t which = 1;
  while (s[which].at != current) ++which;
  s.net->black_hole("s" + std::to_string(which));   // and nobody has noticed yet
  auto client = s.client();
  const auto from = s.on.run.now();
  const auto got = insist(s, client, 1);
  CHECK(!got.empty());
  CHECK(number_of(got) != which);
  CHECK(s.on.run.now() - from < 400ms);
}

TEST_CASE("a removed server drains: nothing new, then nothing at all") {
  link_stage s(6, 3, [](balancer::balancer_config& with) { with.limits.drain_max = 4s; });
  stand(s);
  auto client = s.client();
  const auto first = insist(s, client);
  std::vector<std::size_t> others;
  for (std::size_t i = 1; i <= 3; ++i)
    if (i != number_of(first)) others.push_back(i);
  s.list(others);
  s.on.run.run_for(100ms);
  CHECK(client.cuts == 0);
  auto fresh = s.client();
  CHECK(insist(s, fresh) != first);
  s.on.run.run_for(8s);
  CHECK(s[number_of(first)].open() <= (first == "s1" ? 1 : 0));   // the first is the fallback, which is still probed
  CHECK(insist(s, client) != first);
}

TEST_CASE("old connections come home slowly once their server is back, a few each second") {
  link_stage s(7, 2);
  stand(s);
  const auto home = s.view().current;
  std::size_t which = s[1].at == home ? 1 : 2;
  s[which].stop(net::sim::loss::reset);
  s.on.run.run_for(3s);
  std::vector<std::unique_ptr<testing::small_client>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<testing::small_client>(s.client()));
    REQUIRE(number_of(insist(s, *clients.back())) == 3 - which);
  }
  s[which].start();
  s.on.run.run_for(3s);   // new dials at once
  auto fresh = s.client();
  CHECK(number_of(insist(s, fresh)) == which);
  CHECK(s.view().relays == 41);
  s.on.run.run_for(5s);
  const auto some = s.view().relays;
  CHECK(some < 41);
  CHECK(some > 15);       // not all at once
  s.on.run.run_for(15s);
  CHECK(s.view().relays == 1);
}

TEST_CASE("the snapshot names every server's state and why the current one is used") {
  link_stage s(8, 2);
  stand(s);
  s.on.run.run_for(2s);
  const auto read = parse_json(s.published);
  REQUIRE(read.ok());
  CHECK(text_or(dig(*read, "current")) == to_string(s.view().current));
  CHECK(text_or(dig(*read, "why")) == "it is the first in this node's own order");
  REQUIRE(dig(*read, "servers").size() == 2);
  for (const auto& one : dig(*read, "servers")) {
    CHECK(text_or(dig(one, "state")) == "ready");
    CHECK(dig(one, "probe_ms").is_number());
    CHECK(parse_rfc3339(text_or(dig(one, "since"))).ok());
  }
}

TEST_CASE("more clients than the limit are hung up on, and room is made again") {
  link_stage s(9, 1, [](balancer::balancer_config& with) { with.relays_max = 5; });
  s.list({1});
  s.on.run.run_for(1s);
  std::vector<std::unique_ptr<testing::small_client>> clients;
  std::size_t served = 0;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(std::make_unique<testing::small_client>(s.client()));
    served += insist(s, *clients.back(), 1) == "s1" ? 1 : 0;
  }
  CHECK(served == 5);
  CHECK(s.view().relays == 5);
  clients.clear();
  s.on.run.run_for(10s);
  CHECK(s.view().relays == 0);
  auto late = s.client();
  CHECK(insist(s, late) == "s1");
}

TEST_CASE("who was taken to a server that goes before its first word is taken to another and notices nothing") {
  link_stage s(10, 3);
  stand(s);
  auto client = s.client();
  const auto first = insist(s, client);
  s[number_of(first)].mute = true;   // it accepts, as a frozen process's kernel does, and nobody has noticed
  auto fresh = s.client();
  std::optional<std::string> got;
  fresh.ask(5s, [&](const std::string& server) { got = server; });
  REQUIRE(s.until([&] { return got.has_value(); }));
  CHECK(!got->empty());
  CHECK(*got != first);
  CHECK(fresh.cuts == 0);
}
