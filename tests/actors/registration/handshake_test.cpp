#include <doctest/doctest.h>

#include <string>

#include "actors/registration/handshake.hpp"

using namespace troupe;
using namespace troupe::registration;

namespace {
const std::string pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const std::string digest(64, 'c');
constexpr const char* html = "<!DOCTYPE html>\n<html>Please log in</html>";

application somebody(const std::string& token_text, bool with_certificate = false) {
  application out;
  out.node = {"node-1"};
  out.password = secret_text("node-password");
  out.with = *parse_token(token_text);
  out.internal_addresses = {"10.0.0.7"};
  out.all_addresses = {"10.0.0.7", "192.0.2.7"};
  out.serving_request = "serving request";
  out.client_request = "client request";
  out.controller_request = "controller request";
  if (with_certificate) out.present = {"old certificate", secret_text("old key")};
  return out;
}
handshake start(const std::string& token_text = "K10" + digest + "::node:secret", bool with_certificate = false,
                const std::string& found = digest) {
  return handshake(somebody(token_text, with_certificate), [found](std::string_view) { return found; });
}
next_request ask(const handshake& h) {
  const auto next = h.next();
  REQUIRE(std::holds_alternative<next_request>(next));
  return std::get<next_request>(next);
}
std::string header(const next_request& of, const std::string& name) {
  for (const auto& [key, value] : of.headers)
    if (key == name) return value;
  return "";
}
std::string why_hopeless(const handshake& h) {
  const auto next = h.next();
  REQUIRE(std::holds_alternative<hopeless>(next));
  return std::get<hopeless>(next).why;
}
/// What a good server says to each request.
std::string good_answer(const std::string& path) {
  if (path == "/v1-k3s/config") return "{\"ClusterDomain\":\"cluster.local\"}";
  if (path == "/v1-k3s/apiservers") return "[\"10.0.0.1:6443\"]";
  return pem;
}
void feed(handshake& h, int steps) {
  for (int i = 0; i < steps; ++i) REQUIRE(h.answer(200, good_answer(ask(h).path)).ok());
}
constexpr int steps_in_all = 9;
}  // namespace

TEST_CASE("a handshake asks for everything in order, and is complete with the last answer") {
  auto h = start();
  std::vector<std::string> asked;
  for (int i = 0; i < steps_in_all; ++i) {
    const auto next = ask(h);
    asked.push_back(next.method + " " + next.path);
    REQUIRE(h.answer(200, good_answer(next.path)).ok());
  }
  CHECK(asked == std::vector<std::string>{"GET /cacerts", "GET /cacerts", "GET /v1-k3s/config", "GET /v1-k3s/client-ca.crt",
                                          "GET /v1-k3s/server-ca.crt", "POST /v1-k3s/serving-kubelet.crt",
                                          "POST /v1-k3s/client-kubelet.crt", "POST /v1-k3s/client-k3s-controller.crt",
                                          "GET /v1-k3s/apiservers"});
  CHECK(std::holds_alternative<complete>(h.next()));
  CHECK(h.text("client-kubelet.crt") == pem);
  CHECK(h.text("apiservers") == "[\"10.0.0.1:6443\"]");
  CHECK(h.text("no such piece").empty());
}

TEST_CASE("only the CA is fetched from somebody unverified, and nothing secret is sent there") {
  auto h = start();
  auto first = ask(h);
  CHECK(!first.verified);
  CHECK(first.headers.empty());
  CHECK(first.body.empty());
  REQUIRE(h.answer(200, pem).ok());
  for (int i = 1; i < steps_in_all; ++i) {
    CHECK(ask(h).verified);
    feed(h, 1);
  }
}

TEST_CASE("the token and the node's password go where they belong") {
  auto h = start();
  feed(h, 2);
  CHECK(header(ask(h), "authorization") == "Basic " + to_base64("node:secret"));
  CHECK(header(ask(h), "k3s-node-password").empty());
  feed(h, 3);
  auto serving = ask(h);
  CHECK(serving.body == "serving request");
  CHECK(header(serving, "k3s-node-name") == "node-1");
  CHECK(header(serving, "k3s-node-password") == "node-password");
  CHECK(header(serving, "k3s-node-ip") == "10.0.0.7,192.0.2.7");
  feed(h, 1);
  CHECK(ask(h).body == "client request");
  CHECK(header(ask(h), "k3s-node-ip") == "10.0.0.7");
  feed(h, 1);
  CHECK(ask(h).body == "controller request");
  CHECK(header(ask(h), "k3s-node-password").empty());
}

TEST_CASE("a bootstrap token is sent as a bearer token") {
  auto h = start("K10" + digest + "::abcdef.0123456789abcdef");
  feed(h, 2);
  CHECK(header(ask(h), "authorization") == "Bearer abcdef.0123456789abcdef");
}

TEST_CASE("a CA that is not the pinned one ends the handshake before anything is sent") {
  auto h = start("K10" + digest + "::node:secret", false, std::string(64, 'd'));
  REQUIRE(h.answer(200, pem).ok());
  const auto why = why_hopeless(h);
  CHECK(why.find("token CA hash does not match the Cluster CA certificate hash") == 0);
  CHECK(why.find("secret") == std::string::npos);
  CHECK(h.trust().empty());
}

TEST_CASE("an authority that a token names and that others were signed by is trusted alone, until the server has proved itself by it") {
  const std::string old = "-----BEGIN CERTIFICATE-----\nOLD\n-----END CERTIFICATE-----\n";
  handshake h(somebody("K10" + digest + "::node:secret"), [](std::string_view) { return std::string(64, 'd'); },
              [&](std::string_view bundle, std::string_view wanted) { return bundle.find(old) != std::string_view::npos && wanted == digest ? old : std::string(); });
  REQUIRE(h.answer(200, pem + old).ok());
  CHECK(h.trust() == old);
  CHECK(ask(h).verified);
  CHECK(header(ask(h), "authorization").empty());   // no password before that
  REQUIRE(h.answer(200, pem + old).ok());
  CHECK(h.trust() == pem + old);
  CHECK(ask(h).path == "/v1-k3s/config");
  // Another file over the verified connection than before it: begun anew.
  h.restart();
  REQUIRE(h.answer(200, pem + old).ok());
  CHECK_FALSE(h.answer(200, pem).ok());
  CHECK_FALSE(ask(h).verified);
  REQUIRE(h.answer(200, pem).ok());
  CHECK(why_hopeless(h).find("token CA hash does not match") == 0);
}

TEST_CASE("without a pin the CA that is found is taken, and from then on insisted upon") {
  auto h = start("secret", false, std::string(64, 'd'));
  REQUIRE(h.answer(200, pem).ok());
  CHECK(h.trust() == pem);
  CHECK(ask(h).verified);
  // The second fetch comes over a verified connection; other words than the first time start anew.
  CHECK(!h.answer(200, pem + pem).ok());
  CHECK(!ask(h).verified);
}

TEST_CASE("at each step a wrong kind of answer begins the handshake anew and is not kept") {
  for (int at = 0; at < steps_in_all; ++at) {
    for (const char* body : {html, "", "{\"kind\":\"Status\"", "[1,"}) {
      auto h = start();
      feed(h, at);
      const auto got = h.answer(200, body);
      CAPTURE(at);
      CAPTURE(body);
      REQUIRE(!got.ok());
      CHECK(got.code() == errc::unavailable);
      CHECK(got.why().note.find('\n') == std::string::npos);
      CHECK(ask(h).path == "/cacerts");
      CHECK(!ask(h).verified);
      feed(h, steps_in_all);
      CHECK(std::holds_alternative<complete>(h.next()));
    }
  }
}

TEST_CASE("at each step a server in trouble is asked again, and a refusal is final") {
  for (int at = 0; at < steps_in_all; ++at) {
    CAPTURE(at);
    for (const int status : {500, 502, 503, 429, 404, 302}) {
      auto h = start();
      feed(h, at);
      const auto path = ask(h).path;
      const auto got = h.answer(status, "{\"message\":\"starting\"}");
      REQUIRE(!got.ok());
      CHECK(got.code() == errc::unavailable);
      CHECK(got.why().note.find("starting") != std::string::npos);
      CHECK(ask(h).path == path);
    }
    auto unknown = start();
    feed(unknown, at);
    REQUIRE(unknown.answer(401, "").ok());
    CHECK(why_hopeless(unknown).find("does not accept the token") != std::string::npos);
    auto forbidden = start();
    feed(forbidden, at);
    REQUIRE(forbidden.answer(403, "{\"message\":\"node password rejected\"}").ok());
    CHECK(why_hopeless(forbidden) == "node password rejected");
  }
}

TEST_CASE("a certificate that counts no longer is put aside and the token decides") {
  auto h = start("secret", true);
  CHECK(!ask(h).with_certificate);
  feed(h, 2);
  CHECK(ask(h).with_certificate);
  REQUIRE(h.answer(401, "").ok());
  CHECK(!ask(h).with_certificate);
  CHECK(ask(h).path == "/v1-k3s/config");
  REQUIRE(h.answer(401, "").ok());
  CHECK(why_hopeless(h).find("token") != std::string::npos);
}

TEST_CASE("a restart begins with the CA, and what was refused stays refused") {
  auto h = start();
  feed(h, 5);
  h.restart();
  CHECK(ask(h).path == "/cacerts");
  CHECK(!ask(h).verified);
  feed(h, steps_in_all);
  CHECK(std::holds_alternative<complete>(h.next()));

  auto refused = start();
  feed(refused, 6);
  REQUIRE(refused.answer(403, "no").ok());
  refused.restart();
  CHECK(why_hopeless(refused) == "no");
}

TEST_CASE("a list of servers must be a list") {
  auto h = start();
  feed(h, 8);
  CHECK(!h.answer(200, "{\"servers\":[]}").ok());
  CHECK(ask(h).path == "/cacerts");
}
