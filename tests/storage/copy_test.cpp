// A copy from one engine into another keeps every live key and never lets a revision come back.
#include "storage/copy.hpp"

#include <doctest/doctest.h>

#include "tests/storage/rig.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;

TEST_CASE("raising the revision skips numbers for good, and nothing before can be followed") {
  for (const auto& make : all_rigs()) {
    const auto held = make();
    rig& on = *held;
    INFO("engine: " << on.name());
    auto e = on.open();
    commit(on, *e, {create("a", "1"), create("b", "2")});
    REQUIRE(raise_revision(on, *e, 500).ok());
    CHECK(e->status().head == 500);
    REQUIRE(raise_revision(on, *e, 400).ok());
    CHECK(e->status().head == 500);
    CHECK(told(range(on, *e, {})) == "a=1@1/1 b=2@2/1 end");
    CHECK(changes(on, *e, 2).code() == errc::gone);
    CHECK(changes(on, *e, 500)->empty());
    CHECK(commit_one(on, *e, update("a", "3", 1)).at == 501);
    e.reset();
    e = on.open();
    CHECK(e->status().head == 501);
    CHECK(told(range(on, *e, {})) == "a=3@501/2 b=2@2/1 end");
    CHECK(changes(on, *e, 500)->size() == 1);
    CHECK(verify(on, *e).ok());
  }
}

TEST_CASE("a copy between engines has the same keys and values, and its revisions lie above the source's") {
  for (const auto& make_from : all_rigs()) {
    over_disks([&](rig& to) {
      const auto from_rig = make_from();
      if (!from_rig->on_disk()) return;
      rig& from = *from_rig;
      auto source_rig = from.open(), target = to.open();
      auto& source = *source_rig;
      std::vector<operation> batch;
      for (int i = 0; i < 400; ++i) batch.push_back(create(numbered("/key/", i), std::string(static_cast<std::size_t>(i) * 20, 'x')));
      commit(from, source, std::move(batch));
      commit(from, source, {update("/key/1", std::string("a\0b", 3), 2), erase("/key/2"), create("/large", std::string(1'400'000, 'y')),
                            create("/huge", std::string(1'400'000, 'z'))});
      std::uint64_t told_keys = 0;
      bool compared = false;
      const auto done = copy_engine(source, *target, [&](const copy_progress& now) {
        told_keys = std::max(told_keys, now.keys);
        compared = now.comparing;
        CHECK(now.keys_total == 401);
      });
      REQUIRE_MESSAGE(done.ok(), (done.ok() ? std::string() : done.why().note));
      CHECK(done->keys == 401);
      CHECK(told_keys == 401);
      CHECK(compared);
      CHECK(done->head == 404);
      CHECK(target->status().head == 404 + copy_margin_revisions);
      CHECK(done->target_head == target->status().head);
      const auto a = range(from, source, {}), b = range(to, *target, {});
      REQUIRE(a->records.size() == b->records.size());
      for (std::size_t i = 0; i < a->records.size(); ++i) {
        REQUIRE(a->records[i].key == b->records[i].key);
        REQUIRE(a->records[i].value == b->records[i].value);
      }
      CHECK(changes(to, *target, 404).code() == errc::gone);
      CHECK(commit_one(to, *target, create("new", "x")).at == done->target_head + 1);
      CHECK(copy_engine(source, *target).code() == errc::already_exists);
    });
  }
}
