#include "actors/registration/bootstrap_token.hpp"

#include <doctest/doctest.h>

#include "basis/bytes.hpp"

using namespace troupe;
using namespace troupe::registration;

namespace {

const auto now = *parse_rfc3339("2026-11-22T12:00:00Z");
constexpr const char* good_token = "abcdef.0123456789abcdef";

json good_secret() {
  json out{{"type", "bootstrap.kubernetes.io/token"}, {"metadata", {{"name", "bootstrap-token-abcdef"}}}, {"data", json::object()}};
  const std::pair<const char*, const char*> fields[] = {{"token-id", "abcdef"}, {"token-secret", "0123456789abcdef"}, {"expiration", "2026-11-22T12:00:01Z"},
                                                        {"usage-bootstrap-authentication", "true"}, {"auth-extra-groups", "system:bootstrappers:k3s:default-node-token"}};
  for (const auto& [key, value] : fields) out["data"][key] = to_base64(value);
  return out;
}
json with(const char* key, const char* value) {
  auto out = good_secret();
  out["data"][key] = to_base64(value);
  return out;
}

}  // namespace

TEST_CASE("a good bootstrap token makes its holder a bootstrapper with the groups that it adds") {
  const auto who = judge_bootstrap_token(good_secret(), good_token, now);
  REQUIRE(who.ok());
  CHECK(who->name == "system:bootstrap:abcdef");
  CHECK(who->groups == std::vector<std::string>{"system:bootstrappers", "system:bootstrappers:k3s:default-node-token"});
  auto forever = good_secret();
  forever["data"].erase("expiration");
  forever["data"].erase("auth-extra-groups");
  CHECK(judge_bootstrap_token(forever, good_token, now + std::chrono::hours(100000)).ok());
}

TEST_CASE("a token that is expired, of another secret or meant for something else admits nobody") {
  CHECK(!judge_bootstrap_token(good_secret(), good_token, now + std::chrono::seconds(1)).ok());
  CHECK(!judge_bootstrap_token(good_secret(), "abcdef.0123456789abcdee", now).ok());
  CHECK(!judge_bootstrap_token(good_secret(), "abcdee.0123456789abcdef", now).ok());
  CHECK(!judge_bootstrap_token(with("expiration", "tomorrow"), good_token, now).ok());
  CHECK(!judge_bootstrap_token(with("usage-bootstrap-authentication", "false"), good_token, now).ok());
  CHECK(!judge_bootstrap_token(with("auth-extra-groups", "system:masters"), good_token, now).ok());
  CHECK(!judge_bootstrap_token(with("token-secret", ""), "abcdef.", now).ok());
  auto other = good_secret();
  other["type"] = "Opaque";
  CHECK(!judge_bootstrap_token(other, good_token, now).ok());
  auto leaving = good_secret();
  leaving["metadata"]["deletionTimestamp"] = "2026-11-22T11:59:59Z";
  CHECK(!judge_bootstrap_token(leaving, good_token, now).ok());
  for (const char* text : {"{}", "[]", "7", R"({"type":"bootstrap.kubernetes.io/token","data":{"token-id":7,"token-secret":"%%%"}})"})
    CHECK(!judge_bootstrap_token(*parse_json(text), good_token, now).ok());
}

TEST_CASE("what a refusal says never holds the secret") {
  for (const char* given : {"abcdef.0123456789abcdee", "xx", "abcdee.0123456789abcdef"}) {
    const auto no = judge_bootstrap_token(good_secret(), given, now);
    REQUIRE(!no.ok());
    CHECK(no.why().text().find("0123456789") == std::string::npos);
  }
}
