// pods/ephemeralcontainers: what it may change, and nothing else.
#include <doctest/doctest.h>

#include "actors/apiserver/resources/rules/subresources/guests.hpp"

using namespace troupe;
using namespace troupe::apiserver;

namespace {
json pod(const std::string& guests) {
  json out = *parse_json(R"({"metadata":{"name":"p","resourceVersion":"1"},"spec":{"nodeName":"n1","containers":[{"name":"main","image":"a"}]}})");
  if (!guests.empty()) out["spec"]["ephemeralContainers"] = *parse_json(guests);
  return out;
}
std::string problems(const std::string& before, const std::string& now) {
  rules::causes out;
  rules::check_guests(pod(before), pod(now), out);
  std::string text;
  for (const auto& one : out) text += one.field + ": " + one.message + "\n";
  return text;
}
}  // namespace

TEST_CASE("only the ephemeral containers of a body reach the pod") {
  auto body = pod(R"([{"name":"look","image":"t"}])");
  body["spec"]["nodeName"] = "other";
  body["spec"]["containers"][0]["image"] = "evil";
  body["status"] = {{"phase", "Failed"}};
  rules::keep_but_guests(pod(""), body);
  CHECK(body["spec"]["nodeName"] == "n1");
  CHECK(body["spec"]["containers"][0]["image"] == "a");
  CHECK(body["spec"]["ephemeralContainers"].size() == 1);
  CHECK(!body.contains("status"));
}

TEST_CASE("ephemeral containers are added, never changed or removed, and serve nothing") {
  CHECK(problems("", R"([{"name":"look","image":"t","targetContainerName":"main"}])").empty());
  CHECK(problems(R"([{"name":"look","image":"t"}])", R"([{"name":"look","image":"u"}])").find("may not be changed") != std::string::npos);
  CHECK(problems(R"([{"name":"look","image":"t"}])", "").find("may not be removed") != std::string::npos);
  CHECK(problems("", R"([{"name":"main","image":"t"}])").find("ephemeralContainers[0].name: Duplicate value: \"main\"") != std::string::npos);
  CHECK(problems("", R"([{"name":"look"}])").find("ephemeralContainers[0].image: Required value") != std::string::npos);
  CHECK(problems("", R"([{"name":"look","image":"t","ports":[{"containerPort":1}]}])").find("cannot be set for an Ephemeral Container") != std::string::npos);
  CHECK(problems("", R"([{"name":"look","image":"t","targetContainerName":"no"}])").find("Not found") != std::string::npos);
}
