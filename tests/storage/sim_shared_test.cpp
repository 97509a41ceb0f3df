// What a simulated replicated store does under its faults; contract_test.cpp and race_test.cpp are compiled over it too.
#include <algorithm>

#include "storage/sim/shared.hpp"
#include "tests/storage/rig.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;

namespace troupe::storage::testing {
namespace {
class shared_rig final : public rig {
 public:
  std::string name() const override { return "sim shared"; }
  std::string path() const override { return "shared"; }
  std::unique_ptr<engine> open(retention) override { return store_.open("a"); }
  std::unique_ptr<engine> open_copy() override { return nullptr; }
  void pump() override {
    while (const auto due = agenda_.next_due()) {
      agenda_.advance_to(*due);
      agenda_.run_one();
    }
  }

 private:
  agenda agenda_;
  sim::shared_store store_{agenda_, rng(5)};
};
}  // namespace
std::vector<std::function<std::unique_ptr<rig>()>> sim_shared_rigs();
std::vector<std::function<std::unique_ptr<rig>()>> sim_shared_rigs() {
  return {[] { return std::make_unique<shared_rig>(); }};
}
}  // namespace troupe::storage::testing

namespace {
/// A store and two engines; time moves by run().
struct pair_of {
  explicit pair_of(std::uint64_t seed = 1) : store(when, rng(seed)), a(store.open("a")), b(store.open("b")) {
    a->on_news([this] { ++news; });
    run(1s);
  }
  void run(duration span) {
    const auto limit = when.now() + span;
    while (const auto due = when.next_due()) {
      if (*due > limit) break;
      when.advance_to(*due);
      when.run_one();
    }
    when.advance_to(limit);
  }
  std::shared_ptr<std::optional<outcome>> commit(engine& e, operation what) {
    auto box = std::make_shared<std::optional<outcome>>();
    std::vector<operation> one;
    one.push_back(std::move(what));
    e.commit(std::move(one), [box](committed_batch done) { *box = std::move(done.outcomes.at(0)); });
    return box;
  }
  std::shared_ptr<std::optional<result<revision>>> head(engine& e) {
    auto box = std::make_shared<std::optional<result<revision>>>();
    e.read_head([box](result<revision> got) { *box = std::move(got); });
    return box;
  }
  std::shared_ptr<std::optional<result<std::vector<change>>>> changes(engine& e, revision after) {
    auto box = std::make_shared<std::optional<result<std::vector<change>>>>();
    e.changes_after(after, 0, [box](result<std::vector<change>> got) { *box = std::move(got); });
    run(1ms);
    return box;
  }
  agenda when;
  sim::shared_store store;
  std::unique_ptr<engine> a, b;
  int news = 0;
};
}  // namespace

TEST_CASE("sim shared: a feed that lags is overtaken by answers, and read_head waits for it") {
  pair_of on;
  REQUIRE(on.changes(*on.a, 0)->has_value());
  on.run(100ms);
  on.store.lag("a", 300ms, 300ms);
  auto done = on.commit(*on.b, create("/k", "v"));
  on.run(10ms);
  REQUIRE(done->has_value());
  CHECK((*done)->what == outcome::kind::committed);
  auto head = on.head(*on.a);
  on.run(100ms);
  CHECK(on.changes(*on.a, 0)->value()->empty());
  CHECK_FALSE(head->has_value());
  on.run(300ms);
  REQUIRE(head->has_value());
  CHECK((*head)->value_or(0) == 1);
  CHECK(on.changes(*on.a, 0)->value()->size() == 1);
}

TEST_CASE("sim shared: without a leader writes and heads are unavailable at once, and standing says so") {
  pair_of on;
  CHECK(on.a->status().now == standing::leading);
  const int before = on.news;
  on.store.lose_leader();
  on.run(600ms);
  CHECK(on.a->status().now == standing::leaderless);
  CHECK(on.news == before + 1);
  auto done = on.commit(*on.a, create("/k", "v"));
  auto head = on.head(*on.a);
  on.run(10ms);
  REQUIRE(done->has_value());
  CHECK((*done)->what == outcome::kind::unavailable);
  CHECK_FALSE((*done)->note.empty());
  REQUIRE(head->has_value());
  CHECK((*head)->code() == errc::unavailable);
  on.store.find_leader();
  on.run(600ms);
  CHECK(on.a->status().now == standing::leading);
  CHECK(on.store.log().live() == 0);
}

TEST_CASE("sim shared: a feed that was cut off continues without a gap, or is gone when a compaction was quicker") {
  for (const bool compacted : {false, true}) {
    pair_of on;
    REQUIRE(on.changes(*on.a, 0)->has_value());
    on.run(100ms);
    on.commit(*on.b, create("/0", "v"));
    on.run(100ms);
    CHECK(on.changes(*on.a, 0)->value()->size() == 1);
    on.store.cut_off("a");
    for (int i = 1; i <= 5; ++i) on.commit(*on.b, create(numbered("/", i), "v"));
    on.run(1s);
    CHECK(on.changes(*on.a, 1)->value()->empty());
    if (compacted) on.store.compact();
    on.store.reconnect("a");
    on.run(1s);
    const auto rest = on.changes(*on.a, 1);
    REQUIRE(rest->has_value());
    if (compacted) {
      CHECK((*rest)->code() == errc::gone);
      continue;
    }
    REQUIRE((*rest)->ok());
    REQUIRE((*rest)->value().size() == 5);
    for (std::size_t i = 0; i < 5; ++i) CHECK((*rest)->value()[i].at == static_cast<revision>(i) + 2);
  }
}

TEST_CASE("sim shared: whatever is answered about a write whose road was cut is true, and what is unknown is rare") {
  int committed = 0, unavailable = 0, unknown = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    pair_of on(seed);
    rng dice(seed);
    on.commit(*on.b, create("/u", "old"));
    on.run(100ms);
    const bool update_it = dice.chance(50);
    auto done = on.commit(*on.a, update_it ? update("/u", "new", 1) : create("/c", "new"));
    on.run(std::chrono::microseconds(dice.below(3000)));
    dice.chance(50) ? on.store.cut_off("a") : on.store.lose_leader();
    on.run(std::chrono::milliseconds(dice.below(10'000)));
    on.store.heal();
    on.run(20s);
    REQUIRE(done->has_value());
    auto read = std::make_shared<std::optional<result<page>>>();
    on.b->range({update_it ? "/u" : "/c", {}, 0, 0}, [read](result<page> got) { *read = std::move(got); });
    on.run(1s);
    REQUIRE(read->has_value());
    const auto& records = (*read)->value().records;
    const auto found = std::find_if(records.begin(), records.end(), [&](const record& one) { return one.key == (update_it ? "/u" : "/c"); });
    const bool there = found != records.end() && found->value.view() == "new";
    const auto said = (*done)->what;
    committed += said == outcome::kind::committed;
    unavailable += said == outcome::kind::unavailable;
    unknown += said == outcome::kind::outcome_unknown;
    INFO("seed " << seed << ": " << (*done)->note);
    if (said == outcome::kind::committed) CHECK((there && found->modified == (*done)->at));
    else if (said == outcome::kind::unavailable) CHECK_FALSE(there);
    else CHECK(said == outcome::kind::outcome_unknown);
  }
  CHECK(committed > 20);
  CHECK(unavailable > 5);
  CHECK(unknown > 20);
  CHECK(unknown < 150);
}

TEST_CASE("sim shared: what was acknowledged before a crash is there, and nobody is called after it") {
  int applied = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    pair_of on(seed);
    auto first = on.commit(*on.a, create("/first", "v"));
    on.run(100ms);
    REQUIRE((*first)->what == outcome::kind::committed);
    auto second = on.commit(*on.a, create("/second", "v"));
    on.run(std::chrono::microseconds(rng(seed).below(1000)));
    const bool answered = second->has_value();
    on.store.crash("a");
    on.run(1s);
    CHECK(second->has_value() == answered);
    on.a = on.store.open("a");
    on.run(1s);
    auto read = std::make_shared<std::optional<result<page>>>();
    on.a->range({}, [read](result<page> got) { *read = std::move(got); });
    on.run(1s);
    REQUIRE(read->has_value());
    CHECK((*read)->value().records.size() >= (answered ? 2u : 1u));
    applied += (*read)->value().records.size() == 2;
  }
  CHECK(applied > 10);
  CHECK(applied < 90);
}
