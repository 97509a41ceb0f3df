// A server that has no tunnel to a node reaches it through another server that has one. Three servers over one store, an
// agent, and no road between the agent and one of the servers: cut after the tunnel stood, or never there.
//
//   TROUPE_SEED=n     runs that one seed;  TROUPE_SEEDS=n  as many (default 20)
#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/harness/cluster.hpp"

using namespace troupe;
using harness::cluster;

namespace {

constexpr duration patience = std::chrono::minutes(4);

struct answered {
  int status = 0;
  std::string body;
};

client::api_call get(const std::string& path) {
  client::api_call out;
  out.method = "GET";
  out.path = path;
  return out;
}

/// One request, and what came of it; status 0 when the server died on it.
answered ask(cluster& c, const std::string& server, const std::string& path) {
  auto got = std::make_shared<std::optional<answered>>();
  c.call(server, get(path), [got](const client::api_answer* a) { got->emplace(a ? answered{a->status, a->body} : answered{}); });
  REQUIRE(c.run().run_until([&] { return got->has_value(); }, patience));
  return **got;
}

/// Asks anew until the status is `wanted`; the last answer.
answered insist(cluster& c, const std::string& server, const std::string& path, int wanted) {
  answered last;
  const auto end = c.run().now() + patience;
  while (c.run().now() < end && (last = ask(c, server, path)).status != wanted) c.run().run_for(std::chrono::milliseconds(300));
  return last;
}

void stand_up(cluster& c, bool cut_before) {
  c.share_store();
  for (const char* s : {"s1", "s2", "s3"}) c.add_server(s, std::string("10.0.0.") + s[1]);
  c.add_agent("a1", "10.0.1.1", "node-1", "10.0.0.1");
  for (const char* s : {"s1", "s2", "s3"}) {
    c.start(s);
    REQUIRE(c.run().run_until([&] { return c[s].ready; }, patience));
  }
  if (cut_before) c.net().partition("a1", "s2");
  c.start("a1");
  REQUIRE(c.run().run_until([&] { return c["a1"].ready; }, patience));
}

const std::string healthz = "/api/v1/nodes/node-1/proxy/healthz";

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("a server without a tunnel to a node reaches it through one that has it, under every seed") {
  const auto first = number_from("TROUPE_SEED", 1);
  const auto count = std::getenv("TROUPE_SEED") ? 1 : number_from("TROUPE_SEEDS", 20);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    INFO("repeat with: TROUPE_SEED=" << seed << " build/tests/scenarios/scenario_tests -tc='a server without*'");
    cluster c(seed);
    const bool cut_before = seed % 2 == 0;
    stand_up(c, cut_before);
    for (const char* s : {"s1", "s3"}) REQUIRE(insist(c, s, healthz, 200).body == "ok");
    if (!cut_before) {
      REQUIRE(insist(c, "s2", healthz, 200).body == "ok");
      c.net().partition("a1", "s2");
      c.run().run_for(std::chrono::milliseconds(c.dice().below(20'000)));
    }
    const auto through_another = insist(c, "s2", healthz, 200);
    CHECK_MESSAGE(through_another.body == "ok", through_another.status << " " << through_another.body);
    // Nobody has one: each says which node, since when, and what the others said.
    c.crash("a1", net::sim::loss::reset);
    c.run().run_for(std::chrono::seconds(30));
    const auto nobody = ask(c, "s2", healthz);
    CHECK(nobody.status == 503);
    CHECK_MESSAGE(nobody.body.find("no tunnel to node node-1") != std::string::npos, nobody.body);
    CHECK_MESSAGE(nobody.body.find("; other servers: 10.0.0.") != std::string::npos, nobody.body);
    CHECK_MESSAGE(nobody.body.find(": no tunnel to node node-1: gone since ") != std::string::npos, nobody.body);
    // And when the road is there again, so is its own tunnel.
    c.net().heal();
    c.start("a1");
    CHECK(insist(c, "s2", healthz, 200).body == "ok");
  }
}
