#include "actors/cri/registries.hpp"

#include <doctest/doctest.h>

#include "actors/cri/containerd.hpp"

using namespace troupe;
using namespace troupe::cri;

namespace {
registries read(const std::string& text) {
  auto got = read_registries(text);
  REQUIRE(got.ok());
  return *got;
}
std::string refusal(const std::string& text) {
  const auto got = read_registries(text);
  REQUIRE(!got.ok());
  return got.why().note;
}
}  // namespace

TEST_CASE("mirrors are asked before the registry itself, each as it is to be trusted") {
  const auto files = hosts_files(read("mirrors:\n  docker.io:\n    endpoint: [\"https://m.example.com:5000\", \"http://other/proxy/v2/\"]\nconfigs:\n  m.example.com:5000:\n    tls: {ca_file: /ca.pem, insecure_skip_verify: true}\n"));
  const auto& text = files.at("docker.io/hosts.toml");
  CHECK(text.find("server = \"https://registry-1.docker.io\"\n[host.\"https://m.example.com:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n  ca = [\"/ca.pem\"]\n  skip_verify = true\n") != std::string::npos);
  CHECK(text.find("[host.\"http://other/proxy/v2\"]\n  capabilities = [\"pull\", \"resolve\"]\n  override_path = true\n") != std::string::npos);
  CHECK(files.contains("m.example.com:5000/hosts.toml"));
}

TEST_CASE("all registries may have a mirror, and the registry itself may be left out") {
  auto from = read("mirrors:\n  \"*\":\n    endpoint: [\"https://m\"]\n  r:\n    endpoint: [\"https://a\", \"https://b\"]\n");
  CHECK(hosts_files(from).at("_default/hosts.toml").find("server") == std::string::npos);
  from.never_itself = true;
  const auto text = hosts_files(from).at("r/hosts.toml");
  CHECK(text.find("server = \"https://b\"") != std::string::npos);
  CHECK(text.find("https://r") == std::string::npos);
}

TEST_CASE("logins stand in containerd's own configuration") {
  auto config = make_containerd_config("/a", "/r");
  config.from = read("configs:\n  r.example.com:\n    auth: {username: u, password: 'p\"q'}\n  t.example.com:\n    auth: {identity_token: tok}\n");
  const auto text = containerd_file(config);
  CHECK(text.find("registry.configs.\"r.example.com\".auth]\n    username = \"u\"\n    password = \"p\\\"q\"\n") != std::string::npos);
  CHECK(text.find("identitytoken = \"tok\"") != std::string::npos);
}

TEST_CASE("a registries.yaml that means nothing is refused, and why") {
  CHECK(refusal("mirrors:\n  r: {endpoints: [x]}\n") == "mirrors.r.endpoints: there is no such setting");
  CHECK(refusal("mirrors:\n  r: {endpoint: [r2]}\n") == "mirrors.r.endpoint: \"r2\" is no URL; write https://HOST");
  CHECK(refusal("mirror: {}\n") == "mirror: there is no such setting");
  CHECK(refusal("mirrors:\n  ../x: {}\n").find("is no registry") != std::string::npos);
  CHECK(refusal("mirrors:\n  r: {rewrite: {a: b}}\n").starts_with("mirrors.r.rewrite: containerd of this machine cannot"));
  CHECK(refusal("configs:\n  r: {tls: {cert_file: /c}}\n") == "configs.r.tls: cert_file and key_file belong together");
  CHECK(refusal("- a\n") == "registries.yaml: it must be a map");
  CHECK(read_registries("").ok());
}
