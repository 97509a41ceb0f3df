#include <doctest/doctest.h>

#include "actors/certificates/policy.hpp"

using namespace troupe;
using namespace troupe::certificates;
using texts = std::vector<std::string>;

TEST_CASE("a node's client certificate makes it that node and nobody else") {
  const auto leaf = leaf_for({purpose::kubelet_client, {"n1"}, {"10.0.0.7"}, ""}, "key");
  CHECK(leaf.common_name == "system:node:n1");
  CHECK(leaf.organizations == texts{"system:nodes"});
  CHECK(leaf.use == net::tls::usage::client);
  CHECK(leaf.dns_names.empty());
  CHECK(leaf.addresses.empty());
  CHECK(leaf.public_key == "key");
}

TEST_CASE("a node's serving certificate covers its name, its addresses and loopback, and lets it ask nobody") {
  const auto leaf = leaf_for({purpose::kubelet_serving, {"n1"}, {"10.0.0.7"}, ""}, "key");
  CHECK(leaf.common_name == "n1");
  CHECK(leaf.use == net::tls::usage::server);
  CHECK(leaf.organizations.empty());
  CHECK(leaf.dns_names == texts{"n1", "localhost"});
  CHECK(leaf.addresses == texts{"127.0.0.1", "::1", "10.0.0.7"});
}

TEST_CASE("the certificates every agent gets carry no group") {
  for (const auto what : {purpose::kube_proxy, purpose::k3s_controller}) {
    const auto leaf = leaf_for({what, {"n1"}, {}, ""}, "key");
    CHECK(leaf.organizations.empty());
    CHECK(leaf.use == net::tls::usage::client);
    CHECK(leaf.common_name == (what == purpose::kube_proxy ? "system:kube-proxy" : "system:k3s-controller"));
  }
}
