#include "actors/apiserver/discovery/discovery.hpp"

#include <set>

#include "actors/apiserver/auth/authorizer.hpp"
#include "basis/bytes.hpp"
#include "tests/actors/apiserver/support.hpp"

using namespace troupe;
using namespace troupe::apiserver;
using namespace troupe::apiserver::testing;

namespace {
constexpr auto v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

target asked(std::string_view method, std::string_view url) {
  auto mark = std::min(url.find('?'), url.size());
  auto out = route(method, url.substr(0, mark), url.substr(std::min(mark + 1, url.size())));
  if (auto* why = std::get_if<api_error>(&out)) FAIL(url << ": " << why->message);
  return std::get<target>(out);
}

std::variant<discovery_reply, api_error> get(std::string_view url, std::string_view accept = "") {
  build_facts facts;
  facts.server_address = "10.0.0.1:6443";
  return discover(asked("GET", url), accept, facts);
}

bool allowed(const user_info& user, std::string_view method, std::string_view url) {
  auto uses = [](std::string_view node, std::string_view plural, std::string_view ns, std::string_view name) {
    return node == "n1" && ns == "d" && (plural == "pods" ? name == "p1" : name == "own");
  };
  return authorize(user, asked(method, url), uses).allowed;
}
}  // namespace

TEST_CASE("discovery tells the table's kinds in the old and the new form") {
  auto resources = read(good(get("/api/v1")).body);
  CHECK(resources["kind"] == "APIResourceList");
  std::set<std::string> names;
  for (const auto& each : resources["resources"]) names.insert(each["name"].get<std::string>());
  for (auto name : {"configmaps", "pods", "pods/log", "pods/eviction", "nodes/proxy", "namespaces/finalize"}) CHECK(names.contains(name));
  for (const auto& each : resources["resources"])
    if (each["name"] == "pods/eviction") CHECK((each["group"] == "policy" && each["version"] == "v1" && each["kind"] == "Eviction"));
  CHECK(read(good(get("/api")).body)["serverAddressByClientCIDRs"][0]["serverAddress"] == "10.0.0.1:6443");
  CHECK(read(good(get("/apis/")).body)["groups"].size() == 16);
  CHECK(read(good(get("/apis/events.k8s.io")).body)["preferredVersion"]["groupVersion"] == "events.k8s.io/v1");
  const auto two = read(good(get("/apis/authentication.k8s.io")).body);   // a group of two versions is one group
  CHECK(two["versions"].size() == 2);
  CHECK(two["preferredVersion"]["version"] == "v1");
  CHECK(bad(get("/apis/apps/v9")).code == 404);
  CHECK(bad(get("/api/v2")).code == 404);
  auto all = good(get("/apis?timeout=32s", v2));
  CHECK(all.content_type == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  CHECK(read(all.body)["apiVersion"] == "apidiscovery.k8s.io/v2");
  CHECK(read(all.body)["items"].size() == 16);
  auto core = read(good(get("/api", v2)).body)["items"][0]["versions"][0];
  CHECK(core["freshness"] == "Current");
  CHECK(core["resources"].size() == 15);
  CHECK(core["resources"][0] == read(R"({"resource":"configmaps","responseKind":{"group":"","kind":"ConfigMap","version":"v1"},
      "scope":"Namespaced","shortNames":["cm"],"singularResource":"configmap","verbs":["create","delete","deletecollection",
      "get","list","patch","update","watch"]})"));
  CHECK(good(get("/apis", "application/json")).content_type == "application/json");
  CHECK(read(good(get("/version/")).body)["gitVersion"] == "v1.33.0+troupe");
}

TEST_CASE("OpenAPI lets kubectl validate, explain and patch") {
  auto index = read(good(get("/openapi/v3")).body)["paths"];
  CHECK(index.size() == 18);
  auto url = index["api/v1"]["serverRelativeURL"].get<std::string>();
  auto reply = good(get(url, "application/json"));
  CHECK(reply.immutable);
  CHECK(reply.etag.size() == 42);
  auto document = read(reply.body);
  auto patch = document["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]["patch"];
  CHECK(patch["x-kubernetes-group-version-kind"] == read(R"({"group":"","version":"v1","kind":"ConfigMap"})"));
  bool found = false;
  for (const auto& each : patch["parameters"]) found = found || each["name"] == "fieldValidation";
  CHECK(found);
  const auto& schemas = document["components"]["schemas"];
  CHECK(schemas["io.k8s.api.core.v1.ConfigMap"]["description"] == "ConfigMap holds configuration data for pods to consume.");
  CHECK(schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]["x-kubernetes-patch-merge-key"] == "name");
  CHECK(schemas["io.k8s.api.core.v1.PodSpec"]["required"] == read(R"(["containers"])"));
  // No reference leads nowhere.
  std::size_t at = 0, count = 0;
  constexpr std::string_view marker = "\"#/components/schemas/";
  while ((at = reply.body.find(marker, at)) != std::string::npos) {
    at += marker.size();
    auto name = reply.body.substr(at, reply.body.find('"', at) - at);
    CHECK_MESSAGE(schemas.contains(name), name);
    ++count;
  }
  CHECK(count > 500);
  CHECK(good(get("/openapi/v3/api/v1?hash=OLD")).redirect_to == url);
  CHECK(!good(get("/openapi/v3/api/v1")).immutable);
  CHECK(bad(get("/openapi/v3/apis/none/v1")).code == 404);
  auto old = good(get("/openapi/v2?timeout=32s", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"));
  CHECK(to_hex(old.body) == "0a03322e30120e0a044b3873731206756e76657273");
  CHECK(old.content_type == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  CHECK(read(good(get("/openapi/v2", "application/json")).body)["swagger"] == "2.0");
}

TEST_CASE("masters may do everything, the anonymous nearly nothing, and nobody anything by default") {
  user_info master{"admin", {"system:masters"}}, nobody{"system:anonymous", {"system:unauthenticated"}},
      somebody{"jane", {"system:authenticated"}}, proxy{"system:kube-proxy", {"system:authenticated"}};
  CHECK(allowed(master, "DELETE", "/api/v1/nodes/n1"));
  CHECK(allowed(master, "GET", "/metrics"));
  for (auto path : {"/version", "/healthz", "/livez", "/readyz", "/livez/etcd", "/ping", "/cacerts"}) {
    CHECK(allowed(nobody, "GET", path));
    CHECK(!allowed(nobody, "POST", path));
  }
  for (auto path : {"/", "/api", "/apis", "/metrics", "/healthzz", "/versions", "/openapi/v3", "/api/v1/secrets", "/api/v1/nodes/n1"}) {
    CHECK(!allowed(nobody, "GET", path));
    CHECK(!allowed(somebody, "GET", path));
  }
  for (auto path : {"/api/v1/services", "/api/v1/nodes?watch=1", "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/endpoints"})
    CHECK(allowed(proxy, "GET", path));
  CHECK(!allowed(proxy, "GET", "/api/v1/secrets"));
  CHECK(!allowed(proxy, "DELETE", "/api/v1/nodes/n1"));
  CHECK(!allowed(proxy, "GET", "/api/v1/nodes/n1/proxy/x"));
  CHECK(!allowed({"system:kube-proxy", {"system:unauthenticated"}}, "GET", "/api/v1/services"));
  auto why = refusal(somebody, asked("GET", "/api/v1/namespaces/d/pods/p/log"), {});
  CHECK(why.message == "pods \"p\" is forbidden: User \"jane\" cannot get resource \"pods/log\" in API group \"\" in the namespace \"d\"");
  CHECK(refusal(somebody, asked("GET", "/api/v1/nodes"), {}).message ==
        "nodes is forbidden: User \"jane\" cannot list resource \"nodes\" in API group \"\" at the cluster scope");
  CHECK(refusal(nobody, asked("GET", "/metrics"), {}).message ==
        "forbidden: User \"system:anonymous\" cannot get path \"/metrics\"");
}

TEST_CASE("a node reaches its own objects and what its pods use") {
  user_info node{"system:node:n1", {"system:nodes", "system:authenticated"}};
  struct row { bool fine; const char *method, *url; } rows[] = {
      {true, "GET", "/api/v1/nodes/n1"}, {true, "PATCH", "/api/v1/nodes/n1"}, {true, "PATCH", "/api/v1/nodes/n1/status"},
      {true, "POST", "/api/v1/nodes"}, {true, "GET", "/api/v1/nodes?watch=1&fieldSelector=metadata.name%3Dn1"},
      {true, "GET", "/api/v1/nodes/n2"}, {false, "PATCH", "/api/v1/nodes/n2"}, {false, "PUT", "/api/v1/nodes/n2/status"}, {false, "DELETE", "/api/v1/nodes/n1"},
      {true, "GET", "/api/v1/nodes"}, {true, "GET", "/api/v1/nodes?watch=1"},
      {false, "GET", "/api/v1/nodes/n1/proxy/x"},
      {true, "PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1"},
      {true, "POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"},
      {false, "PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2"},
      {false, "PUT", "/apis/coordination.k8s.io/v1/namespaces/d/leases/n1"},
      {false, "GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"},
      {true, "GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1&watch=1"}, {false, "GET", "/api/v1/pods"},
      {false, "GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn2"}, {true, "GET", "/api/v1/namespaces/d/pods/p1"},
      {false, "GET", "/api/v1/namespaces/d/pods/p2"}, {true, "PATCH", "/api/v1/namespaces/d/pods/p1/status"},
      {false, "PATCH", "/api/v1/namespaces/d/pods/p1"}, {true, "DELETE", "/api/v1/namespaces/d/pods/p1"},
      {false, "DELETE", "/api/v1/namespaces/d/pods/p2"}, {false, "GET", "/api/v1/namespaces/d/pods/p1/exec"},
      {true, "GET", "/api/v1/namespaces/d/secrets/own"}, {false, "GET", "/api/v1/namespaces/d/secrets/other"},
      {false, "GET", "/api/v1/namespaces/e/secrets/own"}, {false, "GET", "/api/v1/namespaces/d/secrets"},
      {true, "GET", "/api/v1/namespaces/d/configmaps?watch=1&fieldSelector=metadata.name%3Down"},
      {false, "GET", "/api/v1/secrets?fieldSelector=metadata.name%3Down"}, {false, "PUT", "/api/v1/namespaces/d/secrets/own"},
      {false, "DELETE", "/api/v1/namespaces/d/secrets?fieldSelector=metadata.name%3Down"},
      {true, "POST", "/api/v1/namespaces/d/serviceaccounts/own/token"}, {false, "POST", "/api/v1/namespaces/d/serviceaccounts/x/token"},
      {true, "POST", "/api/v1/namespaces/d/events"}, {true, "PATCH", "/apis/events.k8s.io/v1/namespaces/d/events/e"},
      {false, "GET", "/api/v1/events"}, {false, "DELETE", "/api/v1/namespaces/d/events/e"}, {true, "GET", "/api/v1/services"},
      {true, "GET", "/api/v1/endpoints?watch=1"}, {false, "POST", "/api/v1/namespaces/d/services"},
      {false, "GET", "/api/v1/namespaces"}, {false, "GET", "/metrics"}, {true, "GET", "/version"}};
  for (const auto& row : rows) CHECK_MESSAGE(allowed(node, row.method, row.url) == row.fine, row.method << " " << row.url);
  CHECK(!allowed({"system:node:n1", {"system:authenticated"}}, "GET", "/api/v1/nodes/n1"));
  CHECK(!allowed({"system:node:", {"system:nodes"}}, "GET", "/api/v1/services"));
  CHECK(!allowed({"jane", {"system:nodes"}}, "GET", "/api/v1/services"));
  auto body = [](const char* name) { return json{{"metadata", {{"name", name}}}}; };
  CHECK(!restrict_create(node, asked("POST", "/api/v1/nodes"), body("n1")));
  CHECK(restrict_create(node, asked("POST", "/api/v1/nodes"), body("n2"))->code == 403);
  CHECK(restrict_create(node, asked("POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"), body("n2")).has_value());
  CHECK(!restrict_create({"admin", {"system:masters"}}, asked("POST", "/api/v1/nodes"), body("n2")));
  // Labels that pods are steered by are the administrator's, and so are taints and owners.
  const auto labelled = [&](json labels, json more = json::object()) {
    json out = body("n1");
    out["metadata"]["labels"] = std::move(labels);
    out.update(more, true);
    return out;
  };
  const auto put = asked("PUT", "/api/v1/nodes/n1");
  const json plain = labelled({{"kubernetes.io/hostname", "n1"}, {"mine", "1"}});
  for (const char* label : {"node-restriction.kubernetes.io/team", "a.node-restriction.kubernetes.io/b", "node-role.kubernetes.io/control-plane", "x.k8s.io/y", "kubernetes.io/z"}) {
    CHECK(restrict_create(node, asked("POST", "/api/v1/nodes"), labelled({{label, "1"}}))->message.find(std::string("set the following labels: ") + label) != std::string::npos);
    CHECK(restrict_change(node, put, plain, labelled({{"kubernetes.io/hostname", "n1"}, {label, "1"}}))->message.find(std::string("modify labels: ") + label) != std::string::npos);
    CHECK(restrict_change(node, put, labelled({{label, "1"}}), labelled({{label, "2"}})));
    CHECK(restrict_change(node, put, labelled({{label, "1"}}), labelled({})));
    CHECK(!restrict_change(node, put, labelled({{label, "1"}}), labelled({{label, "1"}, {"mine", "2"}})));
    CHECK(!restrict_change({"admin", {"system:masters"}}, put, plain, labelled({{label, "1"}})));
  }
  for (const char* label : {"mine", "example.com/mine", "notkubernetes.io/x", "kubernetes.io/os", "topology.kubernetes.io/zone", "node.kubernetes.io/x", "a.kubelet.kubernetes.io/x"}) {
    CHECK(!restrict_create(node, asked("POST", "/api/v1/nodes"), labelled({{label, "1"}})));
    CHECK(!restrict_change(node, put, plain, labelled({{"kubernetes.io/hostname", "n1"}, {label, "1"}})));
  }
  const json tainted{{"spec", {{"taints", json::array({{{"key", "k"}, {"effect", "NoSchedule"}}})}}}};
  CHECK(restrict_change(node, put, labelled({}, tainted), labelled({}))->message.find("is not allowed to modify taints") != std::string::npos);
  CHECK(!restrict_change(node, put, labelled({}, tainted), labelled({}, tainted)));
  CHECK(!restrict_change(node, put, labelled({}, {{"spec", {{"taints", json::array()}}}}), labelled({})));
  CHECK(restrict_change(node, put, plain, labelled({}, {{"metadata", {{"ownerReferences", json::array({{{"name", "x"}}})}}}})));
  // Pods: mirrors of its own static ones, and no others.
  const auto mirror = [](const char* on, bool marked) {
    json pod{{"metadata", {{"name", "p"}}}, {"spec", {{"nodeName", on}}}};
    if (marked) pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "x";
    return pod;
  };
  CHECK(allowed(node, "POST", "/api/v1/namespaces/d/pods"));
  CHECK(!restrict_create(node, asked("POST", "/api/v1/namespaces/d/pods"), mirror("n1", true)));
  CHECK(restrict_create(node, asked("POST", "/api/v1/namespaces/d/pods"), mirror("n2", true))->code == 403);
  CHECK(restrict_create(node, asked("POST", "/api/v1/namespaces/d/pods"), mirror("n1", false))->code == 403);
}
