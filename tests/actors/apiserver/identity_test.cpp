#include <doctest/doctest.h>

#include "actors/apiserver/identity.hpp"

using namespace troupe;
using namespace troupe::apiserver;

namespace {
const accepted_tokens tokens{secret_text("server-secret"), secret_text("agent-secret")};
using groups = std::vector<std::string>;

net::http::request with_header(const char* authorization) {
  net::http::request ask;
  if (authorization) ask.headers.add("Authorization", authorization);
  return ask;
}
user_info good(const net::http::request& ask, const accepted_tokens& accepted = tokens) {
  auto who = identify(ask, accepted);
  REQUIRE(std::holds_alternative<user_info>(who));
  return std::get<user_info>(who);
}
int code(const net::http::request& ask, const accepted_tokens& accepted = tokens) {
  auto who = identify(ask, accepted);
  return std::holds_alternative<api_error>(who) ? std::get<api_error>(who).code : 200;
}
}  // namespace

TEST_CASE("nobody in particular is anonymous") {
  const auto who = good(with_header(nullptr));
  CHECK(who.name == "system:anonymous");
  CHECK(who.groups == groups{"system:unauthenticated"});
}

TEST_CASE("a verified certificate says who is asking") {
  auto ask = with_header("Bearer nonsense");   // the certificate counts
  ask.peer.verified = true;
  ask.peer.common_name = "system:node:n1";
  ask.peer.organizations = {"system:nodes"};
  CHECK(good(ask).name == "system:node:n1");
  CHECK(good(ask).groups == groups{"system:nodes", "system:authenticated"});
}

TEST_CASE("an unverified certificate, or one without a name, says nothing") {
  auto ask = with_header(nullptr);
  ask.peer.common_name = "admin";
  ask.peer.organizations = {"system:masters"};
  CHECK(good(ask).name == "system:anonymous");
  CHECK(good(ask).groups == groups{"system:unauthenticated"});
  ask.peer.verified = true;
  ask.peer.common_name.clear();
  CHECK(good(ask).name == "system:anonymous");
}

TEST_CASE("a token says who is asking in each of its spellings") {
  const std::string full = "Bearer K10" + std::string(64, 'a') + "::server:server-secret";
  for (const char* text : {"Bearer server-secret", "bearer server-secret", "BEARER server-secret", full.c_str()}) {
    CHECK(good(with_header(text)).name == "server");
    CHECK(good(with_header(text)).groups == groups{"k3s:server", "system:authenticated"});
  }
  CHECK(good(with_header("Bearer agent-secret")).name == "node");
}

TEST_CASE("a credential that is wrong is never taken for none") {
  for (const char* text : {"Bearer wrong", "Bearer ", "Bearer", "Basic c2VydmVyLXNlY3JldA==", "", "server-secret", "Bearer server-secre",
                           "Bearer server-secret ", "Bearer K10::server:wrong", "Bearer K10"})
    CHECK_MESSAGE(code(with_header(text)) == 401, text);
}

TEST_CASE("an empty token of the cluster opens no door") {
  for (const char* text : {"Bearer ", "Bearer K10::server:", "Bearer K10::"}) CHECK_MESSAGE(code(with_header(text), {}) == 401, text);
}

TEST_CASE("a master may ask as somebody else and then is nobody but them; others may not") {
  net::http::request ask;
  ask.peer.verified = true;
  ask.peer.common_name = "system:admin";
  ask.peer.organizations = {"system:masters"};
  ask.headers.add("Impersonate-User", "bob");
  CHECK(good(ask).name == "bob");
  CHECK(good(ask).groups == groups{"system:authenticated"});
  ask.headers.add("Impersonate-Group", "dev");
  ask.headers.add("Impersonate-Group", "ops");
  CHECK(good(ask).groups == groups{"dev", "ops", "system:authenticated"});
  ask.peer.organizations = {"system:nodes"};
  CHECK(code(ask) == 403);

  auto nobody = with_header(nullptr);
  nobody.headers.add("Impersonate-User", "bob");
  nobody.headers.add("Impersonate-Group", "system:masters");
  CHECK(code(nobody) == 403);
  auto agent = with_header("Bearer agent-secret");
  agent.headers.add("Impersonate-User", "system:admin");
  CHECK(code(agent) == 403);
  net::http::request groups_only;
  groups_only.peer = {true, "system:admin", {"system:masters"}, "", {}, ""};
  groups_only.headers.add("Impersonate-Group", "dev");
  CHECK(code(groups_only) == 400);
  auto stranger = groups_only;
  stranger.headers = {};
  stranger.headers.add("Impersonate-User", "system:anonymous");
  CHECK(good(stranger).groups == groups{"system:unauthenticated"});
}
