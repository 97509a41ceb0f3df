#include <doctest/doctest.h>

#include "actors/client/clients.hpp"

using namespace troupe;

namespace {
const wall_time noon = *parse_rfc3339("2026-11-22T12:00:00Z");
const json web{{"kind", "Deployment"}, {"apiVersion", "apps/v1"}, {"metadata", {{"name", "web"}, {"namespace", "shop"}, {"uid", "u1"}}}};
const model::event_words scaled{"Normal", "ScalingReplicaSet", "Scaled up replica set web-1 from 0 to 2", "deployment-controller"};

struct said { std::string method, path; json body; };
/// An API that answers every PATCH with `patched`.
std::vector<said> say(const model::told_event& what, int patched) {
  std::vector<said> out;
  client::say_event(what, [&out, patched](const std::string& method, const std::string& path, const json& body, const std::string&, auto then) {
    out.push_back({method, path, body});
    then(client::api_answer{method == "PATCH" ? patched : 201, "{}"});
  });
  return out;
}
}  // namespace

TEST_CASE("an event that is said again is counted, and one that has expired meanwhile is made once more with its count") {
  model::event_counter counter;
  const auto first = say(counter.say(web, scaled, noon), 200);
  REQUIRE(first.size() == 1);
  CHECK(first[0].method == "POST");
  CHECK(first[0].path == "/api/v1/namespaces/shop/events");
  CHECK(first[0].body["count"] == 1);
  const auto name = text_or(first[0].body["metadata"]["name"]);

  const auto second = say(counter.say(web, scaled, noon + 1s), 200);
  REQUIRE(second.size() == 1);
  CHECK(second[0].method == "PATCH");
  CHECK(second[0].path == "/api/v1/namespaces/shop/events/" + name);
  CHECK(second[0].body == json{{"count", 2}, {"lastTimestamp", "2026-11-22T12:00:01Z"}});

  const auto expired = say(counter.say(web, scaled, noon + 3h), 404);
  REQUIRE(expired.size() == 2);
  CHECK(expired[1].method == "POST");
  CHECK(expired[1].path == "/api/v1/namespaces/shop/events");
  CHECK(expired[1].body["metadata"]["name"] == name);
  CHECK(expired[1].body["count"] == 3);
  CHECK(expired[1].body["firstTimestamp"] == "2026-11-22T12:00:00Z");
  CHECK(expired[1].body["lastTimestamp"] == "2026-11-22T15:00:00Z");
}

TEST_CASE("a controller that starts anew says an event of its own and does not collide with the one before") {
  model::event_counter before, after;
  const auto old = before.say(web, scaled, noon), fresh = after.say(web, scaled, noon + 1min);
  CHECK_FALSE(fresh.again);
  CHECK(old.event["metadata"]["name"] != fresh.event["metadata"]["name"]);
}

TEST_CASE("who says many different things remembers only so many") {
  model::event_counter few(2);
  auto about = [&](const char* why) { return few.say(web, {"Warning", "FailedCreate", why, "replicaset-controller"}, noon).again; };
  CHECK_FALSE(about("a"));
  CHECK_FALSE(about("b"));
  CHECK(about("a"));
  CHECK_FALSE(about("c"));   // all are forgotten
  CHECK_FALSE(about("a"));
  CHECK(about("c"));
}
