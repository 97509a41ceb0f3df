#include "actors/connection/health.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using connection::health;
using connection::probe_config;
using connection::verdict;

TEST_CASE("a silent server is lost after so many failures in a row, and one answer brings it back") {
  for (unsigned most = 1; most <= 3; ++most) {
    probe_config with;
    with.failures_max = most;
    health h(with);
    CHECK(h.missed() == verdict::lost);   // never heard of
    CHECK(h.answered(true) == verdict::ready);
    for (unsigned i = 1; i < most; ++i) CHECK(h.missed() == verdict::ready);
    CHECK(h.missed() == verdict::lost);
    CHECK(h.answered(false) == verdict::unready);
    for (unsigned i = 1; i < most; ++i) CHECK(h.missed() == verdict::unready);
    CHECK(h.answered(true) == verdict::ready);
  }
}

TEST_CASE("a server in use is probed so often that its silence is noticed in time, whatever is drawn") {
  const probe_config with;
  rng dice(7);
  health h(with);
  h.answered(true);
  for (int i = 0; i < 1000; ++i) {
    const auto wait = h.wait(true, dice);
    CHECK(wait > duration::zero());
    CHECK(wait + with.deadline < connection::left_within);
    CHECK(h.wait(false, dice) > wait);   // one that carries nothing costs less
  }
}

TEST_CASE("a lost server is asked less and less often, up to a limit, and never not at all") {
  const probe_config with;
  rng dice(3);
  health h(with);
  duration before{};
  for (int i = 0; i < 100; ++i) {
    h.missed();
    const auto wait = h.wait(true, dice);
    CHECK(wait <= with.lost_max * (100 + with.jitter_percent) / 100);
    CHECK(wait > duration::zero());
    if (i == 0) before = wait;
  }
  CHECK(h.wait(true, dice) > before);
}

TEST_CASE("a deadline that fires late is our own fault") {
  const health h(probe_config{});
  CHECK(h.is_its_fault(duration::zero()));
  CHECK(!h.is_its_fault(std::chrono::seconds(2)));
}

TEST_CASE("probes that make no sense are refused in words") {
  CHECK(connection::problem({}).empty());
  probe_config with;
  with.failures_max = 0;
  CHECK(!connection::problem(with).empty());
  with = {};
  with.every = duration::zero();
  CHECK(!connection::problem(with).empty());
}
