#include <doctest/doctest.h>

#include "actors/tunnel/authorizer.hpp"

using namespace troupe;
using namespace troupe::tunnel;

TEST_CASE("a server may dial this node's kubelet and stream port, and nothing else") {
  dial_rules rules;
  rules.kubelet = {"127.0.0.31", 10250};
  CHECK(rules.allow("tcp", "127.0.0.1:10250") == endpoint{"127.0.0.31", 10250});
  CHECK(rules.allow("tcp", "[::1]:10250") == endpoint{"127.0.0.31", 10250});
  CHECK(rules.allow("tcp", "127.0.0.1:10010") == endpoint{"127.0.0.1", 10010});
  for (const char* address : {"127.0.0.1:22", "127.0.0.1:6443", "127.0.0.1:10251", "10.0.0.7:10250", "127.0.0.2:10250", "0.0.0.0:10250",
                              "localhost:10250", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:75786", ":10250", "", "[::1]",
                              "127.0.0.1:10250 ", "127.0.0.1:10250:10250", "[::ffff:127.0.0.1]:10250"})
    CHECK_MESSAGE(!rules.allow("tcp", address), address);
  for (const char* protocol : {"udp", "unix", "TCP", "", "tcp4"}) CHECK_MESSAGE(!rules.allow(protocol, "127.0.0.1:10250"), protocol);
}

TEST_CASE("a kubelet on another port is reached by that port only") {
  dial_rules rules;
  rules.kubelet_port = 20250;
  rules.kubelet = {"127.0.0.1", 20250};
  CHECK(rules.allow("tcp", "127.0.0.1:20250").has_value());
  CHECK(!rules.allow("tcp", "127.0.0.1:10250"));
}

TEST_CASE("in mode cluster a server also reaches the node's own addresses and the cluster's network") {
  dial_rules rules;
  rules.own_addresses = {"192.168.1.7"};
  CHECK(!rules.allow("tcp", "192.168.1.7:80"));
  rules.cluster = {parse_network("10.42.0.0/16")};
  CHECK(rules.allow("tcp", "192.168.1.7:80") == endpoint{"192.168.1.7", 80});
  CHECK(rules.allow("tcp", "10.42.3.4:9443") == endpoint{"10.42.3.4", 9443});
  for (const char* address : {"10.43.0.1:443", "192.168.1.8:80", "127.0.0.1:22", "10.42.3.4", "10.42.3.4.5:80", "[fd00::1]:80"})
    CHECK_MESSAGE(!rules.allow("tcp", address), address);
  CHECK(!rules.allow("udp", "10.42.3.4:9443"));
}

TEST_CASE("a network that cannot be read lets nobody in") {
  for (const char* text : {"", "10.42.0.0", "10.42.0.0/33", "10.42.0/16", "10.42.0.0/", "10.42.0.0/1x", "10.42.0.256/16", "fd00::/8"})
    CHECK_MESSAGE(!parse_network(text).contains("10.42.0.1"), text);
  CHECK(parse_network("0.0.0.0/0").contains("8.8.8.8"));
  CHECK(parse_network("10.42.7.9/32").contains("10.42.7.9"));
  CHECK(network_of(*parse_json(R"({"IP":"10.42.0.0","Mask":"//8AAA=="})")).contains("10.42.9.9"));
  CHECK(!network_of(*parse_json(R"({"IP":"10.42.0.0","Mask":"//8AAA=="})")).contains("10.44.9.9"));
  CHECK(!network_of(*parse_json(R"({"IP":7})")).good);
}

TEST_CASE("in mode pod a server reaches the pods of this node, and ports that its pods of the host's network declare") {
  dial_rules rules;
  rules.by_pod = true;
  rules.own_addresses = {"192.168.1.7"};
  rules.set_pod("default/web", *parse_json(R"({"status":{"phase":"Running","podIP":"10.42.1.5","podIPs":[{"ip":"10.42.1.5"},{"ip":"fd00::5"}]}})"));
  rules.set_pod("kube-system/exporter", *parse_json(R"({"spec":{"hostNetwork":true,"containers":[
    {"ports":[{"containerPort":9100},{"containerPort":53,"protocol":"UDP"},{"containerPort":-4}]},{}]},"status":{"phase":"Running","podIP":"192.168.1.7"}})"));
  CHECK(rules.allow("tcp", "10.42.1.5:8080") == endpoint{"10.42.1.5", 8080});
  CHECK(rules.allow("tcp", "[fd00::5]:8080").has_value());
  CHECK(rules.allow("tcp", "192.168.1.7:9100").has_value());
  for (const char* address : {"192.168.1.7:53", "192.168.1.7:22", "10.42.1.6:8080", "127.0.0.1:9100"}) CHECK_MESSAGE(!rules.allow("tcp", address), address);
  rules.set_pod("default/web", *parse_json(R"({"status":{"phase":"Succeeded","podIP":"10.42.1.5"}})"));
  CHECK(!rules.allow("tcp", "10.42.1.5:8080"));
  rules.drop_pod("kube-system/exporter");
  CHECK(!rules.allow("tcp", "192.168.1.7:9100"));
}
