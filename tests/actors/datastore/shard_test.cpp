#include "actors/datastore/shard.hpp"

#include <set>

#include "storage/sim/sim.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::datastore;
using storage::operation;
using storage::outcome;
using testing::stage;

namespace troupe::datastore_test {
struct write_it { operation what; };
/// A writer that also follows, as a kind keeper does: writes down in which order it hears what.
using both_actor = rt::handle<void(changes_published), void(write_it)>;
class both_state {
 public:
  static constexpr const char* name = "both";
  explicit both_state(rt::self<both_actor> self) : self_(self) {}
  void init(writer_actor to, std::shared_ptr<std::vector<std::string>> heard) {
    to_ = std::move(to);
    heard_ = std::move(heard);
  }
  both_actor::behavior_type make_behavior() {
    return {[this](changes_published& news) {
              for (const auto& c : *news.changes) heard_->push_back("change " + std::to_string(c.at));
            },
            [this](write_it& ask) {
              self_->request(to_, caf::infinite, commit_operation{std::move(ask.what)})
                  .then([this](outcome& got) { heard_->push_back("answer " + std::to_string(got.at)); });
            }};
  }

 private:
  rt::self<both_actor> self_;
  writer_actor to_;
  std::shared_ptr<std::vector<std::string>> heard_;
};
}  // namespace troupe::datastore_test
RT_MESSAGE(troupe::datastore_test::write_it)

using namespace datastore_test;

namespace {
operation create(const std::string& key, const std::string& value = "v") { return {operation::kind::create, key, bytes(value), 0}; }

/// A shard over a memory engine whose completions take `wait`.
struct rig {
  explicit rig(shard_config config = {}, duration wait = 1ms, std::uint64_t seed = 1) : on(seed) {
    auto engine = storage::make_memory_engine(disk, [this, wait](task what) { on.run.plan().in(wait, std::move(what)); });
    shard = on.show(make_shard(on.world, config, std::move(engine)));
  }
  outcome commit(operation what) {
    auto got = on.ask<outcome>(shard, commit_operation{std::move(what)});
    REQUIRE(got.ok());
    return *got;
  }
  storage::page follow(const std::string& prefix, std::shared_ptr<std::vector<changes_published>> heard) {
    auto got = on.ask<storage::page>(shard, follow_prefix{prefix, testing::make_listener<follower_actor, changes_published>(on, std::move(heard))});
    REQUIRE(got.ok());
    return *got;
  }
  std::shared_ptr<storage::memory_disk> disk = std::make_shared<storage::memory_disk>();
  stage on;
  shard_actor shard;
};
}  // namespace

TEST_CASE("whoever follows and writes hears a change before the answer to its write, on every schedule") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    rig r({}, 1ms, seed);
    auto heard = std::make_shared<std::vector<std::string>>();
    auto who = r.on.show(rt::spawn<both_actor, both_state>(r.on.world, "", writer_actor(r.shard), heard));
    REQUIRE(r.on.ask<storage::page>(r.shard, follow_prefix{"/", follower_actor(who)}).ok());
    for (int i = 0; i < 30; ++i) rt::post(who, write_it{create("/k" + std::to_string(i))});
    r.on.run.run_for(1s);
    REQUIRE(heard->size() == 60);
    std::set<std::string> changed;
    storage::revision last = 0;
    for (const auto& line : *heard) {
      if (line.starts_with("change ")) {
        changed.insert(line.substr(7));
        CHECK(std::stoll(line.substr(7)) == ++last);
      } else {
        CHECK_MESSAGE(changed.contains(line.substr(7)), seed);
      }
    }
  }
}

TEST_CASE("a follower that joins amid writes loses nothing and is told nothing twice") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    stage on(seed);
    auto disk = std::make_shared<storage::memory_disk>();
    auto shard = on.show(make_shard(on.world, {}, std::make_unique<storage::sim::sim_engine>(on.run.plan(), rng(seed), disk)));
    rng dice(seed);
    constexpr int writes = 200;
    int written = 0;
    for (int i = 0; i < writes; ++i)
      on.run.plan().in(std::chrono::microseconds(dice.below(100000)), [&, i] {
        rt::post(shard, commit_operation{create((i % 2 ? "/a/" : "/b/") + std::to_string(i))});
        ++written;
      });
    struct joined {
      std::shared_ptr<std::vector<changes_published>> heard = std::make_shared<std::vector<changes_published>>();
      testing::answer_box<storage::page> page;
    };
    std::vector<joined> all(10);
    for (auto& one : all)
      on.run.plan().in(std::chrono::microseconds(dice.below(100000)), [&] {
        one.page = on.begin<storage::page>(shard, follow_prefix{"/a/", testing::make_listener<follower_actor, changes_published>(on, one.heard)});
      });
    on.run.run_for(2s);
    REQUIRE(written == writes);
    for (const auto& one : all) {
      REQUIRE(one.page);
      REQUIRE(one.page->has_value());
      REQUIRE((*one.page)->ok());
      const storage::page& page = *(**one.page);
      std::set<std::string> keys;
      for (const auto& record : page.records) CHECK(keys.insert(record.key).second);
      storage::revision last = 0;
      for (const auto& news : *one.heard)
        for (const auto& change : *news.changes) {
          CHECK(change.key.starts_with("/a/"));
          CHECK(change.at > last);
          last = change.at;
          if (change.at > page.head) CHECK_MESSAGE(keys.insert(change.key).second, change.key);
          else CHECK(keys.contains(change.key));
        }
      CHECK(keys.size() == writes / 2);
    }
  }
}

TEST_CASE("a head that is read covers every write that was answered before") {
  rig r;
  for (int i = 1; i <= 5; ++i) {
    const auto got = r.commit(create("/k" + std::to_string(i)));
    CHECK(r.on.ask<storage::revision>(r.shard, read_head{}).value_or(0) >= got.at);
  }
}

TEST_CASE("what is too much is refused at once, and the rest is done") {
  shard_config config;
  config.waiting_max = 2;
  config.in_flight_max = 1;
  rig r(config, 10ms);
  std::vector<testing::answer_box<outcome>> boxes;
  for (int i = 0; i < 6; ++i) {
    boxes.push_back(r.on.begin<outcome>(r.shard, commit_operation{create("/k" + std::to_string(i))}));
    r.on.run.run_for(10us);
  }
  int refused = 0;
  for (const auto& box : boxes)
    if (box->has_value()) refused += (*box)->value().what == outcome::kind::overloaded;
  CHECK(refused == 3);
  r.on.run.run_for(1s);
  int committed = 0;
  for (const auto& box : boxes) committed += (*box)->value().what == outcome::kind::committed;
  CHECK(committed == 3);
  CHECK(r.commit(create("/later")).what == outcome::kind::committed);
}

TEST_CASE("waiting bytes are bounded and given back") {
  shard_config config;
  config.waiting_bytes_max = 1000;
  config.in_flight_max = 1;
  rig r(config, 10ms);
  for (int round = 0; round < 3; ++round) {
    const auto key = [&](int i) { return "/" + std::to_string(round) + "/" + std::to_string(i); };
    auto first = r.on.begin<outcome>(r.shard, commit_operation{create(key(1), std::string(900, 'x'))});
    r.on.run.run_for(10us);
    auto waits = r.on.begin<outcome>(r.shard, commit_operation{create(key(2), std::string(900, 'x'))});
    r.on.run.run_for(10us);
    auto over = r.on.begin<outcome>(r.shard, commit_operation{create(key(3), std::string(900, 'x'))});
    r.on.run.run_for(1s);
    CHECK((*first)->value().what == outcome::kind::committed);
    CHECK((*waits)->value().what == outcome::kind::committed);
    CHECK((*over)->value().what == outcome::kind::overloaded);
  }
}

TEST_CASE("a conflict tells what stands there") {
  rig r;
  const auto first = r.commit(create("/k", "one"));
  const auto again = r.commit(create("/k", "two"));
  CHECK(again.what == outcome::kind::conflict);
  REQUIRE(again.present);
  CHECK(again.present->value.view() == "one");
  CHECK(r.commit({operation::kind::update, "/k", bytes("three"), first.at}).what == outcome::kind::committed);
  CHECK(r.commit({operation::kind::update, "/k", bytes("four"), first.at}).what == outcome::kind::conflict);
}

TEST_CASE("closing finishes what was accepted, refuses what comes later, and can be asked for twice") {
  rig r({}, 10ms);
  auto accepted = r.on.begin<outcome>(r.shard, commit_operation{create("/k")});
  r.on.run.run_for(10us);
  auto closed = r.on.begin<bool>(r.shard, close_datastore{});
  r.on.run.run_for(10us);
  auto again = r.on.begin<bool>(r.shard, close_datastore{});
  auto late = r.on.begin<outcome>(r.shard, commit_operation{create("/late")});
  r.on.run.run_for(10us);
  CHECK(!closed->has_value());
  r.on.run.run_for(1s);
  CHECK((*accepted)->value().what == outcome::kind::committed);
  CHECK((*late)->value().what == outcome::kind::unavailable);
  REQUIRE(closed->has_value());
  CHECK((*closed)->value());
  REQUIRE(again->has_value());
  CHECK((*again)->value());
  CHECK(r.on.ask<bool>(r.shard, close_datastore{}).value_or(false));
  CHECK(r.commit(create("/later")).what == outcome::kind::unavailable);
  auto heard = std::make_shared<std::vector<changes_published>>();
  const auto page = r.on.ask<storage::page>(r.shard, follow_prefix{"/", testing::make_listener<follower_actor, changes_published>(r.on, heard)});
  REQUIRE(!page.ok());
  CHECK(page.code() == errc::unavailable);
  CHECK(r.disk->log.live() == 1);
}

TEST_CASE("history is kept for one to two periods") {
  shard_config config;
  config.compact_every = 5min;
  rig r(config);
  r.disk->log.set_retention({0, 1 << 20});
  for (int i = 0; i < 10; ++i) r.commit(create("/k" + std::to_string(i)));
  r.on.run.run_for(6min);
  CHECK(r.disk->log.ends().floor == 0);
  r.commit(create("/later"));
  r.on.run.run_for(5min);
  CHECK(r.disk->log.ends().floor == 10);
}

TEST_CASE("a shard whose disk fails answers what waits and gives up with a sentence") {
  stage on;
  auto disk = std::make_shared<storage::memory_disk>();
  auto engine = std::make_unique<storage::sim::sim_engine>(on.run.plan(), rng(1), disk);
  auto* at = engine.get();
  auto shard = on.show(make_shard(on.world, {}, std::move(engine)));
  CHECK(on.ask<outcome>(shard, commit_operation{create("/a")}).value_or({}).what == outcome::kind::committed);
  at->set_fault(storage::sim::fault::disk_full);
  const auto got = on.ask<outcome>(shard, commit_operation{create("/b")});
  REQUIRE(got.ok());
  CHECK(got->what != outcome::kind::committed);
  on.run.run_for(1s);
  CHECK(on.gave_up.find("disk") != std::string::npos);
}
