// What was acknowledged is there afterwards: after death, after a power cut, after the disk broke.
#include <thread>

#include "tests/storage/breakable_vfs.hpp"
#include "tests/storage/embedded/seeds.hpp"
#include "tests/storage/sqlite_stage.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;

namespace {
no_pump on;
}  // namespace

static void cut_power(std::uint64_t seed) {
  const scratch_folder folder;
  auto& disk = breakable_disk::get();
  disk.restart();
  const auto path = folder / "db";
  rng chance(seed);
  std::map<std::uint64_t, revision> acknowledged;
  for (std::uint64_t round = 0; round < 25; ++round) {
    auto e = open_at(path, breakable_disk::vfs_name);
    std::mutex guard;
    steady_writer writer(*e, round * 1'000'000, [&](std::uint64_t number, revision at) {
      const std::lock_guard hold(guard);
      acknowledged[number] = at;
    });
    disk.cut_power_after(1 + chance.below(3000), chance.fork(std::to_string(round)));
    answer<int> fell;
    e->on_news([take = fell.take()] { take(0); });
    for (int i = 0; i < 16; ++i) writer.next();
    fell.get(on);
    CHECK(e->status().now == standing::closed);
    e.reset();
    REQUIRE(disk.is_cut());
    disk.settle();
    e = open_at(path, breakable_disk::vfs_name);
    const auto all = range(on, *e, {});
    REQUIRE(all.ok());
    std::map<std::string, revision> kept;
    for (const auto& one : all->records) kept[one.key] = one.modified;
    for (const auto& [number, at] : acknowledged) REQUIRE(kept[writer_key(number)] == at);
    REQUIRE(verify(on, *e).ok());
  }
  CHECK(acknowledged.size() > 5'000);
}
TEST_CASE("no acknowledged write is lost when the power goes at any moment") {
  over_seeds("storage_tests", "no acknowledged write is lost when the power goes at any moment", 2, cut_power);
}

static void cut_power_of_relaxed(std::uint64_t seed) {
  const scratch_folder folder;
  auto& disk = breakable_disk::get();
  disk.restart();
  auto config = config_at(folder / "db", breakable_disk::vfs_name);
  std::atomic<std::int64_t> clock = 0;
  config.now = [&clock] { return mono_time(duration(clock += 100'000)); };  // Some ten reads per group: it moves on.
  config.relaxed_delay = 20ms;
  rng chance(seed);
  std::map<revision, std::uint64_t> acknowledged;
  std::size_t lost_writes = 0;
  for (std::uint64_t round = 0; round < 25; ++round) {
    auto e = std::move(open_sqlite(config)).value();
    std::mutex guard;
    bool twice = false;
    steady_writer writer(*e, round * 1'000'000, [&](std::uint64_t number, revision at) {
      const std::lock_guard hold(guard);
      twice = !acknowledged.emplace(at, number).second || twice;
    }, true);
    disk.cut_power_after(1 + chance.below(1500), chance.fork(std::to_string(round)));
    answer<int> fell;
    e->on_news([take = fell.take()] { take(0); });
    for (int i = 0; i < 16; ++i) writer.next();
    fell.get(on);
    e.reset();
    REQUIRE_FALSE(twice);
    disk.settle();
    e = std::move(open_sqlite(config)).value();
    const auto all = range(on, *e, {});
    REQUIRE(all.ok());
    std::map<std::string, revision> kept;
    for (const auto& one : all->records) kept[one.key] = one.modified;
    REQUIRE((acknowledged.empty() || e->status().head >= acknowledged.rbegin()->first));
    revision first_lost = INT64_MAX;
    for (const auto& [at, number] : acknowledged) {
      if (kept.contains(writer_key(number))) {
        REQUIRE(kept[writer_key(number)] == at);
        REQUIRE(first_lost == INT64_MAX);
        continue;
      }
      REQUIRE(is_relaxed(number));
      first_lost = std::min(first_lost, at);
      ++lost_writes;
    }
    acknowledged.erase(acknowledged.lower_bound(first_lost), acknowledged.end());
    REQUIRE(verify(on, *e).ok());
  }
  CHECK(acknowledged.size() > 3'000);
  CHECK(lost_writes > 10);  // Otherwise nothing was put to the test.
}
TEST_CASE("power that goes costs relaxed writes only, only the newest, and no revision is used twice") {
  over_seeds("storage_tests", "power that goes costs relaxed writes only, only the newest, and no revision is used twice", 4, cut_power_of_relaxed);
}

TEST_CASE("a disk that is full or fails to sync closes the engine, and what was acknowledged is there afterwards") {
  const scratch_folder folder;
  auto& disk = breakable_disk::get();
  disk.restart();
  const auto path = folder / "db";
  {
    auto e = open_at(path, breakable_disk::vfs_name);
    commit(on, *e, {create("kept", "1")});
    int woken = 0;
    e->on_news([&woken] { ++woken; });
    std::vector<operation> batch;
    batch.push_back(create("lost", "2"));
    SUBCASE("full") {
      disk.fill_up(true);
      const auto said = commit(on, *e, std::move(batch)).outcomes.at(0);
      CHECK((said.what == outcome::kind::outcome_unknown || said.what == outcome::kind::unavailable));
      CHECK(said.note.find("full") != std::string::npos);
    }
    SUBCASE("full before the commit, by more than the page cache holds") {
      disk.fill_up(true);
      batch.clear();
      for (int i = 0; i < 4; ++i) batch.push_back(create(numbered("large", i), std::string(1'400'000, 'x')));
      for (const auto& said : commit(on, *e, std::move(batch)).outcomes) CHECK(said.what == outcome::kind::unavailable);
    }
    SUBCASE("the log cannot be synced") {
      disk.fail_syncs("-wal");
      const auto out = commit(on, *e, std::move(batch));
      CHECK(out.outcomes.at(0).what == outcome::kind::outcome_unknown);
      CHECK(out.changes.empty());
      CHECK(out.head == 1);
    }
    SUBCASE("the file cannot be synced while the log is copied back") {
      disk.fail_syncs("db");
      // The copying follows the answers, the later the larger the commits are.
      for (int round = 0; round < 20 && e->status().now != standing::closed; ++round) {
        std::vector<operation> many;
        for (int i = 0; i < 400; ++i) many.push_back(create(numbered("many", round * 400 + i), std::string(12'000, 'x')));
        const auto said = commit(on, *e, std::move(many)).outcomes;
        for (const auto& one : said) CHECK((one.what == outcome::kind::committed) == (said.front().what == outcome::kind::committed));
      }
      REQUIRE(e->status().now == standing::closed);
    }
    disk.fill_up(false);
    disk.fail_syncs("");
    CHECK(commit_one(on, *e, create("later", "3")).what == outcome::kind::unavailable);
    CHECK(range(on, *e, {}).code() == errc::closed);
    CHECK(changes(on, *e, 0).code() == errc::closed);
    CHECK(compact(on, *e, 1).ok() == false);
    CHECK(verify(on, *e).ok() == false);
    CHECK(e->status().now == standing::closed);
    CHECK(woken == 1);
  }
  disk.restart();
  auto e = open_at(path, breakable_disk::vfs_name);
  CHECK(told(range(on, *e, {"kept", "kept0", 0, 0})) == "kept=1@1/1 end");
  CHECK(told(range(on, *e, {"later", "later0", 0, 0})) == "end");
  CHECK((e->status().keys <= 2 || e->status().keys % 400 == 1));
  CHECK(verify(on, *e).ok());
}

TEST_CASE("a disk that turns bad at any moment of many writes costs nothing that was acknowledged") {
  over_seeds("storage_tests", "a disk that turns bad at any moment*", 1, [](std::uint64_t seed) {
    const scratch_folder folder;
    auto& disk = breakable_disk::get();
    disk.restart();
    const auto path = folder / "db";
    bad_disk bad;
    bad.on = &on;
    bad.open = [&] { return open_at(path, breakable_disk::vfs_name); };
    bad.turn_bad = [&disk](rng& dice) {
      switch (dice.below(3)) {
        case 0: return disk.fill_up(true);
        case 1: return disk.fail_syncs("-wal");
        default: return disk.fail_syncs("db");
      }
    };
    bad.mend = [&disk] { disk.fill_up(false), disk.fail_syncs(""); };
    bad.lose_power = [&](rng dice) {
      disk.cut_power_after(1 + dice.below(20), dice.fork("kept"));
      if (auto opened = open_sqlite(config_at(path, breakable_disk::vfs_name)); opened.ok()) opened->reset();
      disk.settle();
    };
    play_bad_disk(bad, seed);
  });
}
