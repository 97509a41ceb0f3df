#include "actors/kubelet/static_pods/manifest.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::kubelet;

namespace {

const wall_time noon = *parse_rfc3339("2026-03-01T12:00:00Z");
const std::string good = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels: {app: web}\nspec:\n  containers:\n  - name: main\n    image: app:1\n";

std::string refusal(const std::string& text) {
  const auto got = read_manifest("f.yaml", text, "n1", noon);
  REQUIRE(!got.ok());
  return got.why().note;
}
json pod_of(const std::string& text, wall_time seen = noon) {
  const auto got = read_manifest("f.yaml", text, "n1", seen);
  REQUIRE(got.ok());
  return *got;
}
std::shared_ptr<const json> shared(json of) { return std::make_shared<const json>(std::move(of)); }

}  // namespace

TEST_CASE("a static pod is called after its node, and its uid says what its file says") {
  const auto pod = pod_of(good);
  CHECK(pod_key(pod) == "default/web-n1");
  CHECK(pod["spec"]["nodeName"] == "n1");
  const auto& marks = pod["metadata"]["annotations"];
  CHECK(marks["kubernetes.io/config.source"] == "file");
  CHECK(marks["kubernetes.io/config.hash"] == pod["metadata"]["uid"]);
  CHECK(text_or(pod["metadata"]["uid"]).size() == 32);
  CHECK(pod_of(good, noon + std::chrono::hours(1))["metadata"]["uid"] == pod["metadata"]["uid"]);
  CHECK(pod_of(good + "    command: [x]\n")["metadata"]["uid"] != pod["metadata"]["uid"]);
  CHECK(pod["spec"]["tolerations"][0]["effect"] == "NoExecute");
}

TEST_CASE("JSON is read as YAML is, with tabs too") {
  const auto pod = pod_of("{\n\t\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"namespace\":\"kube-system\"},\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"b\"}]}}");
  CHECK(pod_key(pod) == "kube-system/web-n1");
}

TEST_CASE("a manifest that cannot be a pod is refused in a sentence") {
  CHECK(refusal("a: [").find("line") != std::string::npos);
  CHECK(refusal("") == "it must be one object of kind Pod and apiVersion v1");
  CHECK(refusal("apiVersion: v1\nkind: Service\n") == "it must be one object of kind Pod and apiVersion v1");
  CHECK(refusal("apiVersion: v1\nkind: Pod\nmetadata: {name: UPPER}\nspec: {}\n") == "metadata.name: it must be lower-case letters, digits, '-' and '.'");
  CHECK(refusal("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {}\n") == "spec.containers: a pod needs at least one container");
  CHECK(refusal("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c}]}\n") == "spec.containers: container \"c\" has no image");
  CHECK(refusal(good + "  serviceAccountName: x\n") == "a static pod cannot have a service account");
  CHECK(refusal(good + "  volumes: [{name: v, secret: {secretName: s}}]\n").find("the Secret \"s\"") != std::string::npos);
}

TEST_CASE("a mirror belongs to its node and names the hash of its pod") {
  const auto pod = pod_of(good);
  const auto mirror = make_mirror(pod, "n1", "node-uid");
  CHECK(mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"] == pod["metadata"]["uid"]);
  CHECK(!mirror["metadata"].contains("uid"));
  CHECK(mirror["metadata"]["ownerReferences"][0]["uid"] == "node-uid");
  CHECK(mirror["metadata"]["ownerReferences"][0]["kind"] == "Node");
}

TEST_CASE("mirrors follow the files: made, kept while the pod ends, removed, made anew when somebody deletes one") {
  const auto pod = pod_of(good), changed = pod_of(good + "    command: [x]\n");
  auto mirror = make_mirror(pod, "n1", "node-uid");
  const auto hash = text_or(pod["metadata"]["uid"]);
  const std::string key = "default/web-n1";
  using kind = mirror_step::kind;
  auto steps = plan_mirrors({{key, shared(pod)}}, {}, {hash});
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].what == kind::create);
  CHECK(plan_mirrors({{key, shared(pod)}}, {{key, shared(mirror)}}, {hash}).empty());
  CHECK(plan_mirrors({}, {{key, shared(mirror)}}, {hash}).empty());
  steps = plan_mirrors({}, {{key, shared(mirror)}}, {});
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].what == kind::remove);
  steps = plan_mirrors({{key, shared(changed)}}, {{key, shared(mirror)}}, {text_or(changed["metadata"]["uid"])});
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].what == kind::remove);
  mirror["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z";
  steps = plan_mirrors({{key, shared(pod)}}, {{key, shared(mirror)}}, {hash});
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].what == kind::remove);
}
