#include <doctest/doctest.h>

#include "actors/controllers/node_ipam/node_ipam.hpp"
#include "actors/controllers/node_ipam/pool.hpp"
#include "actors/controllers/service_lb/addresses.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::controllers;

TEST_CASE("networks are read as they are written") {
  CHECK(to_string(*parse_network4("10.42.0.0/16")) == "10.42.0.0/16");
  CHECK(to_string(*parse_network4("0.0.0.0/0")) == "0.0.0.0/0");
  CHECK(to_string(*parse_network4("1.2.3.4/32")) == "1.2.3.4/32");
  for (const char* bad : {"", "10.42.0.0", "10.42.0.0/", "10.42.0.0/33", "10.42.0/16", "10.42.0.0.0/16", "10.42.0.256/16", "10.42.0.1/16", "a/16", "10.42.0.0/1x", "10.42..0/16", "fd00::/8"})
    CHECK(!parse_network4(bad).ok());
}

TEST_CASE("every node gets a piece of its own, and a freed one is given last") {
  cidr_pool pool(*parse_network4("10.42.0.0/22"));
  CHECK(to_string(*pool.allocate("a")) == "10.42.0.0/24");
  CHECK(to_string(*pool.allocate("a")) == "10.42.0.0/24");
  CHECK(to_string(*pool.allocate("b")) == "10.42.1.0/24");
  pool.free("a");
  CHECK(to_string(*pool.allocate("c")) == "10.42.2.0/24");
  CHECK(to_string(*pool.allocate("d")) == "10.42.3.0/24");
  CHECK(to_string(*pool.allocate("e")) == "10.42.0.0/24");
  CHECK(!pool.allocate("f"));
  pool.free("c");
  CHECK(to_string(*pool.allocate("f")) == "10.42.2.0/24");
}

TEST_CASE("what nodes have already is not given again") {
  cidr_pool pool(*parse_network4("10.42.0.0/22"));
  CHECK(pool.occupy("a", "10.42.0.0/24"));
  CHECK(pool.occupy("a", "10.42.0.0/24"));
  CHECK(!pool.occupy("b", "10.42.0.0/24"));
  CHECK(!pool.occupy("b", "10.50.0.0/24"));
  CHECK(!pool.occupy("b", "10.42.0.0/16"));
  CHECK(!pool.occupy("b", "nonsense"));
  CHECK(to_string(*pool.allocate("b")) == "10.42.1.0/24");
  // Somebody else's write has won: the piece given in thought is free again.
  CHECK(pool.occupy("b", "10.42.3.0/24"));
  CHECK(to_string(*pool.allocate("c")) == "10.42.2.0/24");
  CHECK(to_string(*pool.allocate("d")) == "10.42.1.0/24");
}

TEST_CASE("a cluster's network of one piece or less is one node's") {
  cidr_pool one(*parse_network4("10.42.7.0/24")), small(*parse_network4("10.42.7.128/25"));
  CHECK(to_string(*one.allocate("a")) == "10.42.7.0/24");
  CHECK(!one.allocate("b"));
  CHECK(to_string(*small.allocate("a")) == "10.42.7.128/25");
}

TEST_CASE("nodes are given their networks when all nodes are known, also after a lost write") {
  testing::stage on;
  auto script = std::make_shared<testing::api_script>();
  int lost = 1;
  std::vector<std::string> patches;
  script->on_call = [&](const client::api_call& ask) -> testing::api_script::reply {
    if (ask.method == "GET")
      return client::api_answer{200, to_text({{"metadata", {{"resourceVersion", "1"}}}, {"items", json::array({{{"metadata", {{"name", "new"}}}},
                                             {{"metadata", {{"name", "old"}}}, {"spec", {{"podCIDR", "10.42.0.0/24"}}}}})}})};
    patches.push_back(ask.path + " " + text_or(dig(*parse_json(ask.body), "spec", "podCIDR")));
    if (lost-- > 0) return result<client::api_answer>(errc::timeout, "lost");
    return client::api_answer{200, "{}"};
  };
  const auto controller = on.show(make_node_ipam(on.world, {}, testing::make_fake_api(on, script)));
  on.run.run_for(5s);
  REQUIRE(patches.size() == 2);
  CHECK(patches[0] == "/api/v1/nodes/new 10.42.1.0/24");
  CHECK(patches[1] == patches[0]);
}

namespace {
std::shared_ptr<const json> node(const std::string& name, const std::string& ip, bool ready = true, json labels = json::object(), const std::string& outside = "") {
  json out{{"metadata", {{"name", name}, {"labels", std::move(labels)}}},
           {"status", {{"addresses", json::array({{{"type", "InternalIP"}, {"address", ip}}})}, {"conditions", json::array({{{"type", "Ready"}, {"status", ready ? "True" : "Unknown"}}})}}}};
  if (!outside.empty()) out["status"]["addresses"].push_back({{"type", "ExternalIP"}, {"address", outside}});
  return std::make_shared<const json>(std::move(out));
}
std::shared_ptr<const json> service(const std::string& at, int port, json more = json::object()) {
  json out{{"metadata", {{"creationTimestamp", at}}}, {"spec", {{"type", "LoadBalancer"}, {"ports", json::array({{{"port", port}, {"protocol", "TCP"}}})}}}};
  out.merge_patch(more);
  return std::make_shared<const json>(std::move(out));
}
std::string ips(const balanced& of) {
  std::string out;
  for (const auto& i : of.ingress) out += (out.empty() ? "" : " ") + text_or(i["ip"]);
  return out;
}
const object_map two{{"n1", node("n1", "10.0.0.1")}, {"n2", node("n2", "10.0.0.2")}};
}  // namespace

TEST_CASE("a load balancer is the ready nodes") {
  auto nodes = two;
  nodes["n3"] = node("n3", "10.0.0.3", false);
  const auto got = balance({{"d/web", service("1", 80)}, {"d/inner", service("1", 81, {{"spec", {{"type", "ClusterIP"}}}})}}, nodes, {}, {});
  CHECK(got.size() == 1);
  CHECK(ips(got.at("d/web")) == "10.0.0.1 10.0.0.2");
}

TEST_CASE("with a local policy only nodes with ready endpoints are named") {
  const auto got = balance({{"d/web", service("1", 80, {{"spec", {{"externalTrafficPolicy", "Local"}}}})}, {"d/none", service("2", 81, {{"spec", {{"externalTrafficPolicy", "Local"}}}})}},
                           two, {{"d/web", {"n2"}}}, {});
  CHECK(ips(got.at("d/web")) == "10.0.0.2");
  CHECK(ips(got.at("d/none")).empty());
  const auto slice = std::make_shared<const json>(json{{"endpoints", json::array({{{"nodeName", "a"}, {"conditions", {{"ready", false}}}}, {{"nodeName", "b"}}, {{"nodeName", "c"}, {"conditions", {{"ready", true}}}}})}});
  CHECK(nodes_with_endpoints({slice}) == std::set<std::string>{"b", "c"});
}

TEST_CASE("of two services that want one port the older has it") {
  const auto got = balance({{"d/a", service("2026-11-22T12:00:01Z", 80)}, {"d/b", service("2026-11-22T12:00:00Z", 80)}, {"d/c", service("2026-11-22T12:00:02Z", 6443)}}, two, {}, {6443});
  CHECK(ips(got.at("d/b")) == "10.0.0.1 10.0.0.2");
  CHECK(ips(got.at("d/a")).empty());
  CHECK(got.at("d/a").blocked_by == "d/b");
  CHECK(got.at("d/c").blocked_by == "the node itself");
}

TEST_CASE("labels of K3s choose nodes, external addresses are preferred, other classes are others' business") {
  object_map nodes = two;
  nodes["n2"] = node("n2", "10.0.0.2", true, {{"svccontroller.k3s.cattle.io/enablelb", "true"}}, "203.0.113.2");
  nodes["n3"] = node("n3", "10.0.0.3", true, {{"svccontroller.k3s.cattle.io/enablelb", "true"}, {"svccontroller.k3s.cattle.io/lbpool", "p"}});
  const auto got = balance({{"d/a", service("1", 80)}, {"d/b", service("2", 81, {{"metadata", {{"labels", {{"svccontroller.k3s.cattle.io/lbpool", "p"}}}}}})},
                            {"d/c", service("3", 82, {{"spec", {{"loadBalancerClass", "other.example/lb"}}}})}}, nodes, {}, {});
  CHECK(ips(got.at("d/a")) == "203.0.113.2");
  CHECK(ips(got.at("d/b")) == "10.0.0.3");
  CHECK(!got.contains("d/c"));
}
