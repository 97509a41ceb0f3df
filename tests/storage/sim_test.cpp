// What the simulated engine does that the others cannot: wait, fail on script, and die.
#include <doctest/doctest.h>

#include "storage/sim/sim.hpp"
#include "tests/storage/rig.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;

namespace {
struct stage final : rig {
  explicit stage(std::uint64_t seed) : e(std::make_unique<sim::sim_engine>(time, rng(seed), disk)) {}
  std::string name() const override { return "sim"; }
  std::string path() const override { return {}; }
  std::unique_ptr<engine> open(retention) override { return nullptr; }
  std::unique_ptr<engine> open_copy() override { return nullptr; }
  void pump() override { while (step()) {} }
  bool step() {
    const auto due = time.next_due();
    if (!due) return false;
    time.advance_to(*due);
    return time.run_one();
  }
  agenda time;
  std::shared_ptr<memory_disk> disk = std::make_shared<memory_disk>();
  std::unique_ptr<sim::sim_engine> e;
};

struct run_result {
  std::vector<int> acknowledged;
  std::size_t kept = 0;
  mono_time ended;
  friend bool operator==(const run_result&, const run_result&) = default;
};
/// Twenty batches in flight, a crash after five acknowledgements.
run_result run_and_crash(std::uint64_t seed) {
  stage on(seed);
  run_result out;
  for (int i = 0; i < 20; ++i) {
    std::vector<operation> batch;
    batch.push_back(create(numbered("k", 100 + i), "v"));
    on.e->commit(std::move(batch), [&out, i](committed_batch) { out.acknowledged.push_back(i); });
  }
  while (out.acknowledged.size() < 5) REQUIRE(on.step());
  on.e->crash();
  on.pump();
  REQUIRE(out.acknowledged.size() == 5);
  on.e = std::make_unique<sim::sim_engine>(on.time, rng(seed), on.disk);
  const auto all = range(on, *on.e, {});
  for (std::size_t i = 0; i < all->records.size(); ++i) REQUIRE(all->records[i].key == numbered("k", 100 + i));
  out.kept = all->records.size();
  out.ended = on.time.now();
  return out;
}
}  // namespace

TEST_CASE("a crash keeps what was acknowledged and an unknown first part of the rest, by seed") {
  std::size_t most = 0, least = 20;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const auto out = run_and_crash(seed);
    CHECK(out.kept >= 5);
    CHECK(out == run_and_crash(seed));
    most = std::max(most, out.kept);
    least = std::min(least, out.kept);
  }
  CHECK(least == 5);
  CHECK(most > 6);
}

TEST_CASE("without a leader writes are unavailable, reads go on, and healing is told") {
  stage on(1);
  commit(on, *on.e, {create("k", "v")});
  int woken = 0;
  on.e->on_news([&woken] { ++woken; });
  on.e->set_fault(sim::fault::leaderless);
  CHECK(on.e->status().now == standing::leaderless);
  CHECK(commit_one(on, *on.e, create("l", "v")).what == outcome::kind::unavailable);
  CHECK(told(range(on, *on.e, {})) == "k=v@1/1 end");
  on.e->set_fault(sim::fault::none);
  CHECK(on.e->status().now == standing::leading);
  CHECK(woken == 2);
  CHECK(commit_one(on, *on.e, create("l", "v")).at == 2);
}

TEST_CASE("an unknown outcome is sometimes applied and sometimes not, and never told") {
  int applied = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    stage on(seed);
    on.e->set_fault(sim::fault::outcome_unknown);
    const auto out = commit(on, *on.e, {create("k", "v")});
    CHECK(out.outcomes.at(0).what == outcome::kind::outcome_unknown);
    CHECK(out.changes.empty());
    applied += on.e->status().keys == 1;
  }
  CHECK(applied > 5);
  CHECK(applied < 25);
}

TEST_CASE("a full simulated disk closes the engine, and its log can be opened again") {
  stage on(1);
  commit(on, *on.e, {create("k", "v")});
  on.e->set_fault(sim::fault::disk_full);
  CHECK(commit_one(on, *on.e, create("l", "v")).what == outcome::kind::unavailable);
  CHECK(on.e->status().now == standing::closed);
  on.e->set_fault(sim::fault::none);
  CHECK(range(on, *on.e, {}).code() == errc::closed);
  on.e = std::make_unique<sim::sim_engine>(on.time, rng(1), on.disk);
  CHECK(told(range(on, *on.e, {})) == "k=v@1/1 end");
}
