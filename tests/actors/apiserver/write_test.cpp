#include "actors/apiserver/resources/rules/relaxed.hpp"
#include "actors/apiserver/resources/rules/service_allocation.hpp"
#include "tests/actors/apiserver/support.hpp"

using namespace troupe;
using namespace troupe::apiserver;
using namespace troupe::apiserver::testing;

namespace {
std::variant<json, api_error> create(std::string_view plural, std::string_view text, std::string_view group = "") {
  const auto& kind = kind_of(plural, group);
  auto body = good(decode_body("", text, kind, "", field_validation::ignore)).object;
  return prepare_create(kind, body, context(kind.namespaced ? "default" : ""));
}

std::variant<prepared, api_error> update(std::string_view plural, const json& old, json body, std::string_view sub = "") {
  const auto& kind = kind_of(plural);
  return prepare_update(kind, old, std::move(body), sub, context(kind.namespaced ? "default" : ""));
}

json edited(json object, std::string_view pointer, json value) {
  object[json::json_pointer(std::string(pointer))] = std::move(value);
  return object;
}

const char* simple_pod = R"({"metadata":{"name":"r1"},"spec":{"containers":[{"name":"r1","image":"busybox"}]}})";
}  // namespace

TEST_CASE("a creation gets its identity from the server and nothing else from the client") {
  auto made = good(create("configmaps", R"({"metadata":{"name":"c2","namespace":"default","uid":"mine","generation":7,
      "deletionTimestamp":"2026-01-01T00:00:00Z","selfLink":"x","creationTimestamp":null,"managedFields":[{}]},"data":{"a":"b"}})"));
  CHECK(made == read(R"({"apiVersion":"v1","kind":"ConfigMap","data":{"a":"b"},"metadata":{"name":"c2","namespace":"default",
      "uid":"11111111-2222-4333-8444-555555555555","creationTimestamp":"2026-11-22T07:00:00Z"}})"));
  CHECK(good(create("configmaps", R"({"metadata":{"generateName":"web-"}})"))["metadata"]["name"] == "web-x7k2b");
  auto longest = good(create("configmaps", R"({"metadata":{"generateName":")" + std::string(100, 'a') + "\"}}"));
  CHECK(longest["metadata"]["name"].get<std::string>() == std::string(58, 'a') + "x7k2b");
  CHECK(bad(create("configmaps", "{}")).message ==
        "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required");
  CHECK(bad(create("configmaps", R"({"metadata":{"name":"a","namespace":"other"}})")).code == 400);
  CHECK(bad(create("configmaps", R"({"metadata":{"name":"a","resourceVersion":"5"}})")).code == 400);
  CHECK(bad(create("configmaps", R"({"metadata":{"name":"Aa"}})")).code == 422);
  CHECK(bad(create("namespaces", R"({"metadata":{"name":"a.b"}})")).code == 422);
  CHECK(bad(create("services", R"({"metadata":{"name":"1a"},"spec":{"ports":[{"port":1}]}})")).code == 422);
  CHECK(bad(create("nodes", R"({"metadata":{"name":"n","namespace":"default"}})")).code == 400);
}

TEST_CASE("kinds get the defaults that clients rely on") {
  auto space = good(create("namespaces", R"({"metadata":{"name":"foo"},"spec":{},"status":{"phase":"Odd"}})"));
  CHECK(space["spec"]["finalizers"] == read(R"(["kubernetes"])"));
  CHECK(space["status"]["phase"] == "Active");
  CHECK(space["metadata"]["labels"]["kubernetes.io/metadata.name"] == "foo");
  auto secret = good(create("secrets", R"({"metadata":{"name":"s"},"stringData":{"a":"b"},"data":{"a":"eA=="}})"));
  CHECK(secret["data"]["a"] == "Yg==");
  CHECK(secret["type"] == "Opaque");
  CHECK(!secret.contains("stringData"));
  auto service = good(create("services", R"({"metadata":{"name":"web"},"spec":{"ports":[{"port":80}],"sessionAffinity":"ClientIP"}})"));
  CHECK(service["spec"]["ports"][0] == read(R"({"port":80,"protocol":"TCP","targetPort":80})"));
  CHECK(service["spec"]["type"] == "ClusterIP");
  CHECK(service["spec"]["internalTrafficPolicy"] == "Cluster");
  CHECK(service["spec"]["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] == 10800);
  CHECK(service["status"] == read(R"({"loadBalancer":{}})"));
  auto headless = good(create("services", R"({"metadata":{"name":"batman-config"},"spec":{"clusterIP":"None"}})"));
  CHECK(headless["spec"]["clusterIPs"] == read(R"(["None"])"));
  CHECK(plan_allocation(json(), headless).empty());
  auto pod = good(create("pods", simple_pod));
  CHECK(pod["spec"] == read(R"({"containers":[{"image":"busybox","imagePullPolicy":"Always","name":"r1","resources":{},
      "terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst",
      "enableServiceLinks":true,"restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},
      "terminationGracePeriodSeconds":30,"tolerations":[
      {"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},
      {"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]})"));
  auto patient = good(create("pods", R"({"metadata":{"name":"r1"},"spec":{"tolerations":[{"operator":"Exists"}],"containers":[{"name":"r1","image":"x"}]}})"));
  CHECK(patient["spec"]["tolerations"].size() == 1);
  CHECK(pod["status"] == read(R"({"phase":"Pending","qosClass":"BestEffort"})"));
  CHECK(pod["metadata"]["generation"] == 1);
  auto sized = good(create("pods", R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"x:1","resources":
      {"limits":{"cpu":"1","memory":"1Gi"}}}],"volumes":[{"name":"v"}]}})"));
  CHECK(sized["status"]["qosClass"] == "Guaranteed");
  CHECK(sized["spec"]["containers"][0]["resources"]["requests"]["memory"] == "1Gi");
  CHECK(sized["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent");
  CHECK(sized["spec"]["volumes"][0]["emptyDir"] == json::object());
  auto slice = good(create("endpointslices", R"({"metadata":{"name":"s"},"addressType":"IPv4","endpoints":[],"ports":[{"port":80}]})",
                           "discovery.k8s.io"));
  CHECK(slice["ports"][0] == read(R"({"name":"","port":80,"protocol":"TCP"})"));
}

TEST_CASE("invalid objects are refused with every reason") {
  struct row { const char *plural, *group, *text, *words; } rows[] = {
      {"configmaps", "", R"({"metadata":{"name":"c"},"data":{"":"x"}})", "data[]: Invalid value: \"\": a valid config key"},
      {"configmaps", "", R"({"metadata":{"name":"c"},"data":{"..":"x"}})", "must not be '..'"},
      {"configmaps", "", R"({"metadata":{"name":"c"},"data":{"a":"x"},"binaryData":{"a":"eA=="}})", "duplicate of key present in binaryData"},
      {"configmaps", "", R"({"metadata":{"name":"c","labels":{"-a":"b"}}})", "metadata.labels: Invalid value: \"-a\": name part must consist"},
      {"configmaps", "", R"({"metadata":{"name":"c","labels":{"a":"b c"}}})", "a valid label must be an empty string"},
      {"configmaps", "", R"({"metadata":{"name":"c","ownerReferences":[{"apiVersion":"v1","kind":"A","name":"x"}]}})", "ownerReferences[0].uid"},
      {"secrets", "", R"({"metadata":{"name":"c"},"type":"kubernetes.io/tls","data":{"tls.crt":""}})", "data[tls.key]: Required value"},
      {"secrets", "", R"({"metadata":{"name":"c"},"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"eA=="}})", "<secret contents redacted>"},
      {"services", "", R"({"metadata":{"name":"c"},"spec":{}})", "spec.ports: Required value"},
      {"services", "", R"({"metadata":{"name":"c"},"spec":{"ports":[{"port":1},{"port":2}]}})", "spec.ports[0].name: Required value"},
      {"services", "", R"({"metadata":{"name":"c"},"spec":{"ports":[{"port":70000}]}})", "must be between 1 and 65535, inclusive"},
      {"services", "", R"({"metadata":{"name":"c"},"spec":{"type":"Odd","ports":[{"port":1}]}})",
       "spec.type: Unsupported value: \"Odd\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\""},
      {"services", "", R"({"metadata":{"name":"c"},"spec":{"clusterIP":"x","ports":[{"port":1}]}})", "must be a valid IP address"},
      {"services", "", R"({"metadata":{"name":"c"},"spec":{"ports":[{"port":1,"nodePort":30000}]}})", "may not be used when `type` is 'ClusterIP'"},
      {"endpoints", "", R"({"metadata":{"name":"c"},"subsets":[{"addresses":[{"ip":"169.254.0.1"}]}]})", "may not be a link-local"},
      {"events", "", R"({"metadata":{"name":"c"},"involvedObject":{"namespace":"x"}})", "does not match event.namespace"},
      {"leases", "coordination.k8s.io", R"({"metadata":{"name":"c"},"spec":{"leaseDurationSeconds":0}})", "must be greater than 0"},
      {"endpointslices", "discovery.k8s.io", R"({"metadata":{"name":"c"}})", "addressType: Required value"},
      {"endpointslices", "discovery.k8s.io", R"({"metadata":{"name":"c"},"addressType":"IPv4","endpoints":[{"addresses":["::1"]}]})", "endpoints[0].addresses[0]"},
      {"nodes", "", R"({"metadata":{"name":"n"},"spec":{"taints":[{"key":"a","effect":"Odd"}]}})", "spec.taints[0].effect: Unsupported value"},
      {"pods", "", R"({"metadata":{"name":"p"},"spec":{}})", "spec.containers: Required value"},
      {"pods", "", R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a"}]}})", "spec.containers[0].image: Required value"},
      {"pods", "", R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"x","volumeMounts":[{"name":"v","mountPath":"/m"}]}]}})",
       "spec.containers[0].volumeMounts[0].name: Not found: \"v\""},
      {"pods", "", R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"x"},{"name":"a","image":"x"}]}})", "spec.containers[1].name: Duplicate value: \"a\""},
      {"pods", "", R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"x","resources":{"requests":{"cpu":"2"},"limits":{"cpu":"1"}}}]}})",
       "must be less than or equal to cpu limit of 1"}};
  for (const auto& row : rows) {
    auto why = bad(create(row.plural, row.text, row.group));
    CHECK(why.code == 422);
    CHECK_MESSAGE(why.message.find(row.words) != std::string::npos, why.message);
  }
  json big = {{"metadata", {{"name", "c"}}}, {"data", {{"k", std::string(1024 * 1024 + 1, 'x')}}}};
  CHECK(bad(create("configmaps", to_text(big))).message.find("may not be more than 1048576 bytes") != std::string::npos);
  json noted = {{"metadata", {{"name", "c"}, {"annotations", {{"k", std::string(256 * 1024, 'x')}}}}}};
  CHECK(bad(create("configmaps", to_text(noted))).message.find("may not be more than 262144 bytes") != std::string::npos);
}

TEST_CASE("updates keep what is the server's and find out when nothing changed") {
  auto old = published(created("configmaps", R"({"metadata":{"name":"js1"},"data":{"a":"1"}})"));
  auto same = good(update("configmaps", old, read(R"({"metadata":{"name":"js1","creationTimestamp":"2020-01-01T00:00:00Z",
      "resourceVersion":"1020"},"data":{"a":"1"}})")));
  CHECK(same.unchanged);
  CHECK(!same.erase);
  auto next = good(update("configmaps", old, read(R"({"metadata":{"name":"js1"},"data":{"a":"2"}})")));
  CHECK(!next.unchanged);
  CHECK(next.object["metadata"]["uid"] == old["metadata"]["uid"]);
  CHECK(!next.object["metadata"].contains("resourceVersion"));
  CHECK(bad(update("configmaps", old, edited(old, "/metadata/resourceVersion", "1019"))).code == 409);
  CHECK(bad(update("configmaps", old, edited(old, "/metadata/uid", "other"))).code == 409);
  CHECK(bad(update("configmaps", old, edited(old, "/metadata/name", "other"))).code == 400);
  CHECK(bad(update("configmaps", old, edited(old, "/metadata/namespace", "other"))).code == 400);
  auto lease = published(good(create("leases", R"({"metadata":{"name":"l"},"spec":{}})", "coordination.k8s.io")));
  auto why = bad(prepare_update(kind_of("leases", "coordination.k8s.io"), lease, read(R"({"metadata":{"name":"l"}})"), "", context()));
  CHECK(why.message.find("metadata.resourceVersion: Invalid value: 0x0: must be specified for an update") != std::string::npos);
}

TEST_CASE("an object sent back as it was read changes nothing, whatever its kind") {
  struct row { const char *plural, *group, *text; } rows[] = {
      {"namespaces", "", R"({"metadata":{"name":"a"}})"}, {"nodes", "", R"({"metadata":{"name":"a"},"status":{"capacity":{"cpu":"2000m"}}})"},
      {"secrets", "", R"({"metadata":{"name":"a"},"stringData":{"k":"v"}})"}, {"configmaps", "", R"({"metadata":{"name":"a"},"immutable":false})"},
      {"services", "", R"({"metadata":{"name":"a"},"spec":{"type":"LoadBalancer","ports":[{"port":80}]}})"},
      {"services", "", R"({"metadata":{"name":"a"},"spec":{"clusterIP":"None"}})"},
      {"services", "", R"({"metadata":{"name":"a"},"spec":{"type":"ExternalName","externalName":"a.b"}})"},
      {"endpoints", "", R"({"metadata":{"name":"a"},"subsets":[{"addresses":[{"ip":"10.0.0.1"}]}]})"},
      {"events", "", R"({"metadata":{"name":"a"},"involvedObject":{},"firstTimestamp":null,"message":"m"})"},
      {"events", "events.k8s.io", R"({"metadata":{"name":"a"},"regarding":{},"note":"m","eventTime":"2026-11-22T06:52:41.5Z"})"},
      {"serviceaccounts", "", R"({"metadata":{"name":"a"},"automountServiceAccountToken":false})"},
      {"pods", "", R"({"metadata":{"name":"a"},"spec":{"hostNetwork":true,"volumes":[{"name":"v","hostPath":{"path":"/x"}},{"name":"w",
          "projected":{"sources":[{"serviceAccountToken":{"path":"t"}}]}}],"containers":[{"name":"a","image":"x","ports":[{"containerPort":80}],
          "livenessProbe":{"httpGet":{"port":80}},"resources":{"limits":{"memory":"1024Mi"}}}]}})"},
      {"endpointslices", "discovery.k8s.io", R"({"metadata":{"name":"a"},"addressType":"IPv4","endpoints":[],"ports":[{"port":80}]})"},
      {"leases", "coordination.k8s.io", R"({"metadata":{"name":"a"},"spec":{"renewTime":"2026-11-22T06:52:41Z"}})"}};
  for (const auto& row : rows) {
    const auto& kind = kind_of(row.plural, row.group);
    auto made = good(create(row.plural, row.text, row.group));
    auto document = model::make_document(kind, to_text(made), 1, 1020);
    REQUIRE(document.ok());
    auto ctx = context(kind.namespaced ? "default" : "");
    auto back = good(decode_body("", model::text_as(**document, kind), kind, "", field_validation::strict));
    auto again = good(prepare_update(kind, model::parse(**document), back.object, "", ctx));
    CHECK_MESSAGE(again.unchanged, row.text << " became " << again.object.dump());
    for (auto type : {"application/merge-patch+json", "application/strategic-merge-patch+json"}) {
      auto patched = good(apply_patch(kind, type, model::parse(**document), "{}", ctx));
      CHECK_MESSAGE(good(prepare_update(kind, model::parse(**document), patched.object, "", ctx)).unchanged, row.text);
    }
    CHECK((*document)->stored() == to_text(made));
  }
}

TEST_CASE("what may not change does not") {
  auto frozen = published(created("configmaps", R"({"metadata":{"name":"c"},"immutable":true,"data":{"a":"1"}})"));
  CHECK(bad(update("configmaps", frozen, edited(frozen, "/data/a", "2"))).message.find("field is immutable when `immutable` is set") != std::string::npos);
  CHECK(bad(update("configmaps", frozen, edited(frozen, "/immutable", false))).code == 422);
  CHECK(good(update("configmaps", frozen, edited(frozen, "/metadata/labels", {{"a", "b"}}))).unchanged == false);
  auto secret = published(created("secrets", R"({"metadata":{"name":"s"}})"));
  CHECK(bad(update("secrets", secret, edited(secret, "/type", "x/y"))).message.find("type: Invalid value: \"x/y\": field is immutable") != std::string::npos);
  auto pod = published(created("pods", simple_pod));
  CHECK(bad(update("pods", pod, edited(pod, "/spec/nodeName", "n1"))).message.find("pod updates may not change fields other than") != std::string::npos);
  auto image = good(update("pods", pod, edited(pod, "/spec/containers/0/image", "busybox:2")));
  CHECK(image.object["metadata"]["generation"] == 2);
  CHECK(good(update("pods", pod, edited(pod, "/status/phase", "Running"))).unchanged);
  auto status = good(update("pods", pod, edited(edited(pod, "/status/phase", "Running"), "/spec/nodeName", "n1"), "status"));
  CHECK(status.object["status"]["phase"] == "Running");
  CHECK(!status.object["spec"].contains("nodeName"));
  CHECK(status.object["metadata"]["generation"] == 1);
  auto node = published(good(create("nodes", R"({"metadata":{"name":"n"},"spec":{"podCIDR":"10.42.0.0/24"},"status":{"phase":"x"}})")));
  CHECK(node["status"]["phase"] == "x");
  CHECK(bad(update("nodes", node, edited(node, "/spec/podCIDR", "10.42.1.0/24"))).code == 422);
}

TEST_CASE("a service's address is asked for, granted, carried over and given back") {
  auto made = created("services", R"({"metadata":{"name":"web"},"spec":{"type":"NodePort","ports":[{"name":"a","port":80},{"name":"b","port":81,"nodePort":30081}]}})");
  auto plan = plan_allocation(json(), made);
  CHECK(plan.needs_ip);
  CHECK(plan.needs_port == std::vector<std::size_t>{0});
  CHECK(plan.claims_ports == std::vector<int>{30081});
  grant_allocation(made, plan, {"10.43.0.7", {30080}});
  CHECK(made["spec"]["clusterIPs"] == read(R"(["10.43.0.7"])"));
  CHECK(made["spec"]["ports"][0]["nodePort"] == 30080);
  auto old = published(made);
  auto again = good(update("services", old, read(R"({"metadata":{"name":"web"},"spec":{"type":"NodePort","ports":[{"name":"a","port":80}]}})")));
  CHECK(again.object["spec"]["clusterIP"] == "10.43.0.7");
  CHECK(again.object["spec"]["ports"][0]["nodePort"] == 30080);
  auto change = plan_allocation(old, again.object);
  CHECK(change.releases_ports == std::vector<int>{30081});
  CHECK(!change.needs_ip);
  CHECK(change.claims_ports.empty());
  CHECK(bad(update("services", old, edited(edited(old, "/spec/clusterIP", "10.43.0.8"), "/spec/clusterIPs", {"10.43.0.8"}))).message.find(
            "may not change once set") != std::string::npos);
  auto outside = good(update("services", old, read(R"({"metadata":{"name":"web"},"spec":{"type":"ExternalName","externalName":"x.y"}})")));
  CHECK(plan_allocation(old, outside.object).releases_ips == std::vector<std::string>{"10.43.0.7"});
  CHECK(holdings(made).releases_ports.size() == 2);
  auto claimed = created("services", R"({"metadata":{"name":"w"},"spec":{"clusterIP":"10.43.0.10","ports":[{"port":80}]}})");
  CHECK(plan_allocation(json(), claimed).claims_ip == "10.43.0.10");
  auto plain = good(update("services", old, read(R"({"metadata":{"name":"web"},"spec":{"type":"ClusterIP","ports":[{"name":"a","port":80,"nodePort":30080}]}})")));
  CHECK(!plain.object["spec"]["ports"][0].contains("nodePort"));
}

TEST_CASE("deletes wait for finalizers and graces, and go when those are gone") {
  auto plan = [](std::string_view plural, const json& old, std::string_view wanted, bool collector = false) {
    auto ctx = context();
    ctx.garbage_collector = collector;
    return plan_delete(kind_of(plural), old, read(wanted), ctx);
  };
  auto map = published(created("configmaps", R"({"metadata":{"name":"c"}})"));
  CHECK(std::holds_alternative<erase_now>(plan("configmaps", map, R"({"propagationPolicy":"Background"})")));
  CHECK(std::holds_alternative<erase_now>(plan("configmaps", map, R"({"propagationPolicy":"Foreground"})")));
  CHECK(!std::get<erase_now>(plan("configmaps", map, "{}")).answer_object);
  auto fore = std::get<update_first>(plan("configmaps", map, R"({"propagationPolicy":"Foreground"})", true));
  CHECK(fore.object["metadata"]["finalizers"] == read(R"(["foregroundDeletion"])"));
  CHECK(fore.object["metadata"]["deletionTimestamp"] == "2026-11-22T07:00:00Z");
  CHECK(fore.object["metadata"]["deletionGracePeriodSeconds"] == 0);
  CHECK(bad(plan("configmaps", map, R"({"preconditions":{"uid":"x"}})")).code == 409);
  CHECK(bad(plan("configmaps", map, R"({"preconditions":{"resourceVersion":"1"}})")).code == 409);

  auto held = published(created("configmaps", R"({"metadata":{"name":"c","finalizers":["a/b"]}})"));
  auto going = published(std::get<update_first>(plan("configmaps", held, "{}")).object, "1030");
  CHECK(std::holds_alternative<already_deleting>(plan("configmaps", going, "{}")));
  CHECK(bad(update("configmaps", going, edited(going, "/metadata/finalizers", {"a/b", "c/d"}))).message.find(
            "no new finalizers can be added if the object is being deleted") != std::string::npos);
  auto freed = going;
  freed["metadata"].erase("finalizers");
  CHECK(good(update("configmaps", going, freed)).erase);

  auto pod = published(created("pods", simple_pod));
  CHECK(std::holds_alternative<erase_now>(plan("pods", pod, "{}")));
  pod["spec"]["nodeName"] = "n1";
  auto graceful = std::get<update_first>(plan("pods", pod, "{}"));
  CHECK(graceful.object["metadata"]["deletionTimestamp"] == "2026-11-22T07:00:30Z");
  CHECK(graceful.object["metadata"]["deletionGracePeriodSeconds"] == 30);
  auto dying = published(graceful.object, "1031");
  CHECK(std::holds_alternative<already_deleting>(plan("pods", dying, R"({"gracePeriodSeconds":60})")));
  auto sooner = std::get<update_first>(plan("pods", dying, R"({"gracePeriodSeconds":1})"));
  CHECK(sooner.object["metadata"]["deletionTimestamp"] == "2026-11-22T07:00:01Z");
  CHECK(std::get<erase_now>(plan("pods", dying, R"({"gracePeriodSeconds":0})")).answer_object);
}

TEST_CASE("namespaces end in three steps, and some never") {
  for (auto name : {"default", "kube-system", "kube-public"}) {
    auto old = published(created("namespaces", std::string(R"({"metadata":{"name":")") + name + "\"}}"));
    CHECK(bad(plan_delete(kind_of("namespaces"), old, json::object(), context(""))).message ==
          std::string("namespaces \"").append(name).append("\" is forbidden: this namespace may not be deleted"));
  }
  auto old = published(created("namespaces", R"({"metadata":{"name":"foo"}})"));
  auto going = published(std::get<update_first>(plan_delete(kind_of("namespaces"), old, json::object(), context(""))).object);
  CHECK(going["status"]["phase"] == "Terminating");
  CHECK(std::holds_alternative<already_deleting>(plan_delete(kind_of("namespaces"), going, json::object(), context(""))));
  CHECK(good(update("namespaces", going, edited(going, "/spec/finalizers", json::array()))).unchanged);
  auto last = good(update("namespaces", going, edited(going, "/spec/finalizers", json::array()), "finalize"));
  CHECK(last.erase);
  CHECK(!good(update("namespaces", old, edited(old, "/spec/finalizers", json::array()), "finalize")).erase);
}

TEST_CASE("renewals of node leases and events may wait for their sync, a leader's lease and everything else may not") {
  using what = storage::operation::kind;
  const auto& leases = kind_of("leases", "coordination.k8s.io");
  CHECK(relaxed_by_place(leases, "kube-node-lease", what::update));
  for (const auto once : {what::create, what::erase}) {
    CHECK_FALSE(relaxed_by_place(leases, "kube-node-lease", once));   // nobody does it again
    CHECK(relaxed_by_place(kind_of("events"), "default", once));
  }
  CHECK_FALSE(relaxed_by_place(leases, "kube-system", what::update));
  CHECK_FALSE(relaxed_by_place(leases, "", what::update));
  CHECK(relaxed_by_place(kind_of("events"), "default", what::update));
  CHECK(relaxed_by_place(kind_of("events"), "kube-system", what::update));
  for (const auto& kind : model::schema::kinds())
    if (kind.plural != "events" && kind.plural != "leases") CHECK_FALSE(relaxed_by_place(kind, "kube-node-lease", what::update));
}

TEST_CASE("a node's status may wait for its sync when only its heartbeat moved") {
  const auto& nodes = kind_of("nodes");
  const json old = *parse_json(R"({"metadata":{"name":"n","resourceVersion":"7"},"status":{"conditions":[
      {"type":"Ready","status":"True","lastHeartbeatTime":"2026-01-01T00:00:00Z","lastTransitionTime":"2026-01-01T00:00:00Z"}]}})");
  const json later = edited(old, "/status/conditions/0/lastHeartbeatTime", "2026-01-01T00:05:00Z");
  CHECK(relaxed_by_content(nodes, "status", old, later));
  CHECK(relaxed_by_content(nodes, "status", old, edited(later, "/metadata/managedFields", json::array({1}))));
  CHECK_FALSE(relaxed_by_content(nodes, "", old, later));
  CHECK_FALSE(relaxed_by_content(nodes, "status", old, edited(later, "/status/conditions/0/status", "False")));
  CHECK_FALSE(relaxed_by_content(nodes, "status", old, edited(later, "/status/capacity/cpu", "2")));
  CHECK_FALSE(relaxed_by_content(nodes, "status", old, edited(later, "/metadata/labels/a", "b")));
  CHECK_FALSE(relaxed_by_content(kind_of("pods"), "status", old, later));
  CHECK_FALSE(relaxed_by_content(nodes, "status", old, edited(old, "/status", 7)));
}
