#include <set>

#include "actors/datastore/shard.hpp"
#include "storage/sim/shared.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::datastore;
using storage::operation;
using storage::outcome;
using testing::stage;

namespace troupe::shared_shard_test {
struct write_this { operation what; };
/// Follows and writes, as a kind keeper does: writes down in which order it hears what.
using writer_and_follower = rt::handle<void(changes_published), void(write_this)>;
class writer_and_follower_state {
 public:
  static constexpr const char* name = "writer_and_follower";
  explicit writer_and_follower_state(rt::self<writer_and_follower> self) : self_(self) {}
  void init(writer_actor to, std::shared_ptr<std::vector<std::string>> heard) {
    to_ = std::move(to);
    heard_ = std::move(heard);
  }
  writer_and_follower::behavior_type make_behavior() {
    return {[this](changes_published& news) {
              if (news.lost) heard_->push_back("lost");
              for (const auto& c : *news.changes) heard_->push_back("change " + std::to_string(c.at));
            },
            [this](write_this& ask) {
              self_->request(to_, caf::infinite, commit_operation{std::move(ask.what)})
                  .then([this](outcome& got) { heard_->push_back((got.what == outcome::kind::committed ? "answer " : "refused ") + std::to_string(got.at)); });
            }};
  }

 private:
  rt::self<writer_and_follower> self_;
  writer_actor to_;
  std::shared_ptr<std::vector<std::string>> heard_;
};
}  // namespace troupe::shared_shard_test
RT_MESSAGE(troupe::shared_shard_test::write_this)

using namespace shared_shard_test;

namespace {
operation create(const std::string& key, const std::string& value = "v") { return {operation::kind::create, key, bytes(value), 0}; }
using news = std::shared_ptr<std::vector<changes_published>>;
using lines = std::shared_ptr<std::vector<std::string>>;

/// Two servers' shards, "a" and "b", over one store.
struct rig {
  explicit rig(std::uint64_t seed = 1, shard_config config = {}) : on(seed), store(*(kept = std::make_unique<storage::sim::shared_store>(on.run.plan(), rng(seed).fork("store")))) {
    a = on.show(make_shard(on.world, config, store.open("a")));
    b = on.show(make_shard(on.world, config, store.open("b")));
    on.run.run_for(1s);   // until both know that it can be reached
  }
  outcome commit(const shard_actor& at, operation what) {
    auto got = on.ask<outcome>(at, commit_operation{std::move(what)});
    REQUIRE(got.ok());
    return *got;
  }
  storage::page follow(const shard_actor& at, const std::string& prefix, news heard) {
    auto got = on.ask<storage::page>(at, follow_prefix{prefix, testing::make_listener<follower_actor, changes_published>(on, std::move(heard))});
    REQUIRE(got.ok());
    return *got;
  }
  std::pair<writer_and_follower, lines> writer(const shard_actor& at) {
    auto heard = std::make_shared<std::vector<std::string>>();
    auto who = on.show(rt::spawn<writer_and_follower, writer_and_follower_state>(on.world, "", writer_actor(at), heard));
    REQUIRE(on.ask<storage::page>(at, follow_prefix{"/", follower_actor(who)}).ok());
    return {who, heard};
  }
  static std::vector<storage::revision> heard_by(const news& all) {
    std::vector<storage::revision> out;
    for (const auto& one : *all)
      for (const auto& change : *one.changes) out.push_back(change.at);
    return out;
  }
  std::unique_ptr<storage::sim::shared_store> kept;   // outlives its engines, which go with the actors
  stage on;
  storage::sim::shared_store& store;
  shard_actor a, b;
};
news fresh() { return std::make_shared<std::vector<changes_published>>(); }
}  // namespace

TEST_CASE("over a shared store whoever follows and writes hears a change before the answer to its write, on every schedule") {
  std::size_t overtaken = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    rig r(seed);
    rng dice(seed);
    auto [who, heard] = r.writer(r.a);
    auto [other, beside] = r.writer(r.b);
    r.store.lag("a", 0ms, std::chrono::milliseconds(dice.below(300)));
    for (int i = 0; i < 30; ++i) {
      rt::post(who, write_this{create("/a" + std::to_string(i))});
      rt::post(other, write_this{create("/b" + std::to_string(i))});
      r.on.run.run_for(std::chrono::microseconds(dice.below(5000)));
    }
    r.on.run.run_for(5s);
    for (const auto& all : {heard, beside}) {
      REQUIRE(all->size() == 90);   // sixty changes, thirty answers
      std::set<std::string> changed;
      storage::revision last = 0;
      std::size_t behind = 0;
      for (const auto& line : *all) {
        if (line.starts_with("change ")) {
          changed.insert(line.substr(7));
          CHECK(std::stoll(line.substr(7)) == ++last);
          continue;
        }
        REQUIRE(line.starts_with("answer "));
        CHECK_MESSAGE(changed.contains(line.substr(7)), seed);
        behind += std::stoll(line.substr(7)) < last;
      }
      overtaken += behind;
    }
  }
  CHECK(overtaken > 0);   // the schedules were no formality
}

TEST_CASE("an answer whose change does not come by is given after a while all the same, and not before") {
  rig r;
  auto [who, heard] = r.writer(r.a);
  r.store.lag("a", 60s, 60s);
  rt::post(who, write_this{create("/k")});
  r.on.run.run_for(shard_config{}.patience - 1ms);
  CHECK(heard->empty());
  r.on.run.run_for(shard_config{}.patience + 100ms);
  CHECK(*heard == std::vector<std::string>{"answer 1"});
  auto late = r.on.begin<storage::revision>(r.a, read_head{});
  r.on.run.run_for(10s);
  REQUIRE(late->has_value());
  CHECK((*late)->code() == errc::unavailable);
  r.on.run.run_for(60s);
  CHECK(*heard == std::vector<std::string>{"answer 1", "change 1"});
}

TEST_CASE("a head that is read anywhere covers every write answered before, and followers have it by then") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    rig r(seed);
    auto heard = fresh();
    r.follow(r.b, "/", heard);
    r.store.lag("b", 0ms, 500ms);
    for (int i = 1; i <= 10; ++i) {
      const auto got = r.commit(r.a, create("/k" + std::to_string(i)));
      REQUIRE(got.what == outcome::kind::committed);
      CHECK(r.on.ask<storage::revision>(r.b, read_head{}).value_or(0) >= got.at);
      r.on.run.run_for(0ms);   // what was sent has arrived; no time passes
      const auto all = rig::heard_by(heard);
      REQUIRE(!all.empty());
      CHECK(all.back() >= got.at);
    }
  }
}

TEST_CASE("without a leader writes and heads are refused at once with a sentence, and followers hear no gap and no repeat") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    rig r(seed);
    auto heard = fresh();
    r.follow(r.a, "/", heard);
    r.on.run.run_for(1s);
    storage::revision last = 0;
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 5; ++i) last = r.commit(r.b, create("/" + std::to_string(round) + std::to_string(i))).at;
      r.store.lose_leader();
      r.on.run.run_for(1s);
      const auto before = r.on.run.now();
      const auto no = r.commit(r.a, create("/never"));
      CHECK(no.what == outcome::kind::unavailable);
      CHECK(no.note.find("no leader") != std::string::npos);
      const auto head = r.on.ask<storage::revision>(r.a, read_head{});
      CHECK(head.code() == errc::unavailable);
      CHECK(head.why().note.find("no leader") != std::string::npos);
      CHECK(r.on.run.now() == before);   // at once: not even a way to the store
      r.store.find_leader();
      r.on.run.run_for(1s);
    }
    r.on.run.run_for(3s);
    const auto all = rig::heard_by(heard);
    REQUIRE(all.size() == 15);
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i] == static_cast<storage::revision>(i) + 1);
    CHECK(all.back() == last);
    for (const auto& one : *heard) CHECK(!one.lost);
    CHECK(r.commit(r.a, create("/again")).what == outcome::kind::committed);
  }
}

TEST_CASE("who asks for the head while a question that fails is under way is answered too, also when nobody asks after it") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    rig r(seed);
    r.store.lose_leader();   // nobody has noticed
    std::vector<testing::answer_box<storage::revision>> heads;
    for (int i = 0; i < 5; ++i) {
      heads.push_back(r.on.begin<storage::revision>(r.a, read_head{}));
      r.on.run.run_for(50us);
    }
    r.on.run.run_for(2s);
    for (const auto& one : heads) {
      REQUIRE(one->has_value());
      CHECK((*one)->code() == errc::unavailable);
    }
  }
}

TEST_CASE("followers of a feed that a compaction was quicker than are told so, and what comes later they hear again") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    rig r(seed);
    auto heard = fresh();
    r.follow(r.a, "/", heard);
    r.on.run.run_for(1s);
    r.commit(r.b, create("/one"));
    r.on.run.run_for(1s);
    r.store.cut_off("a");
    r.on.run.run_for(1s);
    for (int i = 0; i < 5; ++i) r.commit(r.b, create("/missed" + std::to_string(i)));
    r.store.compact();
    r.store.reconnect("a");
    r.on.run.run_for(5s);
    REQUIRE(heard->size() == 2);
    CHECK(heard->back().lost);
    CHECK(heard->back().changes->empty());
    CHECK(heard->back().head == 6);
    CHECK(r.follow(r.a, "/", fresh()).records.size() == 6);
    const auto at = r.commit(r.a, create("/later")).at;
    REQUIRE(heard->size() == 3);
    CHECK(heard->back().changes->size() == 1);
    CHECK(heard->back().changes->front().at == at);
  }
}

TEST_CASE("who follows before the store can be reached waits, and gets everything once it can") {
  std::unique_ptr<storage::sim::shared_store> kept;
  stage on;
  kept = std::make_unique<storage::sim::shared_store>(on.run.plan(), rng(1));
  auto& store = *kept;
  auto b = on.show(make_shard(on.world, {}, store.open("b")));
  on.run.run_for(1s);
  REQUIRE(on.ask<outcome>(b, commit_operation{create("/now")}).value_or({}).what == outcome::kind::committed);
  const auto keys = store.log().live();
  store.cut_off("a");
  auto a = on.show(make_shard(on.world, {}, store.open("a")));
  auto heard = fresh();
  auto page = on.begin<storage::page>(a, follow_prefix{"/", testing::make_listener<follower_actor, changes_published>(on, heard)});
  on.run.run_for(30s);
  CHECK(!page->has_value());
  store.reconnect("a");
  on.run.run_for(5s);
  REQUIRE(page->has_value());
  REQUIRE((*page)->ok());
  CHECK((*page)->value().records.size() == keys);
  REQUIRE(on.ask<outcome>(b, commit_operation{create("/more")}).value_or({}).what == outcome::kind::committed);
  on.run.run_for(1s);
  CHECK(rig::heard_by(heard).size() == 1);
}

TEST_CASE("a follower that joins amid everybody's writes and faults loses nothing and is told nothing twice") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    rig r(seed);
    rng dice(seed);
    r.on.run.run_for(1s);
    for (int i = 0; i < 120; ++i)
      r.on.run.plan().in(std::chrono::milliseconds(dice.below(4000)), [&r, i] { rt::post(i % 3 ? r.a : r.b, commit_operation{create((i % 2 ? "/x/" : "/y/") + std::to_string(i))}); });
    struct joined { news heard = fresh(); testing::answer_box<storage::page> page; };
    std::vector<joined> all(6);
    for (auto& one : all)
      r.on.run.plan().in(std::chrono::milliseconds(dice.below(4000)), [&] {
        one.page = r.on.begin<storage::page>(r.a, follow_prefix{"/x/", testing::make_listener<follower_actor, changes_published>(r.on, one.heard)});
      });
    r.store.lag("a", 0ms, std::chrono::milliseconds(dice.below(200)));
    r.on.run.run_for(std::chrono::milliseconds(dice.below(2000)));
    dice.chance(50) ? r.store.cut_off("a") : r.store.lose_leader();
    r.on.run.run_for(std::chrono::milliseconds(dice.below(2000)));
    r.store.heal();
    r.on.run.run_for(20s);
    auto truth = r.store.log().range({"/x/", storage::after_prefix("/x/"), 0, 0});
    REQUIRE(truth.ok());
    for (const auto& one : all) {
      REQUIRE(one.page);
      REQUIRE(one.page->has_value());
      REQUIRE((*one.page)->ok());
      const auto& page = (*one.page)->value();
      std::set<std::string> keys;
      for (const auto& record : page.records) CHECK(keys.insert(record.key).second);
      storage::revision last = 0;
      for (const auto& batch : *one.heard) {
        CHECK(!batch.lost);
        for (const auto& change : *batch.changes) {
          CHECK(change.at > last);
          last = change.at;
          if (change.at > page.head) CHECK_MESSAGE(keys.insert(change.key).second, change.key);
          else CHECK(keys.contains(change.key));
        }
      }
      CHECK_MESSAGE(keys.size() == truth->records.size(), seed);
    }
  }
}

TEST_CASE("a shared shard that closes tells whoever waits what has become of it, and can be asked twice") {
  rig r;
  auto [who, heard] = r.writer(r.a);
  r.on.run.run_for(1s);
  r.store.lag("a", 60s, 60s);
  auto held = r.on.begin<outcome>(r.a, commit_operation{create("/held")});
  r.on.run.run_for(100ms);
  auto head = r.on.begin<storage::revision>(r.a, read_head{});
  r.on.run.run_for(10ms);
  CHECK(!held->has_value());
  CHECK(r.on.ask<bool>(r.a, close_datastore{}).value_or(false));
  r.on.run.run_for(0ms);
  REQUIRE(held->has_value());
  CHECK((*held)->value().what == outcome::kind::committed);
  REQUIRE(head->has_value());
  CHECK((*head)->code() == errc::unavailable);
  CHECK(r.on.ask<bool>(r.a, close_datastore{}).value_or(false));
  CHECK(r.commit(r.a, create("/late")).what == outcome::kind::unavailable);
  CHECK(r.on.ask<storage::revision>(r.a, read_head{}).code() == errc::unavailable);
}
