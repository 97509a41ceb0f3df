#include <doctest/doctest.h>

#include "tests/actors/service_proxy/support.hpp"

using namespace troupe;
using namespace troupe::service_proxy;
using testing::service_json;
using testing::slice_json;

namespace {
const node_facts here{"n1", "10.42.0.0/16", {}};
/// "plane key masking -> targets" for each frontend.
std::string told(const served& of) {
  std::string out;
  for (const auto& f : of.fronts) {
    out += (out.empty() ? "" : "; ") + std::to_string(static_cast<int>(f.where)) + " " + f.key + " " + std::to_string(static_cast<int>(f.mask)) + " ->";
    for (const auto& t : f.targets) out += " " + to_string(t);
    if (f.targets.empty()) out += f.empty == absence::dropped ? " dropped" : " refused";
  }
  return out;
}
const auto both = slice_json({{"10.42.0.2", "n1"}, {"10.42.1.2", "n2"}});
const json outside{{"spec", {{"type", "NodePort"}, {"externalTrafficPolicy", "Cluster"}}}};
json node_port_of(const char* policy) {
  return service_json("10.43.0.7", {{"spec", {{"type", "NodePort"}, {"externalTrafficPolicy", policy}}}}, json::array({{{"port", 80}, {"nodePort", 30080}}}));
}
}  // namespace

TEST_CASE("a service's address leads to its ready endpoints, wherever they are") {
  CHECK(told(serve(service_json(), {both}, here)) == "0 10.43.0.7 . tcp . 80 0 -> 10.42.0.2:8080 10.42.1.2:8080");
  CHECK(serve(service_json(), {both}, here).own_targets == std::vector<std::string>{"10.42.0.2"});
}

TEST_CASE("where nobody is ready those serve that are going, and where nobody is at all connections are refused") {
  const auto going = slice_json({{"10.42.0.2", "n1", false, true, true}, {"10.42.0.3", "n1", false, false, true}, {"10.42.0.4", "n1", false, true, false}});
  CHECK(told(serve(service_json(), {going}, here)) == "0 10.43.0.7 . tcp . 80 0 -> 10.42.0.2:8080");
  CHECK(told(serve(service_json(), {going, both}, here)).find("10.42.0.2:8080 10.42.1.2") != std::string::npos);
  CHECK(told(serve(service_json(), {}, here)) == "0 10.43.0.7 . tcp . 80 0 -> refused");
}

TEST_CASE("a policy to stay on the node keeps connections on it, or drops them") {
  const json near{{"spec", {{"internalTrafficPolicy", "Local"}}}};
  CHECK(told(serve(service_json("10.43.0.7", near), {both}, here)) == "0 10.43.0.7 . tcp . 80 0 -> 10.42.0.2:8080");
  CHECK(told(serve(service_json("10.43.0.7", near), {slice_json({{"10.42.1.2", "n2"}})}, here)) == "0 10.43.0.7 . tcp . 80 0 -> dropped");
  CHECK(told(serve(service_json("10.43.0.7", near), {}, here)) == "0 10.43.0.7 . tcp . 80 0 -> refused");
}

TEST_CASE("a node port is served masked, and with a local policy unmasked for strangers while pods may go anywhere") {
  CHECK(told(serve(node_port_of("Cluster"), {both}, here)) == "0 10.43.0.7 . tcp . 80 0 -> 10.42.0.2:8080 10.42.1.2:8080; 1 tcp . 30080 1 -> 10.42.0.2:8080 10.42.1.2:8080");
  CHECK(told(serve(node_port_of("Local"), {both}, here)) ==
        "0 10.43.0.7 . tcp . 80 0 -> 10.42.0.2:8080 10.42.1.2:8080; 1 tcp . 30080 2 -> 10.42.0.2:8080; 3 tcp . 30080 0 -> 10.42.0.2:8080 10.42.1.2:8080");
}

TEST_CASE("a load balancer's addresses and external addresses are served like node ports, from allowed sources") {
  auto balanced = service_json("10.43.0.7", {{"spec", {{"type", "LoadBalancer"}, {"externalIPs", json::array({"192.0.2.9", "nonsense"})}, {"loadBalancerSourceRanges", json::array({"198.51.100.0/24", "x; drop"})}}},
                                             {"status", {{"loadBalancer", {{"ingress", json::array({{{"ip", "192.0.2.1"}}, {{"ip", "192.0.2.2"}, {"ipMode", "Proxy"}}, {{"hostname", "x"}}})}}}}}});
  const auto got = serve(balanced, {both}, here);
  CHECK(told(got) == "0 10.43.0.7 . tcp . 80 0 -> 10.42.0.2:8080 10.42.1.2:8080; 0 192.0.2.9 . tcp . 80 1 -> 10.42.0.2:8080 10.42.1.2:8080; "
                     "0 192.0.2.1 . tcp . 80 1 -> 10.42.0.2:8080 10.42.1.2:8080");
  CHECK(got.fronts[2].allowed == std::vector<std::string>{"198.51.100.0/24"});
  CHECK(got.fronts[1].allowed.empty());
}

TEST_CASE("ports find their endpoints by name and protocol") {
  const auto two = service_json("10.43.0.7", json::object(), json::array({{{"name", "a"}, {"port", 80}}, {{"name", "b"}, {"port", 53}, {"protocol", "UDP"}}}));
  CHECK(told(serve(two, {slice_json({{"10.42.0.2"}}, 8080, "TCP", "a"), slice_json({{"10.42.0.3"}}, 5353, "UDP", "b"), slice_json({{"10.42.0.4"}}, 1, "TCP", "b")}, here)) ==
        "0 10.43.0.7 . tcp . 80 0 -> 10.42.0.2:8080; 0 10.43.0.7 . udp . 53 0 -> 10.42.0.3:5353");
}

TEST_CASE("session affinity names a memory and how long it lasts") {
  const auto got = serve(service_json("10.43.0.7", {{"spec", {{"sessionAffinity", "ClientIP"}}}}), {both}, here);
  CHECK(got.fronts[0].sticky == "d/web:/tcp");
  CHECK(got.fronts[0].sticky_seconds == 10800);
  CHECK(serve(service_json("10.43.0.7", {{"spec", {{"sessionAffinity", "ClientIP"}, {"sessionAffinityConfig", {{"clientIP", {{"timeoutSeconds", 7}}}}}}}}), {both}, here).fronts[0].sticky_seconds == 7);
}

TEST_CASE("headless services, names elsewhere, other proxies' services and IPv6 are not served") {
  CHECK(serve(service_json("None"), {both}, here).fronts.empty());
  CHECK(serve(service_json("10.43.0.7", {{"spec", {{"type", "ExternalName"}}}}), {both}, here).fronts.empty());
  CHECK(serve(service_json("10.43.0.7", {{"metadata", {{"labels", {{"service.kubernetes.io/service-proxy-name", "x"}}}}}}), {both}, here).fronts.empty());
  CHECK(serve(service_json("fd00::1"), {both}, here).fronts.empty());
}

TEST_CASE("the cluster's DNS is this node, where it answers itself") {
  auto node = here;
  node.dns = {"10.0.0.1", 10053};
  const auto dns = service_json("10.43.0.10", {{"metadata", {{"labels", {{node_dns_label, "true"}}}}}}, json::array({{{"name", "dns"}, {"port", 53}, {"protocol", "UDP"}}}));
  CHECK(told(serve(dns, {}, node)) == "0 10.43.0.10 . udp . 53 0 -> 10.0.0.1:10053");
  CHECK(told(serve(dns, {}, here)) == "0 10.43.0.10 . udp . 53 0 -> refused");
}

TEST_CASE("what no address or port is never comes into the kernel's text") {
  auto odd = service_json("10.43.0.7", {{"spec", {{"externalIPs", json::array({"1.2.3.4 } ; flush ruleset", 7, nullptr})}}}},
                          json::array({{{"port", 70000}}, {{"port", 80}, {"protocol", "tcp } flush"}}, {{"port", "80"}}, {{"port", 81}}}));
  auto slice = *slice_json({{"10.42.0.2; drop"}, {"10.42.0.3"}});
  slice["endpoints"].push_back({{"addresses", json::array()}});
  slice["endpoints"].push_back(7);
  CHECK(told(serve(odd, {std::make_shared<const json>(slice)}, here)) == "0 10.43.0.7 . tcp . 81 0 -> 10.42.0.3:8080");
  for (const char* text : {"null", "{\"spec\":[]}", "{\"spec\":{\"clusterIP\":\"1.2.3.4\",\"ports\":{\"a\":1}}}"}) CHECK(serve(*parse_json(text), {std::make_shared<const json>(3)}, here).fronts.empty());
}
