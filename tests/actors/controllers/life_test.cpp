#include <doctest/doctest.h>

#include <set>

#include "actors/controllers/accounts/accounts.hpp"
#include "actors/controllers/controllers.hpp"
#include "actors/controllers/life.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::controllers;

namespace {
const wall_time noon = *parse_rfc3339("2026-11-22T12:00:00Z");
json node(const char* ready, json taints = nullptr) {
  json out{{"metadata", {{"name", "n"}}}, {"spec", json::object()}, {"status", json::object()}};
  if (ready) out["status"]["conditions"] = json::array({{{"type", "DiskPressure"}, {"status", "False"}}, {{"type", "Ready"}, {"status", ready}}});
  if (!taints.is_null()) out["spec"]["taints"] = std::move(taints);
  return out;
}
json taint(const char* key, const char* effect) { return {{"key", key}, {"effect", effect}}; }
std::string keys(const std::optional<json>& taints) {
  if (!taints) return "unchanged";
  std::string out;
  for (const auto& t : *taints) out += (out.empty() ? "" : " ") + text_or(t["key"]) + ":" + text_or(t["effect"]);
  return out;
}
const std::string gone_away = "node.kubernetes.io/unreachable:NoSchedule node.kubernetes.io/unreachable:NoExecute";
const std::string not_ready = "node.kubernetes.io/not-ready:NoSchedule node.kubernetes.io/not-ready:NoExecute";
}  // namespace

TEST_CASE("readiness is the Ready condition's status, or nothing") {
  CHECK(readiness(node("True")) == "True");
  CHECK(readiness(node("Unknown")) == "Unknown");
  CHECK(readiness(node(nullptr)).empty());
  CHECK(readiness(json::object()).empty());
  CHECK(readiness(json{{"status", {{"conditions", "nonsense"}}}}).empty());
}

TEST_CASE("a Lease tells when its node's clock is more than a minute from ours, either way, and nothing when it cannot be read") {
  CHECK_FALSE(clock_differs("2026-11-22T12:00:59.999999Z", noon));
  CHECK_FALSE(clock_differs("2026-11-22T11:59:00.000000Z", noon));
  CHECK(clock_differs("2026-11-22T12:01:01.000000Z", noon));
  CHECK(clock_differs("2024-11-22T12:00:00.000000Z", noon));
  CHECK(clock_differs("2046-11-22T12:00:00.000000Z", noon));
  CHECK_FALSE(clock_differs("", noon));
  CHECK_FALSE(clock_differs("noise", noon));
}

TEST_CASE("only a silent node that is not yet Unknown is declared Unknown") {
  for (const char* ready : {"True", "False", "Unknown"}) {
    CHECK(!status_change(node(ready), pulse::beating, noon));
    CHECK(status_change(node(ready), pulse::silent, noon).has_value() == (std::string_view(ready) != "Unknown"));
  }
  CHECK(!status_change(node(nullptr), pulse::beating, noon));
  const auto patch = status_change(node(nullptr), pulse::silent, noon);
  REQUIRE(patch);
  const auto& conditions = (*patch)["status"]["conditions"];
  REQUIRE(conditions.size() == 4);
  for (const auto& c : conditions) {
    CHECK(text_or(c["status"]) == "Unknown");
    CHECK(text_or(c["reason"]) == "NodeStatusUnknown");
    CHECK(text_or(c["lastTransitionTime"]) == "2026-11-22T12:00:00Z");
  }
}

TEST_CASE("taints follow readiness in both directions") {
  CHECK(keys(taint_change(node("True"), noon)) == "unchanged");
  CHECK(keys(taint_change(node("Unknown"), noon)) == gone_away);
  CHECK(keys(taint_change(node("False"), noon)) == not_ready);
  // A node that never was ready has run nothing.
  CHECK(keys(taint_change(node(nullptr), noon)) == "node.kubernetes.io/not-ready:NoSchedule");

  const auto away = *taint_change(node("Unknown"), noon), unready = *taint_change(node("False"), noon);
  for (const auto& t : away) CHECK(text_or(t["timeAdded"]) == "2026-11-22T12:00:00Z");
  CHECK(keys(taint_change(node("Unknown", away), noon)) == "unchanged");
  CHECK(keys(taint_change(node("False", unready), noon)) == "unchanged");
  CHECK(keys(taint_change(node("True", away), noon)).empty());
  CHECK(keys(taint_change(node("True", unready), noon)).empty());
  CHECK(keys(taint_change(node("False", away), noon)) == not_ready);
  CHECK(keys(taint_change(node("Unknown", unready), noon)) == gone_away);
}

TEST_CASE("half of the taints is completed, and those of others are left alone") {
  const auto half = json::array({taint("node.kubernetes.io/unreachable", "NoExecute")});
  CHECK(keys(taint_change(node("Unknown", half), noon)) ==
        "node.kubernetes.io/unreachable:NoExecute node.kubernetes.io/unreachable:NoSchedule");
  const auto mine = json::array({taint("dedicated", "NoSchedule"), taint("node.kubernetes.io/not-ready", "NoSchedule"),
                                 taint("node.kubernetes.io/out-of-service", "NoExecute")});
  CHECK(keys(taint_change(node("True", mine), noon)) == "dedicated:NoSchedule node.kubernetes.io/out-of-service:NoExecute");
  CHECK(keys(taint_change(node("Unknown", json::array({taint("dedicated", "NoSchedule")})), noon)) == "dedicated:NoSchedule " + gone_away);
}

TEST_CASE("a node that is cordoned or under pressure keeps new pods away as long as it is, and no longer") {
  auto one = node("True");
  one["spec"]["unschedulable"] = true;
  auto taints = taint_change(one, noon);
  CHECK(keys(taints) == "node.kubernetes.io/unschedulable:NoSchedule");
  one["spec"]["taints"] = *taints;
  CHECK(keys(taint_change(one, noon)) == "unchanged");
  one["status"]["conditions"].push_back({{"type", "PIDPressure"}, {"status", "True"}});
  one["status"]["conditions"][0]["status"] = "True";   // DiskPressure
  one["spec"]["unschedulable"] = false;
  taints = taint_change(one, noon);
  CHECK(keys(taints) == "node.kubernetes.io/disk-pressure:NoSchedule node.kubernetes.io/pid-pressure:NoSchedule");
  one["spec"]["taints"] = *taints;
  one["spec"]["taints"].push_back(taint("node.kubernetes.io/disk-pressure", "NoExecute"));   // another's
  one["status"]["conditions"][0]["status"] = "Unknown";
  CHECK(keys(taint_change(one, noon)) == "node.kubernetes.io/pid-pressure:NoSchedule node.kubernetes.io/disk-pressure:NoExecute");
}

TEST_CASE("a namespace that is not known to everybody yet gets its account and its trust a moment later") {
  testing::stage on;
  auto script = std::make_shared<testing::api_script>();
  int refused = 0;
  std::set<std::string> made;
  script->on_call = [&](const client::api_call& ask) -> testing::api_script::reply {
    const json items = ask.path.starts_with("/api/v1/namespaces") ? json::array({{{"metadata", {{"name", "new"}, {"uid", "u"}, {"resourceVersion", "4"}}}}}) : json::array();
    if (ask.method == "GET") return client::api_answer{200, to_text({{"metadata", {{"resourceVersion", "5"}}}, {"items", items}})};
    if (++refused <= 3) return client::api_answer{refused == 2 ? 403 : 404, "{}"};
    made.insert(ask.path);
    return client::api_answer{201, "{}"};
  };
  const auto controller = on.show(make_accounts(on.world, testing::make_fake_api(on, script), "trust"));
  on.run.run_for(5s);
  CHECK(made == std::set<std::string>{"/api/v1/namespaces/new/serviceaccounts", "/api/v1/namespaces/new/configmaps"});
}

TEST_CASE("a taint whose removal met another writer's change goes with the newer object, not with the next tick") {
  for (const bool seen_before_the_answer : {true, false}) {
    testing::stage on;
    auto script = std::make_shared<testing::api_script>();
    auto fresh = node("True", json::array({taint("node.kubernetes.io/not-ready", "NoSchedule")}));
    fresh["metadata"]["resourceVersion"] = "5";
    auto newer = fresh;
    newer["metadata"]["resourceVersion"] = "6";
    std::vector<std::string> bases;
    bool hold = true;
    script->on_call = [&](const client::api_call& ask) -> testing::api_script::reply {
      if (ask.path.find("leases") != std::string::npos) return client::api_answer{200, R"({"metadata":{"resourceVersion":"5"},"items":[]})"};
      if (ask.method == "GET") return client::api_answer{200, to_text({{"metadata", {{"resourceVersion", "5"}}}, {"items", json::array({fresh})}})};
      if (ask.path.ends_with("/events")) return client::api_answer{201, "{}"};
      if (hold) return std::nullopt;
      bases.push_back(text_or(dig(*parse_json(ask.body), "metadata", "resourceVersion")));
      auto clean = newer;
      clean["spec"].erase("taints");
      return bases.back() == "6" ? client::api_answer{200, to_text(clean)} : client::api_answer{409, "{}"};
    };
    const auto fake = testing::make_fake_api(on, script);
    const auto controller = on.show(make_node_life(on.world, {}, fake, {}));
    on.run.run_for(1s);
    REQUIRE(script->held.size() == 1);
    const auto nodes = std::find_if(script->watches.begin(), script->watches.end(), [](const auto& w) { return w.call.path.find("nodes") != std::string::npos; });
    REQUIRE(nodes != script->watches.end());
    auto tell = [&] { rt::post(nodes->to, client::watch_event{nodes->watch, "MODIFIED", std::make_shared<const json>(newer)}); };
    if (seen_before_the_answer) tell();
    on.run.run_for(10ms);
    hold = false;
    rt::post(fake, testing::release_held{});
    on.run.run_for(10ms);
    if (!seen_before_the_answer) tell();
    on.run.run_for(1s);
    // Nothing is gone on with here but what the conflict itself brings: the next tick is 5 s after the first.
    REQUIRE(bases.size() >= 2);
    CHECK(bases[0] == "5");
    CHECK(bases[1] == "6");
  }
}
