// What relaxed writes promise, on every engine with a disk: a sudden end is what its files are at that moment.
#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>

#include "tests/storage/breakable_vfs.hpp"
#include "tests/storage/rig.hpp"
#include "tests/storage/sqlite_stage.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;
namespace fs = std::filesystem;

namespace {
/// A clock that stands still until it is moved.
struct hand_clock {
  std::shared_ptr<std::atomic<std::int64_t>> at = std::make_shared<std::atomic<std::int64_t>>(0);
  std::function<mono_time()> reader() const {
    return [at = at] { return mono_time(duration(at->load())); };
  }
  void move(duration by) { *at += by.count(); }
};

embedded_config with(const hand_clock& clock) {
  embedded_config out;
  out.now = clock.reader();
  out.kept.kept_revisions_min = 0;
  return out;
}
std::unique_ptr<engine> opened(rig& on, embedded_config config) {
  auto out = on.open_with(std::move(config));
  REQUIRE_MESSAGE(out.ok(), (out.ok() ? std::string() : out.why().note));
  return std::move(*out);
}
/// What a kill at this moment would leave, opened.
std::unique_ptr<engine> after_kill(rig& on, const std::string& from, const std::string& word) {
  const auto to = on.path() + "." + word;
  for (const char* tail : {"", "-wal"})
    if (fs::exists(from + tail)) fs::copy(from + tail, to + tail, fs::copy_options::recursive);
  embedded_config config;
  config.path = to;
  config.kept.kept_revisions_min = 0;
  return opened(on, config);
}
/// Three turns of the writer's thread: what was due before is done after it.
void turn(rig& on, engine& e) {
  for (int i = 0; i < 3; ++i) REQUIRE(range(on, e, {"zz", {}, 0, 1}).ok());
}
}  // namespace

TEST_CASE("a relaxed write is read, told and followed at once") {
  over_disks([](rig& on) {
    auto e = opened(on, with(hand_clock()));
    commit(on, *e, {create("a", "1")});
    const auto out = commit(on, *e, {relaxed(create("b", "2")), relaxed(update("a", "3", 1))});
    CHECK(out.outcomes.at(1).at == 3);
    CHECK(out.changes.size() == 2);
    CHECK(e->status().head == 3);
    CHECK(told(range(on, *e, {})) == "a=3@3/2 b=2@2/1 end");
    CHECK(told(range(on, *e, {{}, {}, 1, 0})) == "a=1@1/1 end");
    CHECK(changes(on, *e, 1)->size() == 2);
    CHECK(commit_one(on, *e, update("b", "x", 1)).present->value.str() == "2");
    CHECK(verify(on, *e).ok());
    REQUIRE(compact(on, *e, 2).ok());
    CHECK(told(range(on, *e, {})) == "a=3@3/2 b=2@2/1 end");
    CHECK(commit(on, *e, {relaxed(erase("b")), create("c", "5")}).outcomes.at(1).at == 5);
    CHECK(told(range(on, *e, {})) == "a=3@3/2 c=5@5/1 end");
  });
}

TEST_CASE("closing keeps relaxed writes, and the head is where it was") {
  over_disks([](rig& on) {
    auto e = opened(on, with(hand_clock()));
    commit(on, *e, {relaxed(create("a", "1")), relaxed(create("b", "2"))});
    e.reset();
    e = on.open();
    CHECK(told(range(on, *e, {})) == "a=1@1/1 b=2@2/1 end");
    CHECK(e->status().head == 2);
    CHECK(changes(on, *e, 0)->size() == 2);
    CHECK(commit_one(on, *e, create("c", "3")).at == 3);
  });
}

TEST_CASE("a sudden end costs the newest relaxed writes at most; what was seen and lost is gone, not replaced") {
  over_disks([](rig& on) {
    auto e = opened(on, with(hand_clock()));
    commit(on, *e, {create("a", "1")});
    commit(on, *e, {relaxed(create("first", "2"))});  // The first of all is synced: it makes the reserve.
    commit(on, *e, {relaxed(create("b", "3"))});
    commit(on, *e, {create("c", "4")});
    commit(on, *e, {relaxed(create("d", "5"))});
    commit(on, *e, {relaxed(create("e", "6"))});
    auto later = after_kill(on, on.path(), "one");
    const auto all = range(on, *later, {"a", "d", 0, 0});
    CHECK(told(all) == "a=1@1/1 b=3@3/1 c=4@4/1 end");
    const auto head = later->status().head;
    CHECK(head >= 10'000);
    CHECK(head < 30'000);
    CHECK(changes(on, *later, 4).ok());
    CHECK(changes(on, *later, 0)->size() == later->status().keys);  // Nobody who has seen nothing lost starts again.
    const auto lost = later->status().keys == 4;
    if (lost) {
      CHECK(told(range(on, *later, {"d", "f", 0, 0})) == "end");
      CHECK(changes(on, *later, 5).code() == errc::gone);
      CHECK(changes(on, *later, 6).code() == errc::gone);
      CHECK(range(on, *later, {{}, {}, 6, 0}).code() == errc::gone);
      CHECK(told(range(on, *later, {"b", "d", 4, 0})) == "b=3@3/1 c=4@4/1 end");
    }
    CHECK(changes(on, *later, head)->empty());
    CHECK(commit_one(on, *later, create("fresh", "x")).at == head + 1);
    CHECK(verify(on, *later).ok());
    const auto path = on.path() + ".one";
    {  // It opens again ...
      later.reset();
      later = opened(on, [&] { embedded_config c; c.path = path; return c; }());
      CHECK(later->status().head == head + 1);
      CHECK(changes(on, *later, 4)->back().at == head + 1);
      if (lost) CHECK(changes(on, *later, 6).code() == errc::gone);
      CHECK(verify(on, *later).ok());
    }
    {  // ... and may end suddenly again.
      later.reset();
      auto config = with(hand_clock());
      config.path = path;
      later = opened(on, config);
      for (int i = 0; i < 3; ++i) commit(on, *later, {relaxed(create(numbered("g", i), "7"))});
      auto last = after_kill(on, path, "two");
      CHECK(last->status().head > head + 3);
      CHECK(changes(on, *last, 4).code() == errc::gone);  // One hole is kept in mind, what lies before an older one is let go.
      CHECK(told(range(on, *last, {"a", "d", 0, 0})) == "a=1@1/1 b=3@3/1 c=4@4/1 end");
      REQUIRE(compact(on, *last, last->status().head).ok());
      CHECK(verify(on, *last).ok());
      const auto before = last->status().head;
      CHECK(commit_one(on, *last, create("fresh2", "x")).at == before + 1);
    }
  });
}

TEST_CASE("a log whose writes were all durable, or whose relaxed ones are long past, does not jump") {
  over_disks([](rig& on) {
    hand_clock clock;
    auto e = opened(on, with(clock));
    commit(on, *e, {create("a", "1")});
    CHECK(after_kill(on, on.path(), "durable")->status().head == 1);
    commit(on, *e, {relaxed(create("b", "2"))});
    commit(on, *e, {relaxed(create("c", "3"))});
    CHECK(after_kill(on, on.path(), "recent")->status().head > 1'000);
    clock.move(11s);  // relaxed_delay
    turn(on, *e);
    CHECK(after_kill(on, on.path(), "settled")->status().keys == 3);
    clock.move(60s);  // relaxed_quiet
    turn(on, *e);
    const auto later = after_kill(on, on.path(), "quiet");
    CHECK(later->status().head == 3);
    CHECK(commit_one(on, *later, create("d", "4")).at == 4);
    CHECK(commit(on, *e, {relaxed(create("e", "5"))}).head == 4);
    CHECK(after_kill(on, on.path(), "again")->status().head > 1'000);
  });
}

TEST_CASE("a copy holds what is relaxed and not yet synced") {
  over_disks([](rig& on) {
    auto e = opened(on, with(hand_clock()));
    commit(on, *e, {create("a", "1")});
    for (int i = 0; i < 5; ++i) commit(on, *e, {relaxed(create(numbered("b", i), "2"))});
    REQUIRE(backup(on, *e, on.path() + ".copy").ok());
    auto copy = on.open_copy();
    CHECK(copy->status().keys == 6);
    CHECK(copy->status().head == 1'000'006);
    CHECK(verify(on, *copy).ok());
  });
}

TEST_CASE("more relaxed writes than are reserved or may wait are synced between") {
  over_disks([](rig& on) {
    auto e = opened(on, with(hand_clock()));
    for (int i = 0; i < 60; ++i) {  // 24,000 revisions: two steps and more of the reserve.
      std::vector<operation> batch;
      for (int k = 0; k < 400; ++k) batch.push_back(relaxed(create(numbered("k", i * 400 + k), "v")));
      REQUIRE(commit(on, *e, std::move(batch)).outcomes.back().what == outcome::kind::committed);
    }
    auto later = after_kill(on, on.path(), "many");
    CHECK(later->status().head >= 24'000);
    CHECK(later->status().keys > 10'000);
    for (int i = 0; i < 4; ++i) commit(on, *e, {relaxed(create(numbered("large", i), std::string(600'000, 'x')))});
    CHECK(after_kill(on, on.path(), "large")->status().keys > 24'001);
    CHECK(verify(on, *e).ok());
  });
}

TEST_CASE("relaxed writes leave SQLite's disk alone until they are due, and one sync takes them all") {
  const scratch_folder folder;
  auto& disk = breakable_disk::get();
  disk.restart();
  hand_clock clock;
  no_pump on;
  auto config = config_at(folder / "db", breakable_disk::vfs_name);
  config.now = clock.reader();
  auto e = std::move(open_sqlite(config)).value();
  commit(on, *e, {relaxed(create("k0", "v"))});
  const auto before = disk.calls(), synced = disk.syncs();
  for (int i = 1; i < 200; ++i) commit(on, *e, {relaxed(create(numbered("k", i), "v"))});
  CHECK(disk.calls() == before);
  clock.move(11s);
  turn(on, *e);
  CHECK(disk.syncs() == synced + 1);
  commit(on, *e, {create("durable", "v")});
  CHECK(disk.syncs() == synced + 2);
}

TEST_CASE("relaxed writes are as durable as others when the engine has no clock") {
  over_disks([](rig& on) {
    auto e = on.open();
    for (int i = 0; i < 3; ++i) commit(on, *e, {relaxed(create(numbered("k", i), "v"))});
    const auto later = after_kill(on, on.path(), "kill");
    CHECK(later->status().keys == 3);
    CHECK(later->status().head == 3);
  });
}
