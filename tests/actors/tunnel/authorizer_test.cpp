#include <doctest/doctest.h>

#include "actors/tunnel/authorizer.hpp"

using namespace troupe;
using namespace troupe::tunnel;

TEST_CASE("a server may dial this node's kubelet and stream port, and nothing else") {
  dial_rules rules;
  rules.kubelet = {"127.0.0.31", 10250};
  CHECK(allow_dial(rules, "tcp", "127.0.0.1:10250") == endpoint{"127.0.0.31", 10250});
  CHECK(allow_dial(rules, "tcp", "[::1]:10250") == endpoint{"127.0.0.31", 10250});
  CHECK(allow_dial(rules, "tcp", "127.0.0.1:10010") == endpoint{"127.0.0.1", 10010});
  for (const char* address : {"127.0.0.1:22", "127.0.0.1:6443", "127.0.0.1:10251", "10.0.0.7:10250", "127.0.0.2:10250", "0.0.0.0:10250",
                              "localhost:10250", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:75786", ":10250", "", "[::1]",
                              "127.0.0.1:10250 ", "127.0.0.1:10250:10250", "[::ffff:127.0.0.1]:10250"})
    CHECK_MESSAGE(!allow_dial(rules, "tcp", address), address);
  for (const char* protocol : {"udp", "unix", "TCP", "", "tcp4"}) CHECK_MESSAGE(!allow_dial(rules, protocol, "127.0.0.1:10250"), protocol);
}

TEST_CASE("a kubelet on another port is reached by that port only") {
  dial_rules rules;
  rules.kubelet_port = 20250;
  rules.kubelet = {"127.0.0.1", 20250};
  CHECK(allow_dial(rules, "tcp", "127.0.0.1:20250").has_value());
  CHECK(!allow_dial(rules, "tcp", "127.0.0.1:10250"));
}
