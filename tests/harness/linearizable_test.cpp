// The judge is judged: what is impossible is found, what is merely concurrent is not.
#include "tests/harness/linearizable.hpp"

#include <doctest/doctest.h>

#include "basis/rng.hpp"

using namespace troupe;
using troupe::testing::history_entry;
using troupe::testing::violations;
using kind = history_entry::kind;
using said = history_entry::said;

namespace {
std::string number(std::int64_t of) { return std::to_string(of); }
history_entry op(std::string client, kind what, std::int64_t expected, std::string value, std::int64_t start, std::int64_t end,
                 said outcome, std::int64_t revision) {
  return {std::move(client), "k", what, expected, std::move(value), start, end, outcome, revision};
}
std::string first_of(const std::vector<history_entry>& history) {
  const auto found = violations(history);
  return found.empty() ? "" : found.front();
}
bool mentions(const std::string& text, const char* word) { return text.find(word) != std::string::npos; }

/// A real register served one step at a time, with `clients` that overlap; what they saw is their history.
std::vector<history_entry> honest_history(std::uint64_t seed, int steps) {
  rng chance(seed);
  struct flying {
    history_entry what;
    bool served = false;
  };
  std::vector<history_entry> out;
  std::vector<flying> clients(5);
  std::int64_t time = 0, revision = 0, present = 0, next = 0;
  bool live = false;
  std::string value;
  const auto serve = [&](flying& one) {
    auto& e = one.what;
    one.served = true;
    const bool holds = e.what == kind::create ? !live : live && (e.expected == present || (e.what == kind::erase && e.expected == 0));
    if (e.what == kind::read || !holds) {
      e.outcome = e.what == kind::read ? said::committed : said::conflict;
      e.revision = live ? present : 0;
      e.value = live ? value : (e.what == kind::read ? "" : e.value);
      if (e.what != kind::read) e.value = live ? value : "";
      return;
    }
    e.outcome = said::committed;
    e.revision = present = ++revision;
    live = e.what != kind::erase;
    if (live) value = e.value;
  };
  for (int i = 0; i < steps; ++i) {
    auto& one = clients[chance.below(clients.size())];
    auto& e = one.what;
    ++time;
    if (e.start == 0) {
      one = {};
      e.client = number(static_cast<std::int64_t>(&one - clients.data()));
      e.key = "k";
      e.what = static_cast<kind>(chance.below(4));
      e.expected = e.what == kind::create || e.what == kind::read ? 0 : chance.chance(70) ? present : revision - 1;
      if (e.what == kind::update && e.expected <= 0) e.what = kind::read, e.expected = 0;
      if (e.what == kind::create || e.what == kind::update) e.value = "v" + number(++next);
      e.start = time;
    } else if (!one.served) {
      serve(one);
    } else {
      if (e.what != kind::read && e.outcome == said::committed && chance.chance(5)) {
        e.outcome = e.what == kind::erase ? e.outcome : said::unknown;
        if (e.outcome == said::unknown) e.revision = 0;
      }
      e.end = e.outcome == said::unknown ? INT64_MAX : time;
      out.push_back(e);
      one = {};
    }
  }
  for (auto& one : clients) {
    one.what.end = ++time;
    if (one.served) out.push_back(one.what);
  }
  return out;
}
}  // namespace

TEST_CASE("what a real register answers to overlapping clients is accepted") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const auto history = honest_history(seed, 600);
    REQUIRE(history.size() > 100);
    const auto found = violations(history);
    INFO("seed " << seed << ": " << (found.empty() ? "" : found.front()));
    CHECK(found.empty());
  }
}

TEST_CASE("two updates of the same revision that both succeeded are a lost update") {
  const auto found = first_of({op("a", kind::create, 0, "1", 1, 2, said::committed, 1),
                               op("b", kind::update, 1, "2", 3, 6, said::committed, 2),
                               op("c", kind::update, 1, "3", 4, 7, said::committed, 3)});
  CHECK(mentions(found, "an update was lost"));
}

TEST_CASE("a read that shows less than what was answered before it began is stale") {
  const std::vector<history_entry> written = {op("a", kind::create, 0, "1", 1, 2, said::committed, 1),
                                              op("a", kind::update, 1, "2", 3, 6, said::committed, 2)};
  auto history = written;
  history.push_back(op("b", kind::read, 0, "1", 7, 8, said::committed, 1));
  CHECK(mentions(first_of(history), "stale read"));
  history.back().start = 5;  // While the update was under way both values are true.
  CHECK(first_of(history) == "");
  history.back() = op("b", kind::read, 0, "", 7, 8, said::committed, 0);
  CHECK(mentions(first_of(history), "stale read"));
  history.back() = op("b", kind::read, 0, "2", 2, 2, said::committed, 2);
  CHECK(mentions(first_of(history), "before it was written"));
}

TEST_CASE("a reader who has seen a value does not see an older one later, even of an unfinished write") {
  std::vector<history_entry> history = {op("a", kind::create, 0, "1", 1, 2, said::committed, 1),
                                        op("a", kind::update, 1, "2", 3, 20, said::committed, 2),
                                        op("b", kind::read, 0, "2", 5, 6, said::committed, 2),
                                        op("c", kind::read, 0, "1", 7, 8, said::committed, 1)};
  CHECK(mentions(first_of(history), "stale read"));
  std::swap(history[2].start, history[3].start);
  std::swap(history[2].end, history[3].end);
  CHECK(first_of(history) == "");
}

TEST_CASE("a write that was done twice shows at a revision nobody was given") {
  CHECK(mentions(first_of({op("a", kind::create, 0, "1", 1, 2, said::committed, 1),
                           op("a", kind::update, 1, "2", 3, 4, said::committed, 2),
                           op("b", kind::read, 0, "2", 5, 6, said::committed, 3)}), "nobody wrote"));
  CHECK(mentions(first_of({op("a", kind::create, 0, "1", 1, 2, said::committed, 1),
                           op("b", kind::create, 0, "2", 3, 4, said::committed, 1)}), "was given to"));
}

TEST_CASE("a write that was surely not applied is not seen, one of unknown fate may be") {
  std::vector<history_entry> history = {op("a", kind::create, 0, "1", 1, 2, said::committed, 1),
                                        op("a", kind::update, 1, "2", 3, INT64_MAX, said::unknown, 0),
                                        op("b", kind::read, 0, "2", 9, 10, said::committed, 2)};
  CHECK(first_of(history) == "");
  history[1].outcome = said::refused;
  CHECK(mentions(first_of(history), "nobody wrote"));
}

TEST_CASE("writes follow one another in time as their revisions do") {
  CHECK(mentions(first_of({op("a", kind::create, 0, "1", 1, 2, said::committed, 1),
                           op("a", kind::update, 1, "2", 10, 11, said::committed, 2),
                           op("b", kind::update, 2, "3", 5, 6, said::committed, 3)}), "had ended before"));
}

TEST_CASE("a conflict is believed only if something stood there that refused") {
  std::vector<history_entry> history = {op("a", kind::create, 0, "1", 1, 2, said::committed, 1),
                                        op("b", kind::update, 1, "x", 3, 4, said::conflict, 1)};
  CHECK(mentions(first_of(history), "is what it expected"));
  history[1].expected = 7;
  history[1].value = "1";
  CHECK(first_of(history) == "");
}

TEST_CASE("an honest history that is bent in one place is refused, mostly") {
  int caught = 0, bent = 0;
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    auto history = honest_history(seed, 400);
    rng chance(seed * 7);
    auto& one = history[chance.below(history.size())];
    if (one.outcome != said::committed || one.what == kind::read) continue;
    ++bent;
    one.revision += 1'000;  // As if the last write had been this one.
    caught += violations(history).empty() ? 0 : 1;
  }
  CHECK(bent > 15);
  CHECK(caught > bent * 9 / 10);
}
