// Kinds that rule over others: access, priorities, certificates, budgets, storage, networks, scaling.
#include "actors/apiserver/wire/table.hpp"
#include "tests/actors/apiserver/support.hpp"

using namespace troupe;
using namespace troupe::apiserver;
using namespace troupe::apiserver::testing;

namespace {
std::variant<json, api_error> create(std::string_view plural, std::string_view group, std::string_view text) {
  const auto& kind = kind_of(plural, group);
  auto body = good(decode_body("", text, kind, "", field_validation::ignore)).object;
  auto ctx = context(kind.namespaced ? "default" : "");
  ctx.user = "eve";
  ctx.groups = {"system:authenticated"};
  return prepare_create(kind, body, ctx);
}
std::string refusal(std::string_view plural, std::string_view group, std::string_view text) { return bad(create(plural, group, text)).message; }
std::variant<prepared, api_error> update(std::string_view plural, std::string_view group, const json& old, json body, std::string_view sub = "") {
  const auto& kind = kind_of(plural, group);
  return prepare_update(kind, published(old), std::move(body), sub, context(kind.namespaced ? "default" : ""));
}
json edited(json object, std::string_view pointer, json value) {
  object[json::json_pointer(std::string(pointer))] = std::move(value);
  return object;
}
json cells(std::string_view plural, std::string_view group, std::string_view text) {
  const auto& kind = kind_of(plural, group);
  auto doc = model::make_document(kind, to_text(read(text)), 1, 1);
  REQUIRE(doc.ok());
  rendering how{&kind, {representation::form::table}, noon()};
  return read(table_row(how, **doc))["cells"];
}
constexpr auto rbac = "rbac.authorization.k8s.io";
}  // namespace

TEST_CASE("roles and bindings are completed and checked") {
  const auto binding = good(create("rolebindings", rbac, R"({"metadata":{"name":"system:b"},"roleRef":{"kind":"ClusterRole","name":"view"},
      "subjects":[{"kind":"User","name":"u"},{"kind":"ServiceAccount","name":"default","namespace":"d"}]})"));
  CHECK(binding["roleRef"]["apiGroup"] == rbac);
  CHECK(binding["subjects"][0]["apiGroup"] == rbac);
  CHECK_FALSE(binding["subjects"][1].contains("apiGroup"));
  CHECK(bad(update("rolebindings", rbac, binding, edited(binding, "/roleRef/name", "edit"))).message.find("cannot change roleRef") != std::string::npos);
  CHECK(refusal("clusterrolebindings", rbac, R"({"metadata":{"name":"b"},"roleRef":{"kind":"Role","name":"r"}})").find(
            "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"") != std::string::npos);
  CHECK(refusal("roles", rbac, R"({"metadata":{"name":"r"},"rules":[{"verbs":["get"],"nonResourceURLs":["/x"]}]})").find(
            "namespaced rules cannot apply to non-resource URLs") != std::string::npos);
  CHECK(refusal("clusterroles", rbac, R"({"metadata":{"name":"r"},"rules":[{"apiGroups":[""]}]})").find(
            "rules[0].verbs: Required value: verbs must contain at least one value") != std::string::npos);
  CHECK(good(create("clusterroles", rbac, R"({"metadata":{"name":"system:r"},"rules":[{"verbs":["get"],"nonResourceURLs":["/x"]}]})")).contains("rules"));
  CHECK(cells("rolebindings", rbac, to_text(binding)) == read(R"(["system:b","ClusterRole/view","0s","u","","d/default"])"));
}

TEST_CASE("a signing request belongs to who made it, and only an approval approves it") {
  const auto& kind = kind_of("certificatesigningrequests", "certificates.k8s.io");
  CHECK(kind.find_subresource("approval") != nullptr);
  auto made = good(create("certificatesigningrequests", "certificates.k8s.io", R"({"metadata":{"name":"c"},"spec":{"request":"Y3Ny","signerName":"a.b/c",
      "usages":["client auth"],"username":"somebody-else","groups":["system:masters"]},"status":{"certificate":"eA=="}})"));
  CHECK((made["spec"]["username"] == "eve" && made["spec"]["groups"] == read(R"(["system:authenticated"])")));
  CHECK(made["status"] == json::object());
  auto forged = edited(edited(made, "/spec/username", "admin"), "/status/conditions", read(R"([{"type":"Approved","status":"True"}])"));
  CHECK(std::get<prepared>(update("certificatesigningrequests", "certificates.k8s.io", made, forged)).unchanged);
  const auto approved = std::get<prepared>(update("certificatesigningrequests", "certificates.k8s.io", made, forged, "approval")).object;
  CHECK((approved["status"]["conditions"][0]["type"] == "Approved" && approved["spec"]["username"] == "eve"));
  CHECK(approved["status"]["conditions"][0]["lastUpdateTime"] == "2026-11-22T07:00:00Z");
  CHECK(cells("certificatesigningrequests", "certificates.k8s.io", to_text(approved)) == read(R"(["c","0s","a.b/c","eve","<none>","Approved"])"));
  CHECK(refusal("certificatesigningrequests", "certificates.k8s.io", R"({"metadata":{"name":"c"},"spec":{"signerName":"abc"}})").find(
            "spec.request: Required value") != std::string::npos);
}

TEST_CASE("priority classes keep their value and system names are reserved") {
  const auto made = good(create("priorityclasses", "scheduling.k8s.io", R"({"metadata":{"name":"high"},"value":1000})"));
  CHECK((made["preemptionPolicy"] == "PreemptLowerPriority" && made["metadata"]["generation"] == 1));
  CHECK(bad(update("priorityclasses", "scheduling.k8s.io", made, edited(made, "/value", 2))).message.find("may not be changed in an update.") != std::string::npos);
  CHECK(refusal("priorityclasses", "scheduling.k8s.io", R"({"metadata":{"name":"system-mine"},"value":1})").find("reserved for system use only") != std::string::npos);
  CHECK(refusal("priorityclasses", "scheduling.k8s.io", R"({"metadata":{"name":"x"},"value":1000000001})").find("maximum allowed value") != std::string::npos);
  CHECK(good(create("priorityclasses", "scheduling.k8s.io", R"({"metadata":{"name":"system-node-critical"},"value":2000001000})")).contains("value"));
  CHECK(cells("priorityclasses", "scheduling.k8s.io", to_text(made)) == read(R"(["high",1000,false,"0s","PreemptLowerPriority"])"));
}

TEST_CASE("budgets, limits, volumes, networks and autoscalers are taken as upstream takes them") {
  CHECK(refusal("poddisruptionbudgets", "policy", R"({"metadata":{"name":"b"},"spec":{"minAvailable":1,"maxUnavailable":1}})").find(
            "minAvailable and maxUnavailable cannot be both set") != std::string::npos);
  CHECK(good(create("poddisruptionbudgets", "policy", R"({"metadata":{"name":"b"},"spec":{"minAvailable":"50%"}})"))["status"] ==
        read(R"({"currentHealthy":0,"desiredHealthy":0,"disruptionsAllowed":0,"expectedPods":0})"));
  const auto limits = good(create("limitranges", "", R"({"metadata":{"name":"l"},"spec":{"limits":[{"type":"Container","max":{"cpu":"2"}}]}})"));
  CHECK(limits["spec"]["limits"][0] == read(R"({"type":"Container","max":{"cpu":"2"},"default":{"cpu":"2"},"defaultRequest":{"cpu":"2"}})"));
  CHECK(refusal("limitranges", "", R"({"metadata":{"name":"l"},"spec":{"limits":[{"type":"Container","min":{"cpu":"3"},"max":{"cpu":"2"}}]}})").find(
            "min value 3 is greater than max value 2") != std::string::npos);
  const auto volume = good(create("persistentvolumes", "", R"({"metadata":{"name":"v"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],
      "hostPath":{"path":"/x"}}})"));
  CHECK((volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain" && volume["status"]["phase"] == "Pending"));
  CHECK(bad(update("persistentvolumes", "", volume, edited(volume, "/spec/hostPath/path", "/y"))).code == 422);
  CHECK(refusal("persistentvolumes", "", R"({"metadata":{"name":"v"},"spec":{"capacity":{"storage":"1"},"accessModes":["ReadWriteOnce"]}})").find(
            "must specify a volume type") != std::string::npos);
  const auto claim = good(create("persistentvolumeclaims", "", R"({"metadata":{"name":"v"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}})"));
  CHECK(bad(update("persistentvolumeclaims", "", claim, edited(claim, "/spec/accessModes/0", "ReadWriteMany"))).code == 422);
  CHECK(std::holds_alternative<prepared>(update("persistentvolumeclaims", "", claim, edited(claim, "/spec/volumeName", "v"))));
  const auto storage = good(create("storageclasses", "storage.k8s.io", R"({"metadata":{"name":"s","annotations":{"storageclass.kubernetes.io/is-default-class":"true"}},"provisioner":"p"})"));
  CHECK(cells("storageclasses", "storage.k8s.io", to_text(storage)) == read(R"j(["s (default)","p","Delete","Immediate",false,"0s"])j"));
  const auto network = good(create("networkpolicies", "networking.k8s.io", R"({"metadata":{"name":"n"},"spec":{"podSelector":{},"egress":[{"ports":[{"port":53}]}]}})"));
  CHECK((network["spec"]["policyTypes"] == read(R"(["Ingress","Egress"])") && network["spec"]["egress"][0]["ports"][0]["protocol"] == "TCP"));
  CHECK(refusal("ingresses", "networking.k8s.io", R"({"metadata":{"name":"i"},"spec":{}})").find("either `defaultBackend` or `rules` must be specified") != std::string::npos);
  CHECK(refusal("ingresses", "networking.k8s.io", R"({"metadata":{"name":"i"},"spec":{"rules":[{"http":{"paths":[{"path":"/","backend":{"service":{"name":"s"}}}]}}]}})").find(
            "pathType must be specified") != std::string::npos);
  const auto scaler = good(create("horizontalpodautoscalers", "autoscaling", R"({"metadata":{"name":"h"},"spec":{"maxReplicas":3,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"d"}}})"));
  CHECK(scaler["spec"]["minReplicas"] == 1);
  CHECK(cells("horizontalpodautoscalers", "autoscaling", to_text(scaler)) == read(R"j(["h","Deployment/d","cpu: <unknown>/80%","1",3,0,"0s"])j"));
  CHECK(refusal("horizontalpodautoscalers", "autoscaling", R"({"metadata":{"name":"h"},"spec":{"maxReplicas":0,"scaleTargetRef":{"kind":"D","name":"d"}}})").find(
            "spec.maxReplicas: Invalid value: 0: must be greater than 0") != std::string::npos);
}
