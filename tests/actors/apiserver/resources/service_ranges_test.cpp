#include <doctest/doctest.h>

#include <set>

#include "actors/apiserver/resources/service_ranges.hpp"

using namespace troupe;
using namespace troupe::apiserver;

namespace {
service_range_config small() { return {"10.43.0.0/28", 4, 30000, 30002}; }   // .4 to .14 by lot, .1 to .3 by name
allocation_grant good(service_ranges& from, const allocation_plan& plan) {
  auto got = from.reserve(plan, "s");
  if (const auto* why = std::get_if<api_error>(&got)) FAIL(why->message);
  return std::get<allocation_grant>(got);
}
int code(service_ranges& from, const allocation_plan& plan) {
  auto got = from.reserve(plan, "s");
  return std::holds_alternative<api_error>(got) ? std::get<api_error>(got).code : 200;
}
allocation_plan any_ip() {
  allocation_plan out;
  out.needs_ip = true;
  return out;
}
allocation_plan this_ip(std::string ip) {
  allocation_plan out;
  out.claims_ip = std::move(ip);
  return out;
}
}  // namespace

TEST_CASE("every address of the range is given once, none twice, and then the range is full") {
  service_ranges r(small(), rng(1));
  std::set<std::string> given;
  for (int i = 0; i < 11; ++i) given.insert(good(r, any_ip()).ip);
  CHECK(given.size() == 11);
  CHECK(given.contains("10.43.0.4"));
  CHECK(given.contains("10.43.0.14"));
  CHECK(code(r, any_ip()) == 500);
  r.give_back(any_ip(), {"10.43.0.9", {}});
  CHECK(good(r, any_ip()).ip == "10.43.0.9");
}

TEST_CASE("an address asked for by name is given when it is free and in the range") {
  service_ranges r(small(), rng(1));
  good(r, this_ip("10.43.0.1"));
  CHECK(code(r, this_ip("10.43.0.1")) == 422);
  for (const char* text : {"10.43.0.0", "10.43.0.15", "10.43.0.16", "10.42.255.255", "192.0.2.1", "fd00::1", "nonsense", "10.43.0"})
    CHECK_MESSAGE(code(r, this_ip(text)) == 422, text);
  r.give_back(this_ip("10.43.0.1"), {});
  good(r, this_ip("10.43.0.1"));
}

TEST_CASE("node ports are given once, by number or by lot, and never one twice in one Service") {
  service_ranges r(small(), rng(1));
  allocation_plan two;
  two.needs_port = {0, 1};
  two.claims_ports = {30001};
  const auto got = good(r, two);
  CHECK(std::set<int>(got.ports.begin(), got.ports.end()) == std::set<int>{30000, 30002});
  allocation_plan one;
  one.needs_port = {0};
  CHECK(code(r, one) == 500);
  allocation_plan named;
  named.claims_ports = {30001};
  CHECK(code(r, named) == 422);
  r.give_back(two, got);
  CHECK(code(r, named) == 200);
}

TEST_CASE("a node port outside the range is refused") {
  service_ranges r(small(), rng(1));
  for (const int port : {29999, 30003, 80, 0, -1, 65536}) {
    allocation_plan named;
    named.claims_ports = {port};
    CHECK_MESSAGE(code(r, named) == 422, port);
  }
}

TEST_CASE("a refusal reserves nothing") {
  service_ranges r(small(), rng(1));
  allocation_plan three;
  three.needs_ip = true;
  three.claims_ports = {30000};
  three.needs_port = {0, 1, 2};
  CHECK(code(r, three) == 500);
  allocation_plan named;
  named.claims_ports = {30000};
  CHECK(code(r, named) == 200);
  std::set<std::string> given;
  for (int i = 0; i < 11; ++i) given.insert(good(r, any_ip()).ip);
  CHECK(given.size() == 11);
}

TEST_CASE("what stored Services hold is taken until they go") {
  service_ranges r(small(), rng(1));
  const json service{{"spec", {{"type", "NodePort"}, {"clusterIP", "10.43.0.7"}, {"clusterIPs", {"10.43.0.7"}},
                               {"ports", json::array({{{"port", 80}, {"nodePort", 30001}}})}}}};
  r.hold(service);
  allocation_plan named;
  named.claims_ports = {30001};
  CHECK(code(r, this_ip("10.43.0.7")) == 422);
  CHECK(code(r, named) == 422);
  r.release(service);
  CHECK(code(r, this_ip("10.43.0.7")) == 200);
  CHECK(code(r, named) == 200);
  r.hold(json{{"spec", {{"clusterIP", "None"}}}});   // headless: nothing to hold
  CHECK(code(r, any_ip()) == 200);
}
