// RocksDB on a disk that loses its power, fills up or does not sync: what was acknowledged is there afterwards.
#include <doctest/doctest.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "storage/rocksdb/rocksdb.hpp"
#include "tests/storage/embedded/breakable_files.hpp"
#include "tests/storage/embedded/seeds.hpp"
#include "tests/storage/embedded/writer.hpp"
#include "tests/storage/rig.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;

namespace {
struct no_pump final : rig {
  std::string name() const override { return "rocksdb"; }
  std::unique_ptr<engine> open(retention) override { return nullptr; }
  std::unique_ptr<engine> open_copy() override { return nullptr; }
  std::string path() const override { return {}; }
} on;

/// A folder on a disk that breaks. Small buffers: files are written out, merged and removed all the time.
struct stage {
  stage() {
    config.path = folder / "store";
    config.write_buffer_bytes = 64 * 1024;
    config.environment = environment.get();
  }
  std::unique_ptr<engine> open() {
    auto opened = open_rocksdb(config);
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? std::string() : opened.why().text()));
    return std::move(*opened);
  }
  const scratch_folder folder;
  std::shared_ptr<breakable_files> disk = std::make_shared<breakable_files>();
  std::unique_ptr<rocksdb::Env> environment = rocksdb::NewCompositeEnv(disk);
  rocksdb_config config;
};

std::map<std::string, revision> kept_in(engine& e) {
  const auto all = range(on, e, {});
  REQUIRE(all.ok());
  std::map<std::string, revision> out;
  for (const auto& one : all->records) out[one.key] = one.modified;
  return out;
}
}  // namespace

static void cut_power(std::uint64_t seed) {
  stage s;
  rng chance(seed);
  std::map<std::uint64_t, revision> acknowledged;
  int cut_opening = 0;
  for (std::uint64_t round = 0; round < 25; ++round) {
    if (round > 0 && chance.chance(40)) {
      s.disk->cut_power_after(1 + chance.below(30), chance.fork("open" + std::to_string(round)));
      auto opened = open_rocksdb(s.config);
      cut_opening += !opened.ok();
      if (opened.ok()) opened->reset();
      s.disk->settle();
    }
    auto e = s.open();
    std::mutex guard;
    steady_writer writer(*e, round * 1'000'000, [&](std::uint64_t number, revision at) {
      const std::lock_guard hold(guard);
      acknowledged[number] = at;
    });
    s.disk->cut_power_after(1 + chance.below(800), chance.fork(std::to_string(round)));
    answer<int> fell;
    e->on_news([take = fell.take()] { take(0); });
    for (int i = 0; i < 16; ++i) writer.next();
    fell.get(on);
    CHECK(e->status().now == standing::closed);
    e.reset();
    REQUIRE(s.disk->is_cut());
    s.disk->settle();
    e = s.open();
    auto kept = kept_in(*e);
    const auto lost = std::count_if(acknowledged.begin(), acknowledged.end(), [&](const auto& one) { return kept[writer_key(one.first)] != one.second; });
    REQUIRE_MESSAGE(lost == 0, "round " << round);
    REQUIRE(verify(on, *e).ok());
    e.reset();
  }
  CHECK(acknowledged.size() > 2'000);
  CHECK(cut_opening > 0);
}
TEST_CASE("RocksDB loses no acknowledged write when the power goes at any moment, also while it opens") {
  over_seeds("storage_death_tests", "RocksDB loses no acknowledged write when the power goes at any moment, also while it opens", 11, cut_power);
}

static void cut_power_of_relaxed(std::uint64_t seed) {
  stage s;
  std::atomic<std::int64_t> clock = 0;
  s.config.now = [&clock] { return mono_time(duration(clock += 100'000)); };
  s.config.relaxed_delay = 20ms;
  rng chance(seed);
  std::map<revision, std::uint64_t> acknowledged;
  std::size_t lost_writes = 0;
  for (std::uint64_t round = 0; round < 20; ++round) {
    auto e = s.open();
    std::mutex guard;
    bool twice = false;
    steady_writer writer(*e, round * 1'000'000, [&](std::uint64_t number, revision at) {
      const std::lock_guard hold(guard);
      twice = !acknowledged.emplace(at, number).second || twice;
    }, true);
    s.disk->cut_power_after(1 + chance.below(250), chance.fork(std::to_string(round)));
    answer<int> fell;
    e->on_news([take = fell.take()] { take(0); });
    for (int i = 0; i < 16; ++i) writer.next();
    fell.get(on);
    e.reset();
    REQUIRE_FALSE(twice);
    s.disk->settle();
    e = s.open();
    const auto kept = kept_in(*e);
    REQUIRE((acknowledged.empty() || e->status().head >= acknowledged.rbegin()->first));
    revision first_lost = INT64_MAX;
    int wrong = 0;
    for (const auto& [at, number] : acknowledged) {
      if (const auto found = kept.find(writer_key(number)); found != kept.end()) {
        wrong += found->second != at || first_lost != INT64_MAX;   // kept behind what is lost: no suffix
        continue;
      }
      wrong += !is_relaxed(number);
      first_lost = std::min(first_lost, at);
      ++lost_writes;
    }
    REQUIRE_MESSAGE(wrong == 0, "round " << round);
    acknowledged.erase(acknowledged.lower_bound(first_lost), acknowledged.end());
    REQUIRE(verify(on, *e).ok());
    e.reset();
  }
  CHECK(acknowledged.size() > 1'500);
  CHECK(lost_writes > 10);  // Otherwise nothing was put to the test.
}
TEST_CASE("power that goes costs RocksDB relaxed writes only, only the newest, and no revision is used twice") {
  over_seeds("storage_death_tests", "power that goes costs RocksDB relaxed writes only, only the newest, and no revision is used twice", 12, cut_power_of_relaxed);
}

TEST_CASE("a disk that is full or fails to sync closes RocksDB, and what was acknowledged is there afterwards") {
  stage s;
  {
    auto e = s.open();
    commit(on, *e, {create("kept", "1")});
    int woken = 0;
    e->on_news([&woken] { ++woken; });
    SUBCASE("full") { s.disk->fill_up(true); }
    SUBCASE("the log cannot be synced") { s.disk->fail_syncs(true); }
    std::vector<operation> batch;
    batch.push_back(create("lost", "2"));
    const auto said = commit(on, *e, std::move(batch)).outcomes.at(0);
    CHECK((said.what == outcome::kind::outcome_unknown || said.what == outcome::kind::unavailable));
    s.disk->fill_up(false);
    s.disk->fail_syncs(false);
    std::vector<operation> later;
    later.push_back(create("later", "3"));
    CHECK(commit(on, *e, std::move(later)).outcomes.at(0).what == outcome::kind::unavailable);
    CHECK(range(on, *e, {}).code() == errc::closed);
    CHECK(e->status().now == standing::closed);
    CHECK(woken == 1);
  }
  auto e = s.open();
  const auto kept = kept_in(*e);
  CHECK(kept.contains("kept"));
  CHECK_FALSE(kept.contains("later"));
  CHECK(verify(on, *e).ok());
}

TEST_CASE("a disk that turns bad at any moment of many writes costs RocksDB nothing that was acknowledged") {
  over_seeds("storage_death_tests", "a disk that turns bad at any moment*", 1, [](std::uint64_t seed) {
    stage s;
    bad_disk bad;
    bad.on = &on;
    bad.open = [&s] { return s.open(); };
    bad.turn_bad = [&s](rng& dice) { dice.chance(50) ? s.disk->fill_up(true) : s.disk->fail_syncs(true); };
    bad.mend = [&s] { s.disk->fill_up(false), s.disk->fail_syncs(false); };
    bad.lose_power = [&s](rng dice) {
      s.disk->cut_power_after(1 + dice.below(30), dice.fork("kept"));
      if (auto opened = open_rocksdb(s.config); opened.ok()) opened->reset();
      s.disk->settle();
    };
    play_bad_disk(bad, seed);
  });
}
