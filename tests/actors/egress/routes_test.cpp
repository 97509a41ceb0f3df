#include "actors/egress/routes.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::egress;

namespace {

/// One line for a way, to compare.
std::string told(const way& w) {
  if (const auto* t = std::get_if<by_tunnel>(&w)) return "tunnel " + t->node.text + " " + t->address + (t->else_direct ? " or direct" : "");
  if (const auto* d = std::get_if<direct>(&w)) return "direct " + to_string(d->at);
  return "refused: " + std::get<refused>(w).why;
}

routes known(egress_mode mode) {
  routes out(mode, {"server-1"}, {"127.0.0.11", 10250});
  out.set_node("server-1", {{"10.0.0.1"}, 10250, true});
  out.set_node("plain", {{"10.0.0.8", "203.0.113.8"}, 10250, false});
  out.set_node("carrier", {{"10.0.0.9"}, 10350, true});
  out.set_pod("default/on-plain", "plain", "10.42.8.5");
  out.set_pod("default/on-carrier", "carrier", "10.42.9.5");
  out.set_pod("default/own", "server-1", "10.42.1.5");
  return out;
}

}  // namespace

TEST_CASE("a kubelet is reached through its node's tunnel, our own directly, and without tunnels at the node's address") {
  for (const auto mode : {egress_mode::agent, egress_mode::cluster, egress_mode::pod}) {
    const auto table = known(mode);
    CHECK(told(table.to_kubelet({"plain"}, 0)) == "tunnel plain 127.0.0.1:10250");
    CHECK(told(table.to_kubelet({"carrier"}, 0)) == "tunnel carrier 127.0.0.1:10350");
    CHECK(told(table.to_kubelet({"plain"}, 10010)) == "tunnel plain 127.0.0.1:10010");
    CHECK(told(table.to_kubelet({"server-1"}, 0)) == "direct 127.0.0.11:10250");
    CHECK(told(table.to_kubelet({"not-seen-yet"}, 0)) == "tunnel not-seen-yet 127.0.0.1:10250");
    CHECK(told(table.to_kubelet({"plain"}, 22)) == "refused: port 22 of node plain is neither its kubelet's (10250) nor its streams'");
  }
  const auto table = known(egress_mode::disabled);
  CHECK(told(table.to_kubelet({"plain"}, 0)) == "direct 10.0.0.8:10250");
  CHECK(told(table.to_kubelet({"carrier"}, 0)) == "direct 10.0.0.9:10350");
  CHECK(told(table.to_kubelet({"unknown"}, 0)).starts_with("refused: node unknown reports no address"));
}

TEST_CASE("what a CONNECT names goes by tunnel where the node lets it in, and directly elsewhere") {
  struct row { const char* to; std::uint16_t port; const char* agent; const char* cluster; const char* disabled; };
  const row rows[] = {
      {"plain", 10250, "tunnel plain 127.0.0.1:10250", "tunnel plain 127.0.0.1:10250", "direct 10.0.0.8:10250"},
      {"10.0.0.8", 10250, "tunnel plain 127.0.0.1:10250", "tunnel plain 127.0.0.1:10250", "direct 10.0.0.8:10250"},
      {"203.0.113.8", 10010, "tunnel plain 127.0.0.1:10010", "tunnel plain 127.0.0.1:10010", "direct 10.0.0.8:10010"},
      {"10.0.0.8", 80, "direct 10.0.0.8:80", "direct 10.0.0.8:80", "direct 10.0.0.8:80"},
      {"10.0.0.9", 80, "tunnel carrier 10.0.0.9:80 or direct", "tunnel carrier 10.0.0.9:80 or direct", "direct 10.0.0.9:80"},
      {"10.42.8.5", 80, "direct 10.42.8.5:80", "direct 10.42.8.5:80", "direct 10.42.8.5:80"},
      {"10.42.9.5", 80, "direct 10.42.9.5:80", "tunnel carrier 10.42.9.5:80 or direct", "direct 10.42.9.5:80"},
      {"10.42.1.5", 80, "direct 10.42.1.5:80", "direct 10.42.1.5:80", "direct 10.42.1.5:80"},
      {"192.0.2.1", 80, "direct 192.0.2.1:80", "direct 192.0.2.1:80", "direct 192.0.2.1:80"},
      {"nobody", 10250, "refused: there is no node nobody", "refused: there is no node nobody", "refused: there is no node nobody"},
  };
  for (const auto& r : rows) {
    CHECK_MESSAGE(told(known(egress_mode::agent).to_address({r.to, r.port})) == r.agent, r.to);
    CHECK_MESSAGE(told(known(egress_mode::cluster).to_address({r.to, r.port})) == r.cluster, r.to);
    CHECK_MESSAGE(told(known(egress_mode::pod).to_address({r.to, r.port})) == r.cluster, r.to);
    CHECK_MESSAGE(told(known(egress_mode::disabled).to_address({r.to, r.port})) == r.disabled, r.to);
  }
}

TEST_CASE("what is gone is no way any more, and an address that is given again leads to its new owner") {
  auto table = known(egress_mode::cluster);
  table.set_pod("default/newer", "carrier", "10.42.8.5");   // the old pod's deletion has not come by yet
  CHECK(told(table.to_address({"10.42.8.5", 80})) == "tunnel carrier 10.42.8.5:80 or direct");
  table.drop_pod("default/on-plain");
  CHECK(told(table.to_address({"10.42.8.5", 80})) == "tunnel carrier 10.42.8.5:80 or direct");
  table.drop_pod("default/newer");
  CHECK(told(table.to_address({"10.42.8.5", 80})) == "direct 10.42.8.5:80");
  table.drop_node("carrier");
  CHECK(told(table.to_address({"10.42.9.5", 80})) == "direct 10.42.9.5:80");
  CHECK(told(table.to_address({"carrier", 10350})) == "refused: there is no node carrier");
  table.set_node("plain", {{"10.0.0.10"}, 10250, false});
  CHECK(told(table.to_address({"10.0.0.8", 10250})) == "direct 10.0.0.8:10250");
  CHECK(told(table.to_address({"10.0.0.10", 10250})) == "tunnel plain 127.0.0.1:10250");
}

TEST_CASE("a node's entry comes from its object, and nonsense in it is left out") {
  const auto entry = node_entry_of(*parse_json(R"({"metadata":{"labels":{"egress.k3s.io/cluster":"true"}},"status":{
    "addresses":[{"type":"Hostname","address":"web"},{"type":"ExternalIP","address":"203.0.113.8"},{"type":"InternalIP","address":"10.0.0.8"},
                 {"type":"InternalIP","address":"no address"},{}],"daemonEndpoints":{"kubeletEndpoint":{"Port":10350}}}})"));
  CHECK(entry.addresses == std::vector<std::string>{"10.0.0.8", "203.0.113.8"});
  CHECK(entry.kubelet_port == 10350);
  CHECK(entry.carries);
  for (const char* text : {"{}", "[]", "7", R"({"status":{"addresses":{},"daemonEndpoints":{"kubeletEndpoint":{"Port":70000}}}})",
                           R"({"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":0}}},"metadata":{"labels":[]}})"}) {
    const auto none = node_entry_of(*parse_json(text));
    CHECK(none.addresses.empty());
    CHECK(none.kubelet_port == 10250);
    CHECK(!none.carries);
  }
}

TEST_CASE("modes are told by name") {
  CHECK(parse_egress_mode("agent") == egress_mode::agent);
  CHECK(parse_egress_mode("cluster") == egress_mode::cluster);
  CHECK(parse_egress_mode("pod") == egress_mode::pod);
  CHECK(parse_egress_mode("disabled") == egress_mode::disabled);
  for (const char* text : {"", "Agent", "none"}) CHECK(!parse_egress_mode(text));
}
