// What controllers decide, played through on a little cluster.
#include "actors/controllers/daemon_set/daemon_set.hpp"
#include "actors/controllers/deployment/deployment.hpp"
#include "actors/controllers/upkeep/upkeep.hpp"
#include "tests/actors/controllers/little_cluster.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {
json read(std::string_view text) {
  auto value = parse_json(text);
  REQUIRE_MESSAGE(value.ok(), text);
  return *value;
}
json deployment(int replicas, const std::string& more = "") {
  return read(R"({"metadata":{"name":"web"},"spec":{"replicas":)" + std::to_string(replicas) + more +
              R"(,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"one"}]}}}})");
}
json image(const char* name) { return read(std::string(R"([{"op":"replace","path":"/spec/template/spec/containers/0/image","value":")") + name + "\"}]"); }
constexpr auto json_patch = "application/json-patch+json";
constexpr auto merge = "application/merge-patch+json";
std::int64_t at(const little_cluster& c, const char* plural, const std::string& key, const char* name) { return number(dig(*c.all.find(plural, key), "status", name)); }
}  // namespace

TEST_CASE("a deployment comes to as many ready pods as it wants, and says so") {
  little_cluster c;
  c.make("deployments", deployment(3));
  c.live();
  CHECK(c.count("pods") == 3);
  CHECK(c.count("replicasets") == 1);
  for (auto name : {"replicas", "readyReplicas", "availableReplicas", "updatedReplicas"}) CHECK(at(c, "deployments", "d/web", name) == 3);
  const auto& done = *c.all.find("deployments", "d/web");
  CHECK(dig(condition(done, "Progressing"), "reason") == "NewReplicaSetAvailable");
  CHECK(dig(condition(done, "Available"), "status") == "True");
  CHECK(dig(done, "metadata", "annotations", "deployment.kubernetes.io/revision") == "1");
  c.change("deployments", "d/web", "", merge, read(R"({"spec":{"replicas":1}})"));
  c.live();
  CHECK(c.count("pods") == 1);
  CHECK(std::ranges::count_if(c.said, [](const auto& s) { return s.starts_with("SuccessfulDelete"); }) == 2);
}

TEST_CASE("a rollout never has more pods than surge allows nor fewer ready than must be") {
  struct row { int replicas; const char *surge, *away; int most, least; } rows[] = {
      {4, "1", "0", 5, 4}, {4, "0", "1", 4, 3}, {10, "\"25%\"", "\"25%\"", 13, 8}, {1, "\"25%\"", "\"25%\"", 2, 1}, {3, "3", "3", 6, 0}};
  for (const auto& row : rows) {
    little_cluster c;
    c.make("deployments", deployment(row.replicas, std::string(R"(,"strategy":{"rollingUpdate":{"maxSurge":)") + row.surge + R"(,"maxUnavailable":)" + row.away + "}}"));
    c.live();
    std::size_t most = 0, least = 100;
    c.on_change = [&] {
      std::size_t there = 0, ready = 0;
      for (const auto& [key, pod] : c.all.all("pods")) there += is_active(*pod) ? 1 : 0, ready += is_active(*pod) && is_ready(*pod) ? 1 : 0;
      most = std::max(most, there), least = std::min(least, ready);
    };
    c.change("deployments", "d/web", "", json_patch, image("two"));
    c.live(40);
    c.on_change = [] {};
    CHECK(most <= static_cast<std::size_t>(row.most));
    CHECK(least >= static_cast<std::size_t>(row.least));
    CHECK(at(c, "deployments", "d/web", "updatedReplicas") == row.replicas);
    CHECK(c.count("pods") == static_cast<std::size_t>(row.replicas));
    for (const auto& [key, pod] : c.all.all("pods")) CHECK(dig(*pod, "spec", "containers")[0]["image"] == "two");
    // Back, as kubectl rollout undo does it: the old set is the new one again.
    c.change("deployments", "d/web", "", json_patch, image("one"));
    c.live(40);
    CHECK(c.count("replicasets") == 2);
    CHECK(dig(*c.all.find("deployments", "d/web"), "metadata", "annotations", "deployment.kubernetes.io/revision") == "3");
  }
}

TEST_CASE("Recreate has no new pod before the last old one is gone") {
  little_cluster c;
  c.make("deployments", deployment(2, R"(,"strategy":{"type":"Recreate"})"));
  c.live();
  bool mixed = false;
  c.on_change = [&] {
    std::set<std::string> images;
    for (const auto& [key, pod] : c.all.all("pods")) images.insert(text_or(dig(*pod, "spec", "containers")[0]["image"]));
    mixed = mixed || images.size() > 1;
  };
  c.change("deployments", "d/web", "", json_patch, image("two"));
  c.live(20);
  CHECK_FALSE(mixed);
  CHECK(at(c, "deployments", "d/web", "updatedReplicas") == 2);
}

TEST_CASE("a paused deployment scales and does not roll; a stuck one says so; history has its limit") {
  little_cluster c;
  c.make("deployments", deployment(2, R"(,"revisionHistoryLimit":1,"progressDeadlineSeconds":30)"));
  c.live();
  c.change("deployments", "d/web", "", merge, read(R"({"spec":{"paused":true,"replicas":4}})"));
  c.change("deployments", "d/web", "", json_patch, image("two"));
  c.live();
  CHECK((c.count("pods") == 4 && c.count("replicasets") == 1));
  CHECK(dig(condition(*c.all.find("deployments", "d/web"), "Progressing"), "reason") == "DeploymentPaused");
  c.change("deployments", "d/web", "", merge, read(R"({"spec":{"paused":false}})"));
  c.settle();   // nobody runs the new pods
  CHECK(dig(condition(*c.all.find("deployments", "d/web"), "Progressing"), "status") != "False");
  c.pass(31s);
  c.pass(31s);
  CHECK(dig(condition(*c.all.find("deployments", "d/web"), "Progressing"), "reason") == "ProgressDeadlineExceeded");
  c.live(20);
  CHECK(dig(condition(*c.all.find("deployments", "d/web"), "Progressing"), "reason") == "NewReplicaSetAvailable");
  for (auto name : {"three", "four"}) c.change("deployments", "d/web", "", json_patch, image(name)), c.live(20);
  CHECK(c.count("replicasets") == 2);
}

TEST_CASE("orphans are taken in, strangers let go") {
  little_cluster c;
  c.make("pods", read(R"({"metadata":{"name":"lost","labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"one"}]}})"));
  c.make("deployments", deployment(2));
  c.live();
  CHECK(c.count("pods") == 3);   // the hash keeps the stranger out of a deployment's set
  c.make("replicasets", read(R"({"metadata":{"name":"rs"},"spec":{"replicas":1,"selector":{"matchLabels":{"x":"y"}},"template":{"metadata":{"labels":{"x":"y"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}})"));
  c.live();
  const auto one = controlled(c.all, "pods", uid_of(*c.all.find("replicasets", "d/rs")));
  REQUIRE(one.size() == 1);
  c.change("pods", key_of(*one[0]), "", merge, read(R"({"metadata":{"labels":{"x":"z"}}})"));
  c.live();
  CHECK(controller_of(*c.all.find("pods", key_of(*one[0]))).is_null());
  CHECK(controlled(c.all, "pods", uid_of(*c.all.find("replicasets", "d/rs"))).size() == 1);
  c.change("pods", key_of(*one[0]), "", merge, read(R"({"metadata":{"labels":{"x":"y"}}})"));
  c.live();
  CHECK(controlled(c.all, "pods", uid_of(*c.all.find("replicasets", "d/rs"))).size() == 1);   // taken in, and one of the two removed
}

TEST_CASE("deleting in the background, in the foreground, and leaving the children") {
  for (auto policy : {"Background", "Foreground", "Orphan"}) {
    little_cluster c;
    c.make("deployments", deployment(2));
    c.live();
    std::vector<std::string> order;
    c.remove("deployments", "d/web", {{"propagationPolicy", policy}});
    c.settle();
    const bool waits = std::string_view(policy) == "Foreground";
    if (waits && c.count("pods") > 0) CHECK(c.count("deployments") == 1);
    c.live();
    CHECK(c.count("deployments") == 0);
    const bool kept = std::string_view(policy) == "Orphan";
    CHECK(c.count("replicasets") == (kept ? 1 : 0));
    CHECK(c.count("pods") == (kept ? 2 : 0));
  }
}

TEST_CASE("a daemon set has one pod on every node that lets it") {
  little_cluster c;
  auto node = [&](const char* name, const char* more) { c.make("nodes", json{{"metadata", {{"name", name}}}, {"spec", read(more)}}); };
  node("a", "{}"), node("b", R"({"unschedulable":true,"taints":[{"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule"}]})");
  node("c", R"({"taints":[{"key":"k","effect":"NoSchedule"}]})");
  c.make("daemonsets", deployment(1));
  c.live();
  CHECK(c.count("pods") == 2);
  CHECK(at(c, "daemonsets", "d/web", "numberAvailable") == 2);
  CHECK(c.count("controllerrevisions") == 1);
  node("e", "{}");
  c.live();
  CHECK(c.count("pods") == 3);
  c.change("daemonsets", "d/web", "", json_patch, image("two"));
  c.live(20);
  CHECK(at(c, "daemonsets", "d/web", "updatedNumberScheduled") == 3);
  CHECK(c.count("controllerrevisions") == 2);
  c.change("nodes", "a", "", merge, read(R"({"spec":{"taints":[{"key":"k","effect":"NoExecute"}]}})"));
  c.live();
  CHECK(c.count("pods") == 2);
}

TEST_CASE("a taint evicts whom it may, when it may, and pods of a node that is gone go") {
  const auto now = *parse_rfc3339("2026-11-22T07:00:00Z");
  const auto node = read(R"({"spec":{"taints":[{"key":"k","effect":"NoExecute","timeAdded":"2026-11-22T06:59:00Z"}]}})");
  struct row { const char* tolerations; std::optional<duration> left; } rows[] = {
      {"[]", duration::zero()}, {R"([{"operator":"Exists"}])", std::nullopt}, {R"([{"key":"k","operator":"Exists","tolerationSeconds":90}])", duration(30s)},
      {R"([{"key":"k","operator":"Exists","tolerationSeconds":30}])", duration::zero()}, {R"([{"key":"other","operator":"Exists"}])", duration::zero()}};
  for (const auto& row : rows) CHECK_MESSAGE((stay_left(json{{"spec", {{"tolerations", read(row.tolerations)}}}}, node, now) == row.left), row.tolerations);
  little_cluster c;
  c.make("pods", read(R"({"metadata":{"name":"p"},"spec":{"nodeName":"gone","containers":[{"name":"c","image":"i"}]}})"));
  c.settle();
  CHECK(c.count("pods") == 0);
  c.make("pods", read(R"({"metadata":{"name":"held","finalizers":["a/b"]},"spec":{"nodeName":"gone","containers":[{"name":"c","image":"i"}]}})"));
  c.settle();   // and comes to an end, though the pod stays
  CHECK(dig(*c.all.find("pods", "d/held"), "status", "phase") == "Failed");
  c.change("pods", "d/held", "", merge, read(R"({"metadata":{"finalizers":null}})"));
  CHECK(c.count("pods") == 0);
}

TEST_CASE("a disruption budget says how many pods may go") {
  little_cluster c;
  c.make("poddisruptionbudgets", read(R"({"metadata":{"name":"b"},"spec":{"minAvailable":"50%","selector":{"matchLabels":{"app":"web"}}}})"));
  c.make("deployments", deployment(3));
  c.live();
  CHECK((at(c, "poddisruptionbudgets", "d/b", "expectedPods") == 3 && at(c, "poddisruptionbudgets", "d/b", "desiredHealthy") == 2));
  CHECK(at(c, "poddisruptionbudgets", "d/b", "disruptionsAllowed") == 1);
}

TEST_CASE("counts are shared out in proportion and none is lost") {
  CHECK(proportions({10, 5}, 30) == std::vector<std::int64_t>{20, 10});
  CHECK(proportions({3, 2}, 0) == std::vector<std::int64_t>{0, 0});
  for (std::int64_t allowed = 0; allowed < 40; ++allowed) {
    const auto out = proportions({7, 5, 1}, allowed);
    CHECK(out[0] + out[1] + out[2] == allowed);
  }
}
