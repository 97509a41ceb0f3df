#include "actors/election/term.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "basis/rng.hpp"

using namespace troupe;
using namespace troupe::election;

namespace {
constexpr mono_time start{std::chrono::hours(1)};
lease_seen lease(const std::string& holder, const std::string& version, const std::string& renewed = "t0") {
  return {holder, renewed, version, 0, std::chrono::seconds(6)};
}
}  // namespace

TEST_CASE("who sees no lease makes one, who sees nobody's takes it, who sees its own renews it") {
  term mine("me", {});
  CHECK(mine.look(std::nullopt, start) == move::create);
  CHECK(mine.look(lease("", "1"), start) == move::take);
  CHECK(mine.look(lease("me", "2"), start) == move::renew);
}

TEST_CASE("another's lease is taken only when it was not seen to change for its own length, whatever its times say") {
  term mine("me", {});
  // Its renewTime may lie in the past or the future: the other's clock is only compared with itself.
  for (const char* renewed : {"1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z", ""}) {
    mono_time now = start + std::chrono::hours(1);
    const auto seen = lease("other", std::string("v") + renewed, renewed);
    CHECK(mine.look(seen, now) == move::wait);
    CHECK(mine.look(seen, now + 5999ms) == move::wait);
    CHECK(mine.look(seen, now + 6s) == move::take);
  }
  // Any sign of life begins the wait anew, a new version alone too.
  CHECK(mine.look(lease("other", "a"), start) == move::wait);
  CHECK(mine.look(lease("other", "b"), start + 5s) == move::wait);
  CHECK(mine.look(lease("other", "b"), start + 10s) == move::wait);
  CHECK(mine.look(lease("third", "b"), start + 10s) == move::wait);
  CHECK(mine.look(lease("third", "b"), start + 15s) == move::wait);
  CHECK(mine.look(lease("third", "b"), start + 16s) == move::take);
}

TEST_CASE("a lease that says a length of nothing, or a negative one, still gets one retry of time") {
  for (const auto length : {0s, -100s}) {
    term mine("me", {});
    auto seen = lease("other", "1");
    seen.length = length;
    CHECK(mine.look(seen, start) == move::wait);
    CHECK(mine.look(seen, start + 999ms) == move::wait);
    CHECK(mine.look(seen, start + 1s) == move::take);
  }
}

TEST_CASE("a term ends by its own clock, counted from when its renewal was sent") {
  term mine("me", {});
  CHECK_FALSE(mine.overdue(start + std::chrono::hours(9)));   // none, so it cannot be
  CHECK(mine.won(start, start + 1s));
  CHECK_FALSE(mine.won(start + 1s, start + 2s));              // it goes on, it does not begin
  CHECK_FALSE(mine.overdue(start + 4999ms));
  CHECK(mine.held());
  CHECK(mine.overdue(start + 5s));
  CHECK_FALSE(mine.held());
  CHECK_FALSE(mine.overdue(start + 6s));                      // told once
}

TEST_CASE("an answer that was under way for too long begins no term and prolongs none") {
  term mine("me", {});
  CHECK_FALSE(mine.won(start, start + 4s));
  CHECK_FALSE(mine.held());
  CHECK(mine.won(start, start + 3999ms));
  CHECK_FALSE(mine.won(start + 3s, start + 8s));
  CHECK(mine.overdue(start + 4s));
}

TEST_CASE("who is told that another holds the lease has lost its term, once") {
  term mine("me", {});
  CHECK_FALSE(mine.lost());
  CHECK(mine.won(start, start));
  CHECK(mine.lost());
  CHECK_FALSE(mine.lost());
  CHECK(mine.won(start + 1s, start + 1s));
}

namespace {
/// A candidate as candidate.cpp is one, with a clock of its own and a slow, lossy way to one lease.
struct player {
  term mine;
  duration skew;               // of its monotonic clock's zero: only differences count
  mono_time next{}, answer_at{}, sent{};
  bool waits = false, writes = false, lands = false;
  std::optional<lease_seen> read{};
  move what = move::wait;
};
}  // namespace

TEST_CASE("of candidates whose requests are late, lost or done unseen never two hold a term, and one mostly does") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    rng dice(seed);
    std::optional<lease_seen> stored;
    std::uint64_t versions = 0;
    std::vector<player> all;
    for (int i = 0; i < 3; ++i) all.push_back({term(std::to_string(i), {}), std::chrono::seconds(dice.below(100'000)), start + std::chrono::milliseconds(dice.below(1000))});
    int led = 0, total = 0;
    for (mono_time now = start; now < start + std::chrono::minutes(2); now += 10ms) {
      for (auto& p : all) {
        const auto own = now + p.skew;
        if (now >= p.next) {   // the tick
          p.next = now + 1s + std::chrono::milliseconds(dice.below(200));
          (void)p.mine.overdue(own);
          if (!p.waits) {
            p.waits = true;
            p.writes = false;
            p.read = stored;   // read now, heard later
            p.answer_at = now + std::chrono::milliseconds(dice.chance(90) ? dice.below(100) : dice.below(5000));
          }
        }
        if (!p.waits || now < p.answer_at) continue;
        if (p.writes) {
          p.waits = false;
          if (p.lands && dice.chance(90)) (void)p.mine.won(p.sent, own);   // or its answer was lost
          continue;
        }
        p.what = p.mine.look(p.read, own);
        if (p.read && p.read->holder != std::to_string(&p - all.data())) (void)p.mine.lost();
        if (p.what == move::wait || dice.chance(5)) {
          p.waits = false;
          continue;
        }
        const bool still = stored.has_value() == p.read.has_value() && (!stored || stored->version == p.read->version);
        p.lands = still && dice.chance(95);
        if (p.lands) stored = lease(std::to_string(&p - all.data()), std::to_string(++versions), std::to_string(dice.below(5)));
        p.sent = own;
        p.writes = true;
        p.answer_at = now + std::chrono::milliseconds(dice.chance(90) ? dice.below(100) : dice.below(6000));
      }
      const auto holders = std::count_if(all.begin(), all.end(), [](const player& p) { return p.mine.held(); });
      REQUIRE_MESSAGE(holders <= 1, seed);
      led += holders == 1;
      ++total;
    }
    CHECK_MESSAGE(led * 2 > total, seed);
  }
}
