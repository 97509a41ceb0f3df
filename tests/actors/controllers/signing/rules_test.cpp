#include "actors/controllers/signing/rules.hpp"

#include <doctest/doctest.h>

#include "basis/bytes.hpp"

using namespace troupe;
using namespace troupe::controllers;

namespace {

// openssl req -new -subj "/O=system:nodes/CN=system:node:n1" -addext "subjectAltName=DNS:n1,IP:10.0.0.1,IP:fd00::1" -outform DER
const std::string of_node =
    "MIIBIzCBygIBADAwMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxFzAVBgNVBAMMDnN5c3RlbTpub2RlOm4xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAED8Xknphj7nJ3Z1i9aduVDDaGN8IibS/ADD6s2MG+Sp+vZr+h2vHb62famVmfWgZZx9pczzFacXCBGcmOg1vdL6A4MDYGCSqGSIb3DQEJDjEpMCcwJQYDVR0RBB4wHIICbjGHBAoAAAGHEP0AAAAAAAAAAAAAAAAAAAEwCgYIKoZIzj0EAwIDSAAwRQIhAM3hNRaMH7yj+X0bo9apZ2XaNO51OeXaENJDNuZ2MfatAiAqPP0dz6vZFc4d11WtRakV5g19vvQ4pNIGIXyy3yX1vQ==";
// openssl req -new -subj "/O=dev/O=ops/CN=jane" -outform DER
const std::string of_jane =
    "MIHnMIGNAgEAMCsxDDAKBgNVBAoMA2RldjEMMAoGA1UECgwDb3BzMQ0wCwYDVQQDDARqYW5lMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAED8Xknphj7nJ3Z1i9aduVDDaGN8IibS/ADD6s2MG+Sp+vZr+h2vHb62famVmfWgZZx9pczzFacXCBGcmOg1vdL6AAMAoGCCqGSM49BAMCA0kAMEYCIQCoRAnnlleN631Ch3jzqXRlK1X91bSUvv+bQb6G9kfGgQIhAMZOOOh3ON6TOrQVLCyxb6THxkKQK2W9ZvoSHxYakHAz";

std::string der(const std::string& packed) {
  std::string out;
  REQUIRE(from_base64(packed, out));
  return out;
}
json request(const char* signer, std::vector<std::string> usages, const std::string& user = "system:node:n1") {
  return {{"metadata", {{"creationTimestamp", "2026-03-01T12:00:00Z"}}}, {"spec", {{"signerName", std::string("kubernetes.io/") + signer}, {"usages", usages}, {"username", user}}}};
}
asked_names node_names(bool serving = false) {
  asked_names out;
  out.common_name = "system:node:n1";
  out.organizations = {"system:nodes"};
  if (serving) out.dns_names = {"n1"};
  return out;
}
std::string refusal(signer_name as, const json& of, const asked_names& names) {
  const auto got = leaf_of(as, of, names);
  REQUIRE(!got.ok());
  return got.why().note;
}

}  // namespace

TEST_CASE("a request's subject and names are read as openssl wrote them") {
  const auto node = read_names(der(of_node));
  REQUIRE(node.ok());
  CHECK(node->common_name == "system:node:n1");
  CHECK(node->organizations == std::vector<std::string>{"system:nodes"});
  CHECK(node->dns_names == std::vector<std::string>{"n1"});
  CHECK(node->addresses == std::vector<std::string>{"10.0.0.1", "fd00::1"});
  CHECK(!node->others);
  const auto jane = read_names(der(of_jane));
  REQUIRE(jane.ok());
  CHECK(jane->organizations == std::vector<std::string>{"dev", "ops"});
  CHECK(jane->dns_names.empty());
}

TEST_CASE("no cut or twisted request is read beyond its end") {
  const auto whole = der(of_node);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    (void)read_names(whole.substr(0, n));
    auto twisted = whole;
    twisted[n] = static_cast<char>(twisted[n] ^ 0xff);
    (void)read_names(twisted);
  }
  CHECK(!read_names(whole.substr(0, whole.size() / 2)).ok());
  CHECK(!read_names("").ok());
  CHECK(request_in("-----BEGIN CERTIFICATE REQUEST-----\n" + of_jane + "\n-----END CERTIFICATE REQUEST-----\n").value_or("") == der(of_jane));
  CHECK(!request_in("nothing").ok());
}

TEST_CASE("a node's request for its client certificate can be approved by a right, nobody else's") {
  const auto own = request("kube-apiserver-client-kubelet", {"digital signature", "client auth"});
  CHECK(approving_right(own, node_names()) == "selfnodeclient");
  CHECK(approving_right(request("kube-apiserver-client-kubelet", {"client auth"}, "system:bootstrap:abc"), node_names()) == "nodeclient");
  CHECK(approving_right(own, node_names(true)).empty());
  CHECK(approving_right(request("kube-apiserver-client", {"client auth"}), node_names()).empty());
  CHECK(approving_right(request("kubelet-serving", {"server auth"}), node_names(true)).empty());
  CHECK(approving_right(request("kube-apiserver-client-kubelet", {"client auth", "server auth"}), node_names()).empty());
}

TEST_CASE("what is signed is what the signer's rules allow") {
  const auto serving = request("kubelet-serving", {"key encipherment", "digital signature", "server auth"});
  const auto leaf = leaf_of(signer_name::kubelet_serving, serving, node_names(true));
  REQUIRE(leaf.ok());
  CHECK(leaf->use == net::tls::usage::server);
  CHECK(leaf->dns_names == std::vector<std::string>{"n1"});
  CHECK(refusal(signer_name::kubelet_serving, serving, node_names()).find("at least one") != std::string::npos);
  CHECK(refusal(signer_name::kubelet_serving, request("kubelet-serving", {"server auth"}, "jane"), node_names(true)).find("only system:node:n1 itself") != std::string::npos);
  asked_names master;
  master.common_name = "jane";
  const auto client = request("kube-apiserver-client", {"client auth"}, "jane");
  CHECK(leaf_of(signer_name::client, client, master).ok());
  master.organizations = {"dev", "system:masters"};
  CHECK(refusal(signer_name::client, client, master).find("system:masters") != std::string::npos);
  CHECK(refusal(signer_name::client, request("kube-apiserver-client", {"server auth"}), node_names()).find("\"client auth\"") != std::string::npos);
  CHECK(refusal(signer_name::kubelet_client, request("kube-apiserver-client-kubelet", {"client auth"}), master).find("system:node:NAME") != std::string::npos);
}

TEST_CASE("a certificate lives as long as was asked for, ten minutes at least and a year at most") {
  auto one = request("kube-apiserver-client", {"client auth"});
  const duration year = std::chrono::hours(24 * 365);
  CHECK(validity_of(one, year) == year);
  one["spec"]["expirationSeconds"] = 3600;
  CHECK(validity_of(one, year) == std::chrono::hours(1));
  one["spec"]["expirationSeconds"] = 1;
  CHECK(validity_of(one, year) == std::chrono::minutes(10));
  one["spec"]["expirationSeconds"] = 999'999'999;
  CHECK(validity_of(one, year) == year);
}

TEST_CASE("requests are pending, approved or over, and go when nobody needs them") {
  const auto noon = *parse_rfc3339("2026-03-01T12:00:00Z");
  auto one = request("kube-apiserver-client", {"client auth"});
  CHECK(state_of(one) == request_state::pending);
  CHECK(!is_stale(one, noon + std::chrono::hours(23)));
  CHECK(is_stale(one, noon + std::chrono::hours(25)));
  one["status"]["conditions"] = json::array({{{"type", "Approved"}, {"lastUpdateTime", "2026-03-01T13:00:00Z"}}});
  CHECK(state_of(one) == request_state::approved);
  one["status"]["certificate"] = "x";
  CHECK(state_of(one) == request_state::over);
  CHECK(!is_stale(one, noon + std::chrono::minutes(110)));
  CHECK(is_stale(one, noon + std::chrono::minutes(125)));
  CHECK(!signer_of(json{{"spec", {{"signerName", "example.com/other"}}}}));
}
