#include <doctest/doctest.h>

#include "actors/service_proxy/table.hpp"
#include "basis/rng.hpp"
#include "net/sim/node/filter.hpp"
#include "tests/actors/service_proxy/support.hpp"

using namespace troupe;
using namespace troupe::service_proxy;
using testing::service_json;
using testing::slice_json;

namespace {
const node_facts here{"n1", "10.42.0.0/16", {}};

/// A service with anything that a Service may have.
served draw(rng& dice, const std::string& key) {
  json more{{"metadata", {{"name", key.substr(2)}}}};
  if (dice.chance(30)) more["spec"]["sessionAffinity"] = "ClientIP";
  if (dice.chance(30)) more["spec"]["internalTrafficPolicy"] = "Local";
  if (dice.chance(50)) more["spec"]["externalTrafficPolicy"] = dice.chance(50) ? "Local" : "Cluster";
  if (dice.chance(30)) more["spec"]["externalIPs"] = json::array({"192.0.2." + std::to_string(dice.below(3))});
  if (dice.chance(30)) {
    more["spec"]["type"] = "LoadBalancer";
    more["status"]["loadBalancer"]["ingress"] = json::array({{{"ip", "198.51.100." + std::to_string(dice.below(3))}}});
    if (dice.chance(50)) more["spec"]["loadBalancerSourceRanges"] = json::array({"203.0.113.0/24", "10.0.0.0/8"});
  }
  std::vector<testing::backend_of> some;
  for (auto left = dice.below(5); left > 0; --left) some.push_back({"10.42.0." + std::to_string(1 + dice.below(6)), dice.chance(50) ? "n1" : "n2"});
  const std::string protocol = dice.chance(50) ? "UDP" : "TCP";
  json port{{"port", 80 + dice.below(2)}, {"protocol", protocol}};
  if (dice.chance(40)) port["nodePort"] = 30000 + dice.below(3);
  return serve(service_json("10.43.0." + std::to_string(1 + dice.below(4)), more, json::array({port})), {slice_json(some, 8080, protocol)}, here);
}
/// What is there beside lots that nobody needs just now, which stay.
net::sim::filter_twin::contents essential(net::sim::filter_twin::contents all) {
  std::erase_if(all, [](const auto& e) {
    const auto& k = e.first;
    return k.starts_with("element written") || k.find("_strangers_") != std::string::npos || k.find("_everybody_") != std::string::npos || k.find("_nobody_") != std::string::npos ||
           k.find("_slot_") != std::string::npos || (k.starts_with("set ") && k.find("_targets_") != std::string::npos);
  });
  return all;
}
}  // namespace

TEST_CASE("by whatever way services came, the kernel ends with the same rules") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    rng dice(seed);
    table kept(here);
    net::sim::filter_twin kernel;
    std::map<std::string, served> wanted;
    REQUIRE(kernel.apply(kept.whole(7)).ok());
    for (int turn = 0; turn < 30; ++turn) {
      for (auto some = 1 + dice.below(3); some > 0; --some) {
        const auto key = "d/s" + std::to_string(dice.below(6));
        wanted[key] = dice.chance(25) ? served{} : draw(dice, key);
        kept.set(key, wanted[key]);
      }
      const auto text = kept.changes();
      const auto done = kernel.apply(text);
      REQUIRE_MESSAGE(done.ok(), done.why().note, "\n", text);
    }
    table fresh(here);
    for (const auto& [key, s] : wanted) fresh.set(key, s);
    net::sim::filter_twin other;
    REQUIRE(other.apply(fresh.whole(9)).ok());
    CHECK(essential(kernel.tables().at("troupe")) == essential(other.tables().at("troupe")));
    // And the whole table, written over what is there, is the same again.
    REQUIRE(kernel.apply(kept.whole(8)).ok());
    CHECK(essential(kernel.tables().at("troupe")) == essential(other.tables().at("troupe")));
    CHECK(kept.changes().empty());
  }
}

TEST_CASE("one changed endpoint is a few elements, however many services there are") {
  table kept(here);
  for (int i = 0; i < 300; ++i)
    kept.set("d/s" + std::to_string(i), serve(service_json("10.43." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1)), {slice_json({{"10.42.0.1"}, {"10.42.0.2"}})}, here));
  (void)kept.whole(1);
  kept.set("d/s7", serve(service_json("10.43.0.8"), {slice_json({{"10.42.0.1"}, {"10.42.0.3"}})}, here));
  CHECK(kept.changes() ==
        "delete element ip troupe address_targets_1 { 10.43.0.8 . tcp . 80 }\n"
        "add element ip troupe address_targets_1 { 10.43.0.8 . tcp . 80 : 10.42.0.3 . 8080 }\n"
        "add element ip troupe hairpins { 10.42.0.3 . 10.42.0.3 }\n");
}

TEST_CASE("the same again is no change") {
  table kept(here);
  const auto one = serve(service_json(), {slice_json({{"10.42.0.1"}})}, here);
  kept.set("d/web", one);
  (void)kept.whole(1);
  kept.set("d/web", one);
  CHECK(kept.changes().empty());
  kept.set("d/web", {});
  kept.set("d/web", one);
  CHECK(kept.changes().empty());
}

TEST_CASE("of two services that want one address the first by name has it, and the other after it") {
  table kept(here);
  net::sim::filter_twin kernel;
  const auto front = [](const char* target) { return serve(service_json("10.43.0.7"), {slice_json({{target, "n2"}})}, here); };
  kept.set("d/b", front("10.42.0.2"));
  REQUIRE(kernel.apply(kept.whole(1)).ok());
  const auto target = [&] { return kernel.tables().at("troupe").at("element address_targets_0 10.43.0.7 . tcp . 80"); };
  CHECK(target() == "10.42.0.2 . 8080");
  kept.set("d/a", front("10.42.0.1"));
  REQUIRE(kernel.apply(kept.changes()).ok());
  CHECK(target() == "10.42.0.1 . 8080");
  kept.set("d/a", {});
  REQUIRE(kernel.apply(kept.changes()).ok());
  CHECK(target() == "10.42.0.2 . 8080");
}

TEST_CASE("UDP targets that go, and addresses that somebody begins to answer, are told once") {
  table kept(here);
  const auto udp = json::array({{{"port", 53}, {"protocol", "UDP"}}});
  kept.set("d/dns", serve(service_json("10.43.0.10", json::object(), udp), {}, here));
  CHECK(kept.take_found_udp().empty());
  kept.set("d/dns", serve(service_json("10.43.0.10", json::object(), udp), {slice_json({{"10.42.0.1"}, {"10.42.0.2"}}, 5353, "UDP")}, here));
  CHECK(kept.take_found_udp() == std::set<endpoint>{{"10.43.0.10", 53}});
  CHECK(kept.take_lost_udp().empty());
  kept.set("d/dns", serve(service_json("10.43.0.10", json::object(), udp), {slice_json({{"10.42.0.2"}}, 5353, "UDP")}, here));
  CHECK(kept.take_lost_udp() == std::set<endpoint>{{"10.42.0.1", 5353}});
  CHECK(kept.take_lost_udp().empty());
  kept.set("d/web", serve(service_json(), {slice_json({{"10.42.0.1"}})}, here));
  kept.set("d/web", {});
  CHECK(kept.take_lost_udp().empty());
}
