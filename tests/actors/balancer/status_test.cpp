#include "actors/balancer/status.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::balancer;

namespace {
const wall_time noon = *parse_rfc3339("2026-11-22T12:00:00Z");

json notices() {
  roster r({"10.0.0.1", 6443}, {"node"}, mono_time{} + 1h);
  r.replace({{"10.0.0.1", 6443}, {"10.0.0.2", 6443}}, 3, mono_time{} + 1h);
  r.lost({"10.0.0.2", 6443}, mono_time{} + 2h, "no answer within 700 ms");
  r.recovered({"10.0.0.1", 6443}, mono_time{} + 2h);
  link_facts facts;
  facts.now = noon;
  facts.listeners = {{"127.0.0.1", 6444}, {"127.0.0.1", 6443}};
  for (const auto& row : r.rows()) facts.servers.push_back({row, noon - 1min, row.at.host == "10.0.0.1" ? duration(1'234'000) : duration(), 7});
  return {{"balancer", render_link(r, facts)}, {"tunnels", render_tunnels(noon, {{{"10.0.0.1", 6443}, true, noon - 2min, ""}, {{"10.0.0.2", 6443}, false, noon, "refused"}})}};
}
}  // namespace

TEST_CASE("the table names states, connections, latency, tunnels, errors and the reason") {
  const auto table = status_table(notices(), noon);
  REQUIRE(table.ok());
  CHECK(table->find("load balancer on 127.0.0.1:6444, 127.0.0.1:6443; list of servers 3") == 0);
  CHECK(table->find("*  10.0.0.1:6443  ready  2026-11-22T11:59:00Z  7            1.23      up      2026-11-22T11:58:00Z") != std::string::npos);
  CHECK(table->find("10.0.0.2:6443  lost") != std::string::npos);
  CHECK(table->find("no answer within 700 ms") != std::string::npos);
  CHECK(table->find("* is used: ") != std::string::npos);
}

TEST_CASE("an old snapshot is shown with its age, because the node is stuck") {
  CHECK(status_table(notices(), noon + 2s)->find("does not go on") == std::string::npos);
  CHECK(status_table(notices(), noon + 1min)->find("This was told 60 s ago") == 0);
}

TEST_CASE("a server's own agent has tunnels and no balancer; what is no status is refused") {
  auto only = notices();
  only.erase("balancer");
  CHECK(status_table(only, noon)->find("no load balancer") != std::string::npos);
  for (const char* text : {"{}", "[]", "7", R"({"balancer":{}})", R"({"balancer":{"servers":7}})"}) CHECK(!status_table(*parse_json(text), noon).ok());
  for (const char* text : {R"({"balancer":{"servers":[7,{}]}})", R"({"tunnels":{"tunnels":[1,{"up":"x"}]}})"}) CHECK(status_table(*parse_json(text), noon).ok());
}
