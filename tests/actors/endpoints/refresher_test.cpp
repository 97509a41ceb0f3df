#include "actors/endpoints/refresher.hpp"

#include <doctest/doctest.h>

#include "net/sim/network.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using endpoints::kept_servers;
using endpoints::servers_in;

TEST_CASE("the servers of an Endpoints object are taken in order, each once, and nonsense is left out") {
  const auto object = *parse_json(R"({"subsets":[
    {"addresses":[{"ip":"10.0.0.2"},{"ip":"10.0.0.1"},{"ip":"no address"},{}],"ports":[{"name":"https","port":6443}]},
    {"addresses":[{"ip":"10.0.0.2"}],"ports":[{"port":6443},{"port":70000},{"port":"6443"},{"port":-1}]},
    {"addresses":null,"ports":[{"port":1}]}, 7]})");
  CHECK(servers_in(object) == std::vector<endpoint>{{"10.0.0.2", 6443}, {"10.0.0.1", 6443}});
  for (const char* text : {"{}", "[]", "7", R"({"subsets":{}})", R"({"subsets":[{"addresses":[{"ip":"10.0.0.1"}]}]})"})
    CHECK(servers_in(*parse_json(text)).empty());
}

TEST_CASE("kept servers are those of the same first server, and a damaged file is as good as none") {
  testing::stage on;
  auto network = net::sim::make_network(on.run.plan(), rng(1), *parse_rfc3339("2026-01-01T00:00:00Z"));
  auto& files = network->add("agent", {"10.0.0.8"}).disk();
  const endpoint first{"10.0.0.1", 6443};
  CHECK(kept_servers(files, "/state", first).empty());
  REQUIRE(files.write("/state", R"({"ServerURL":"https://10.0.0.1:6443","ServerAddresses":["10.0.0.2:6443","10.0.0.3", "::::", 7]})", 0600).ok());
  CHECK(kept_servers(files, "/state", first) == std::vector<endpoint>{{"10.0.0.2", 6443}, {"10.0.0.3", 6443}});
  CHECK(kept_servers(files, "/state", {"10.0.0.9", 6443}).empty());
  for (const char* text : {"", "{", "[]", R"({"ServerURL":7})", R"({"ServerURL":"https://10.0.0.1:6443","ServerAddresses":"x"})"}) {
    REQUIRE(files.write("/state", text, 0600).ok());
    CHECK(kept_servers(files, "/state", first).empty());
  }
}
