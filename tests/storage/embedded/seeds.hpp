// Tests of chance with as many seeds as whoever runs them has time for; and a disk that turns bad while many write.
//
//   TROUPE_SEED=n  plays that one seed;  TROUPE_DISK_SEEDS=n  as many, from 1; else the one that is given. Not TROUPE_SEEDS:
//   what is cheap in virtual time waits for a real disk here.
#pragma once
#include <doctest/doctest.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "basis/rng.hpp"
#include "tests/storage/embedded/writer.hpp"
#include "tests/storage/rig.hpp"

namespace troupe::storage::testing {

/// `program` and `name` are how the test is called alone, for who repeats a seed that fails.
inline void over_seeds(const std::string& program, const std::string& name, std::uint64_t usual, const std::function<void(std::uint64_t)>& play) {
  const auto number = [](const char* text) { return std::strtoull(text, nullptr, 10); };
  const char *one = std::getenv("TROUPE_SEED"), *many = std::getenv("TROUPE_DISK_SEEDS");
  const std::uint64_t first = one ? number(one) : many ? 1 : usual, count = one || !many ? 1 : number(many);
  for (auto seed = first; seed < first + count; ++seed) {
    INFO("repeat with: TROUPE_SEED=" << seed << " build/tests/storage/" << program << " -tc='" << name << "'");
    play(seed);
  }
  if (many) MESSAGE(count << " seeds, " << name);
}

/// One engine's way of having a bad disk.
struct bad_disk {
  rig* on = nullptr;
  std::function<std::unique_ptr<engine>()> open;
  std::function<void(rng&)> turn_bad;      ///< Full, or a file that does not sync: drawn. Called on the engine's thread.
  std::function<void()> mend;
  std::function<void(rng)> lose_power;     ///< While it opens; the engine is gone before and after.
};

/// Sixteen writers, and the disk turns bad after a number of acknowledgements that is drawn. The engine closes; what was
/// acknowledged is there afterwards, also when the power goes before anything else is synced; and it can be written again.
inline void play_bad_disk(const bad_disk& disk, std::uint64_t seed) {
  constexpr std::uint64_t rounds = 6;
  rng chance(seed);
  std::map<std::uint64_t, revision> acknowledged;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    auto e = disk.open();
    std::mutex guard;
    auto dice = chance.fork("bad" + std::to_string(round));
    std::uint64_t left = 1 + chance.below(300);
    answer<int> fell;
    e->on_news([take = fell.take()] { take(0); });
    steady_writer writer(*e, round * 1'000'000, [&](std::uint64_t number, revision at) {
      const std::lock_guard hold(guard);
      acknowledged[number] = at;
      if (left > 0 && --left == 0) disk.turn_bad(dice);
    });
    for (int i = 0; i < 16; ++i) writer.next();
    fell.get(*disk.on);
    CHECK(e->status().now == standing::closed);
    e.reset();
    disk.mend();
    if (chance.chance(50)) disk.lose_power(chance.fork("power" + std::to_string(round)));
    e = disk.open();
    const auto all = range(*disk.on, *e, {});
    REQUIRE(all.ok());
    std::map<std::string, revision> kept;
    for (const auto& one : all->records) kept[one.key] = one.modified;
    for (const auto& [number, at] : acknowledged) REQUIRE(kept[writer_key(number)] == at);
    REQUIRE(commit_one(*disk.on, *e, create(numbered("/after/", round), "x")).what == outcome::kind::committed);
    REQUIRE(verify(*disk.on, *e).ok());
  }
  CHECK(acknowledged.size() >= rounds);
}

}  // namespace troupe::storage::testing
