#include "actors/controllers/endpoints/endpoints.hpp"
#include "actors/controllers/endpoints/plan.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::controllers;
using kind = planned_write::kind;

namespace {

json service(json ports = json::array({{{"port", 80}, {"targetPort", 8080}, {"protocol", "TCP"}}})) {
  return {{"apiVersion", "v1"}, {"kind", "Service"}, {"metadata", {{"name", "web"}, {"namespace", "d"}, {"uid", "s-1"}, {"labels", {{"team", "a"}}}}},
          {"spec", {{"clusterIP", "10.43.0.7"}, {"selector", {{"app", "web"}}}, {"ports", std::move(ports)}}}};
}
json headless() {
  auto out = service(json::array());
  out["spec"]["clusterIP"] = "None";
  return out;
}
json pod(const std::string& name, const std::string& ip, bool ready = true, json labels = {{"app", "web"}}) {
  json out{{"kind", "Pod"}, {"metadata", {{"name", name}, {"namespace", "d"}, {"uid", "u-" + name}, {"labels", std::move(labels)}}},
           {"spec", {{"nodeName", "n1"}}}, {"status", {{"phase", "Running"}, {"podIP", ip}, {"podIPs", json::array({{{"ip", ip}}})}}}};
  out["status"]["conditions"] = json::array({{{"type", "Ready"}, {"status", ready ? "True" : "False"}}});
  return out;
}
std::shared_ptr<const json> shared(json of) { return std::make_shared<const json>(std::move(of)); }
const zone_map zones{{"n1", "west"}};

/// The slices that writing `todo` leaves, with names for those that are new.
std::vector<std::shared_ptr<const json>> written(std::vector<std::shared_ptr<const json>> present, const std::vector<planned_write>& todo) {
  static int numbers = 0;
  for (const auto& w : todo) {
    std::erase_if(present, [&](const auto& s) { return !w.name.empty() && text_or(dig(*s, "metadata", "name")) == w.name; });
    if (w.what == kind::remove) continue;
    auto object = w.object;
    if (w.what == kind::create) object["metadata"]["name"] = "web-" + std::to_string(++numbers);
    present.push_back(shared(std::move(object)));
  }
  return present;
}
std::string addresses(const json& subset, const char* list) {
  std::string out;
  for (const auto& a : dig(subset, list)) out += (out.empty() ? "" : " ") + text_or(a["ip"]);
  return out;
}
pod_list many(int count) {
  pod_list out;
  for (int i = 0; i < count; ++i) out.push_back(shared(pod("p" + std::to_string(i), "10.42." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1))));
  return out;
}

}  // namespace

TEST_CASE("endpoints tell ready pods from those that are not, in order of addresses") {
  const auto todo = plan_endpoints(service(), {shared(pod("b", "10.42.0.3")), shared(pod("a", "10.42.0.2")), shared(pod("c", "10.42.0.4", false))}, zones, nullptr);
  REQUIRE(todo.size() == 1);
  CHECK(todo[0].what == kind::create);
  const auto& subset = todo[0].object.at("subsets").at(0);
  CHECK(addresses(subset, "addresses") == "10.42.0.2 10.42.0.3");
  CHECK(addresses(subset, "notReadyAddresses") == "10.42.0.4");
  CHECK(subset["ports"] == json::array({{{"port", 8080}, {"protocol", "TCP"}}}));
  CHECK(subset["addresses"][0] == json{{"ip", "10.42.0.2"}, {"nodeName", "n1"}, {"targetRef", {{"kind", "Pod"}, {"namespace", "d"}, {"name", "a"}, {"uid", "u-a"}}}});
  CHECK(todo[0].object["metadata"]["labels"] == json{{"team", "a"}, {"endpoints.kubernetes.io/managed-by", "endpoint-controller"}});
}

TEST_CASE("endpoints that are as they should be are not written again, and without pods they stay, empty") {
  const auto first = plan_endpoints(service(), {shared(pod("a", "10.42.0.2"))}, zones, nullptr).at(0).object;
  CHECK(plan_endpoints(service(), {shared(pod("a", "10.42.0.2"))}, zones, &first).empty());
  const auto none = plan_endpoints(service(), {}, zones, &first);
  REQUIRE(none.size() == 1);
  CHECK(none[0].what == kind::update);
  CHECK(!none[0].object.contains("subsets"));
}

TEST_CASE("pods that are over, that go or that have no address yet are no addresses") {
  auto over = pod("over", "10.42.0.2"), going = pod("going", "10.42.0.3"), early = pod("early", "");
  over["status"]["phase"] = "Succeeded";
  going["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z";
  early["status"].erase("podIPs");
  CHECK(!plan_endpoints(service(), {shared(over), shared(going), shared(early)}, zones, nullptr).at(0).object.contains("subsets"));
  // A slice still shows the one that goes, so that proxies may use it when nobody else is left.
  const auto slices = plan_slices(service(), {shared(over), shared(going), shared(early)}, zones, {});
  REQUIRE(slices.size() == 1);
  REQUIRE(slices[0].object["endpoints"].size() == 1);
  CHECK(slices[0].object["endpoints"][0]["conditions"] == json{{"ready", false}, {"serving", true}, {"terminating", true}});
}

TEST_CASE("a service that publishes what is not ready calls all of it ready") {
  auto all = service();
  all["spec"]["publishNotReadyAddresses"] = true;
  const auto waiting = shared(pod("a", "10.42.0.2", false));
  CHECK(addresses(plan_endpoints(all, {waiting}, zones, nullptr).at(0).object["subsets"][0], "addresses") == "10.42.0.2");
  CHECK(plan_slices(all, {waiting}, zones, {}).at(0).object["endpoints"][0]["conditions"] == json{{"ready", true}, {"serving", false}, {"terminating", false}});
}

TEST_CASE("a named port is each pod's own number, sidecars' too, and pods without it are left out") {
  auto named = service(json::array({{{"name", "http"}, {"port", 80}, {"targetPort", "web"}}}));
  auto a = pod("a", "10.42.0.2"), b = pod("b", "10.42.0.3"), none = pod("none", "10.42.0.4"), aside = pod("aside", "10.42.0.5");
  a["spec"]["containers"] = json::array({{{"ports", json::array({{{"name", "web"}, {"containerPort", 8080}}})}}});
  b["spec"]["containers"] = json::array({{{"ports", json::array({{{"name", "web"}, {"containerPort", 9090}, {"protocol", "TCP"}}})}}});
  aside["spec"]["initContainers"] = json::array({{{"restartPolicy", "Always"}, {"ports", json::array({{{"name", "web"}, {"containerPort", 9090}}})}}});
  const auto todo = plan_slices(named, {shared(a), shared(b), shared(none), shared(aside)}, zones, {});
  REQUIRE(todo.size() == 2);
  CHECK(todo[0].object["ports"] == json::array({{{"name", "http"}, {"port", 8080}, {"protocol", "TCP"}}}));
  CHECK(todo[1].object["ports"][0]["port"] == 9090);
  CHECK(todo[1].object["endpoints"].size() == 2);
}

TEST_CASE("slices hold at most a hundred endpoints, and one pod's going changes one slice") {
  auto pods = many(250);
  auto slices = written({}, plan_slices(service(), pods, zones, {}));
  REQUIRE(slices.size() == 3);
  for (const auto& s : slices) CHECK((*s)["endpoints"].size() <= slice_size_max);
  CHECK(plan_slices(service(), pods, zones, slices).empty());
  pods.erase(pods.begin() + 120);
  const auto less = plan_slices(service(), pods, zones, slices);
  REQUIRE(less.size() == 1);
  CHECK(less[0].what == kind::update);
  slices = written(slices, less);
  pods.push_back(shared(pod("new", "10.42.9.9")));
  const auto more = plan_slices(service(), pods, zones, slices);
  REQUIRE(more.size() == 1);
  CHECK(more[0].what == kind::update);
}

TEST_CASE("a service without pods has one empty slice, which the first pods take over") {
  auto slices = written({}, plan_slices(service(), {}, zones, {}));
  REQUIRE(slices.size() == 1);
  CHECK((*slices[0])["endpoints"] == json::array());
  const auto todo = plan_slices(service(), {shared(pod("a", "10.42.0.2"))}, zones, slices);
  REQUIRE(todo.size() == 1);
  CHECK(todo[0].what == kind::update);
  CHECK(todo[0].object["ports"][0]["port"] == 8080);
  CHECK(plan_slices(service(), {}, zones, written(slices, todo)).at(0).what == kind::update);
}

TEST_CASE("slices that are too many are removed") {
  auto slices = written({}, plan_slices(service(), many(250), zones, {}));
  const auto todo = plan_slices(service(), {shared(pod("p0", "10.42.0.1"))}, zones, slices);
  CHECK(std::ranges::count_if(todo, [](const auto& w) { return w.what == kind::remove; }) == 2);
  CHECK(written(slices, todo).size() == 1);
}

TEST_CASE("a slice says whose it is, where its pods are and what they are called") {
  auto named = pod("a", "10.42.0.2");
  named["spec"]["hostname"] = "first";
  named["spec"]["subdomain"] = "web";
  const auto made = plan_slices(headless(), {shared(named)}, zones, {}).at(0).object;
  CHECK(made["metadata"]["labels"] == json{{"team", "a"}, {service_label, "web"}, {managed_label, slice_manager}, {"service.kubernetes.io/headless", ""}});
  CHECK(made["metadata"]["ownerReferences"][0]["uid"] == "s-1");
  CHECK(made["addressType"] == "IPv4");
  CHECK(made["ports"] == json::array());
  const auto& e = made["endpoints"][0];
  CHECK(e["zone"] == "west");
  CHECK(e["nodeName"] == "n1");
  CHECK(e["hostname"] == "first");
  CHECK(plan_endpoints(headless(), {shared(named)}, zones, nullptr).at(0).object["subsets"][0]["addresses"][0]["hostname"] == "first");
}

TEST_CASE("each address family has slices of its own") {
  auto dual = service();
  dual["spec"]["ipFamilies"] = json::array({"IPv4", "IPv6"});
  auto both = pod("a", "10.42.0.2");
  both["status"]["podIPs"].push_back({{"ip", "fd00::2"}});
  const auto todo = plan_slices(dual, {shared(both)}, zones, {});
  REQUIRE(todo.size() == 2);
  CHECK(todo[1].object["addressType"] == "IPv6");
  CHECK(todo[1].object["endpoints"][0]["addresses"][0] == "fd00::2");
  const auto present = written({}, todo);
  CHECK(std::ranges::count_if(plan_slices(service(), {shared(both)}, zones, present), [](const auto& w) { return w.what == kind::remove; }) == 1);
}

TEST_CASE("nonsense in services and pods is survived") {
  for (const char* text : {"null", "[]", "{\"spec\":3}", "{\"spec\":{\"ports\":7,\"selector\":{\"a\":1},\"ipFamilies\":\"x\"},\"metadata\":[]}"}) {
    const auto odd = *parse_json(text);
    is_selecting(odd), selects(odd, odd);
    CHECK(gather(odd, {shared(odd)}, zones, "IPv4").empty());
  }
}

namespace {

/// The controller on a stage whose API remembers what was written.
struct rig {
  rig() {
    script->on_call = [this](const client::api_call& ask) -> testing::api_script::reply { return answer(ask); };
    api = testing::make_fake_api(on, script);
    controller = on.show(make_endpoints(on.world, {}, api));
  }
  client::api_answer answer(const client::api_call& ask) {
    if (ask.method == "GET") {
      json items = json::array();
      const auto path = ask.path.substr(0, ask.path.find('?'));
      for (const auto& one : lists[path]) items.push_back(one);
      return {200, to_text({{"metadata", {{"resourceVersion", "1"}}}, {"items", items}})};
    }
    writes.push_back(ask.method + " " + ask.path);
    if (refuse > 0) return --refuse, client::api_answer{409, "{}"};
    auto object = ask.body.empty() ? json::object() : *parse_json(ask.body);
    if (ask.method == "POST" && !object["metadata"].contains("name")) object["metadata"]["name"] = "web-abcde";
    object["metadata"]["resourceVersion"] = std::to_string(++version);
    return {200, to_text(object)};
  }
  std::string take() {
    std::string out;
    for (auto& w : std::exchange(writes, {})) out += (out.empty() ? "" : ", ") + w;
    return out;
  }
  testing::stage on;
  std::shared_ptr<testing::api_script> script = std::make_shared<testing::api_script>();
  testing::fake_api_actor api;
  endpoints_actor controller;
  std::map<std::string, std::vector<json>> lists;
  std::vector<std::string> writes;
  int refuse = 0, version = 10;
};
const std::string made = "POST /api/v1/namespaces/d/endpoints, POST /apis/discovery.k8s.io/v1/namespaces/d/endpointslices";

}  // namespace

TEST_CASE("what a service needs is written once, and again after a refusal") {
  rig r;
  r.lists["/api/v1/services"] = {service()};
  r.lists["/api/v1/pods"] = {pod("a", "10.42.0.2")};
  r.refuse = 1;
  r.on.run.run_for(200ms);
  CHECK(r.take() == "POST /api/v1/namespaces/d/endpoints");
  r.on.run.run_for(1s);
  CHECK(r.take() == made);
  r.on.run.run_for(10s);
  CHECK(r.take().empty());
}

TEST_CASE("services without a selector are left alone, and so are endpoints that somebody else made") {
  rig r;
  auto bare = service();
  bare["spec"].erase("selector");
  r.lists["/api/v1/services"] = {bare};
  r.lists["/api/v1/endpoints"] = {{{"metadata", {{"name", "web"}, {"namespace", "d"}}}}, {{"metadata", {{"name", "orphan"}, {"namespace", "d"}}}}};
  r.on.run.run_for(5s);
  CHECK(r.take().empty());
}

TEST_CASE("what was made for a service that is gone is removed") {
  rig r;
  r.lists["/api/v1/endpoints"] = {{{"metadata", {{"name", "web"}, {"namespace", "d"}, {"labels", {{endpoints_managed_label, endpoints_manager}}}}}}};
  r.lists["/apis/discovery.k8s.io/v1/endpointslices"] = {{{"metadata", {{"name", "web-1"}, {"namespace", "d"}, {"labels", {{service_label, "web"}, {managed_label, slice_manager}}}}}}};
  r.on.run.run_for(5s);
  CHECK(r.take() == "DELETE /api/v1/namespaces/d/endpoints/web, DELETE /apis/discovery.k8s.io/v1/namespaces/d/endpointslices/web-1");
}

TEST_CASE("nothing is written before everything has been seen") {
  rig r;
  r.lists["/api/v1/services"] = {service()};
  auto usual = r.script->on_call;
  r.script->on_call = [usual](const client::api_call& ask) -> testing::api_script::reply {
    if (ask.path.starts_with("/api/v1/pods")) return client::api_answer{503, ""};
    return usual(ask);
  };
  r.on.run.run_for(60s);
  CHECK(r.take().empty());
  r.script->on_call = usual;
  r.on.run.run_for(60s);
  CHECK(r.take() == made);
}

TEST_CASE("a service of many pods rests after each look, a small one beside it does not wait for that") {
  rig r;
  auto small = service();
  small["metadata"]["name"] = "small", small["metadata"]["uid"] = "s-2", small["spec"]["selector"] = {{"app", "small"}};
  r.lists["/api/v1/services"] = {service(), small};
  auto& pods = r.lists["/api/v1/pods"];
  for (int i = 0; i < 500; ++i) pods.push_back(pod("p" + std::to_string(i), "10.42." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1)));
  pods.push_back(pod("s", "10.42.9.1", true, {{"app", "small"}}));
  r.on.run.run_for(10s);
  r.take();
  const auto change = [&](json one) {
    one["metadata"]["resourceVersion"] = std::to_string(++r.version);
    for (const auto& each : r.script->watches)
      if (each.call.path.starts_with("/api/v1/pods")) rt::post(each.to, client::watch_event{each.watch, "MODIFIED", shared(one)});
  };
  for (int i = 0; i < 40; ++i) {   // two seconds of changes
    change(pod("p" + std::to_string(i), "10.42.0." + std::to_string(i + 1), false));
    change(pod("s", "10.42.9.1", i % 2 == 1, {{"app", "small"}}));
    r.on.run.run_for(50ms);
  }
  std::map<std::string, int> looks;
  for (const auto& each : r.writes)
    for (auto name : {"endpoints/web", "endpoints/small"}) looks[name] += each.ends_with(name) ? 1 : 0;
  CHECK(looks["endpoints/small"] == 40);
  CHECK((looks["endpoints/web"] >= 8 && looks["endpoints/web"] <= 20));
}
