#include "actors/revocation/revoked.hpp"

#include <doctest/doctest.h>

#include "net/tls/issuer.hpp"

using namespace troupe;
using namespace troupe::revocation;

namespace {

net::peer_identity node_issued_at(const char* node, const char* time) {
  net::peer_identity out;
  out.verified = true;
  out.common_name = std::string("system:node:") + node;
  out.organizations = {"system:nodes"};
  out.not_before = *parse_rfc3339(time) - net::tls::backdate;
  return out;
}
revoked_nodes from(const char* text) { return revoked_nodes(*parse_json(text)); }

}  // namespace

TEST_CASE("a revoked node may neither register nor use any certificate, and the sentence names the way back") {
  const auto list = from(R"({"data":{"web":"refused since 2026-11-22T12:00:00Z"}})");
  REQUIRE(list.refusal(node_name{"web"}));
  CHECK(*list.refusal(node_name{"web"}) == "node web was revoked at 2026-11-22T12:00:00Z; on a server, `troupe node admit web` lets it in again");
  CHECK(list.refusal(node_issued_at("web", "2026-11-22T11:00:00Z")));
  CHECK(list.refusal(node_issued_at("web", "2026-11-22T13:00:00Z")));
  CHECK(!list.refusal(node_name{"other"}));
  CHECK(!list.refusal(node_issued_at("other", "2026-11-22T11:00:00Z")));
}

TEST_CASE("a node that is admitted again registers anew; what was issued before stays void") {
  const auto list = from(R"({"data":{"web":"admitted since 2026-11-22T12:00:00Z"}})");
  CHECK(!list.refusal(node_name{"web"}));
  CHECK(list.refusal(node_issued_at("web", "2026-11-22T11:59:59Z")));
  CHECK(!list.refusal(node_issued_at("web", "2026-11-22T12:00:00Z")));
}

TEST_CASE("only certificates of nodes are looked at, and nobody without one") {
  const auto list = from(R"({"data":{"web":"refused since 2026-11-22T12:00:00Z"}})");
  auto who = node_issued_at("web", "2026-11-22T11:00:00Z");
  who.verified = false;
  CHECK(!list.refusal(who));
  who.verified = true;
  who.common_name = "web";
  CHECK(!list.refusal(who));
}

TEST_CASE("a line that cannot be read refuses, and what is no list revokes nobody") {
  CHECK(from(R"({"data":{"web":"yes"}})").refusal(node_name{"web"}));
  CHECK(from(R"({"data":{"web":7,"":"refused since 2026-11-22T12:00:00Z","..":"x"}})").lines().size() == 1);
  for (const char* text : {"{}", "[]", "7", R"({"data":[]})"}) CHECK(from(text).lines().empty());
}

TEST_CASE("lines are written as they are read") {
  for (const char* text : {"refused since 2026-11-22T12:00:00Z", "admitted since 2026-11-22T12:00:00Z"}) CHECK(to_text(*parse_line(text)) == text);
  for (const char* text : {"", "refused", "refused since", "refused since yesterday", "admitted since 7"}) CHECK(!parse_line(text));
}
