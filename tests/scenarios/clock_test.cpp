// Machines whose clocks are wrong, in virtual time: what they say, what they wait for, and that they go on by themselves.
#include <doctest/doctest.h>

#include "actors/membership/joiner.hpp"
#include "actors/runtime/spawn.hpp"
#include "tests/harness/cluster.hpp"

using namespace troupe;
using harness::cluster;

namespace {

constexpr duration day = std::chrono::hours(24);

struct play {
  explicit play(std::uint64_t seed, duration ahead) : c(seed) {
    c.add_server("server", cluster::server_address);
    c.add_agent("agent", "10.0.1.1", "node-1");
    c.start("server");
    CHECK(c.run().run_until([&] { return c["server"].ready; }, std::chrono::minutes(1)));
    c["agent"].on->set_skew(ahead);
    c.start("agent");
  }
  bool ready(duration within = std::chrono::minutes(2)) {
    return c.run().run_until([&] { return c["agent"].ready; }, within);
  }
  cluster c;
};

bool has(const std::vector<std::string>& lines, const std::string& part) {
  for (const auto& line : lines)
    if (line.find(part) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("an agent whose clock is years ahead or behind names both clocks, waits, and joins by itself once it is right") {
  for (const auto ahead : {3 * 365 * day, -3 * 365 * day, 40 * 365 * day}) {
    CAPTURE(ahead / day);
    play p(1, ahead);
    CHECK_FALSE(p.ready());
    CHECK(p.c["agent"].refused.empty());
    CHECK(p.c["agent"].running);
    const auto missed = p.c.said("registration.server_missed");
    CHECK(has(missed, "this machine's clock shows "));
    CHECK(has(missed, ", the server's "));
    CHECK(p.c.said("registration.clocks_differ").size() == 1);   // once, however often it is tried
    p.c["agent"].on->set_skew(duration(0));
    CHECK(p.ready());
    CHECK(p.c.said("registration.clocks_agree").size() == 1);
  }
}

TEST_CASE("a clock that is wrong by less than certificates last is named, and the agent works") {
  for (const auto ahead : {60 * day, 5 * std::chrono::duration_cast<duration>(std::chrono::minutes(1))}) {
    play p(2, ahead);
    CHECK(p.ready());
    CHECK(p.c.said("registration.clocks_differ").size() == 1);
  }
  play right(2, std::chrono::seconds(20));
  CHECK(right.ready());
  CHECK(right.c.said("registration.clocks_differ").empty());
}

TEST_CASE("the server that leads names a node whose clock has gone wrong, once, and that it is right again") {
  play p(3, duration(0));
  REQUIRE(p.ready());
  p.c.run().run_for(std::chrono::minutes(2));
  CHECK(p.c.said("controllers.clocks_differ").empty());
  p.c["agent"].on->set_skew(10 * day);
  p.c.run().run_for(std::chrono::minutes(3));
  const auto said = p.c.said("controllers.clocks_differ");
  REQUIRE(said.size() == 1);
  CHECK(said.front().find("node=node-1") != std::string::npos);
  p.c["agent"].on->set_skew(duration(0));
  p.c.run().run_for(std::chrono::minutes(3));
  CHECK(p.c.said("controllers.clocks_differ").size() == 1);
  CHECK(p.c.said("controllers.clocks_agree").size() == 1);
}

TEST_CASE("a server that would join waits while its clock is half an hour from the cluster's, names both, and goes on once it is right") {
  for (const duration ahead : {day, -day / 24, 3 * 365 * day}) {
    CAPTURE(ahead / std::chrono::seconds(1));
    play p(4, duration(0));
    REQUIRE(p.ready());
    p.c["agent"].on->set_skew(ahead);
    membership::joiner_config with;
    with.at = {cluster::server_address, 6443};
    with.token = secret_text(cluster::password);
    const auto joiner = membership::make_joiner(*p.c["agent"].world, std::move(with), membership::owner_actor{});
    rt::post(joiner, membership::start_joining{});
    p.c.run().run_for(std::chrono::minutes(1));
    const auto missed = p.c.said("membership.server_missed");
    CHECK(has(missed, "this machine's clock shows "));
    CHECK(has(missed, ", the server's "));
    CHECK_FALSE(has(missed, "it answered 503"));
    p.c["agent"].on->set_skew(std::chrono::minutes(29));
    p.c.run().run_for(std::chrono::minutes(1));
    CHECK(has(p.c.said("membership.server_missed"), "it answered 503"));   // it is asked for the cluster's files, which this one keeps for itself
    rt::end(joiner);
    p.c.run().run_for(std::chrono::seconds(1));
  }
}
