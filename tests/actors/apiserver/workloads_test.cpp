// Deployments, replica sets, daemon sets, stateful sets, jobs and their kin as the API takes them.
#include "actors/apiserver/resources/rules/subresources/subresources.hpp"
#include "actors/apiserver/wire/table.hpp"
#include "tests/actors/apiserver/support.hpp"

using namespace troupe;
using namespace troupe::apiserver;
using namespace troupe::apiserver::testing;

namespace {
const std::string pod = R"("template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"nginx"}]}})";
const std::string selector = R"("selector":{"matchLabels":{"app":"web"}})";
const std::string plain = R"({"metadata":{"name":"web"},"spec":{)" + selector + "," + pod + "}}";

std::variant<json, api_error> create(std::string_view plural, std::string_view group, std::string_view text) {
  const auto& kind = kind_of(plural, group);
  auto body = good(decode_body("", text, kind, "", field_validation::ignore)).object;
  return prepare_create(kind, body, context(kind.namespaced ? "default" : ""));
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
json cells(std::string_view plural, std::string_view group, const json& object) {
  const auto& kind = kind_of(plural, group);
  auto doc = model::make_document(kind, to_text(object), 1, 1);
  REQUIRE(doc.ok());
  rendering how{&kind, {representation::form::table}, noon()};
  return read(table_row(how, **doc))["cells"];
}
}  // namespace

TEST_CASE("what makes pods gets the defaults that clients observe") {
  const auto deployment = good(create("deployments", "apps", plain));
  CHECK(deployment["metadata"]["generation"] == 1);
  CHECK(deployment["status"] == json::object());
  const auto& spec = deployment["spec"];
  CHECK(spec["replicas"] == 1);
  CHECK(spec["strategy"] == read(R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}})"));
  CHECK(spec["revisionHistoryLimit"] == 10);
  CHECK(spec["progressDeadlineSeconds"] == 600);
  CHECK(spec["template"]["spec"] == read(R"({"containers":[{"image":"nginx","imagePullPolicy":"Always","name":"c","resources":{},
      "terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always",
      "schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30})"));
  const auto recreate = good(create("deployments", "apps", R"({"metadata":{"name":"w"},"spec":{"strategy":{"type":"Recreate"},)" + selector + "," + pod + "}}"));
  CHECK(recreate["spec"]["strategy"] == read(R"({"type":"Recreate"})"));

  const auto set = good(create("replicasets", "apps", plain));
  CHECK(set["metadata"]["labels"] == read(R"({"app":"web"})"));
  CHECK(set["status"] == read(R"({"replicas":0})"));
  const auto daemon = good(create("daemonsets", "apps", plain));
  CHECK(daemon["spec"]["updateStrategy"] == read(R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":0,"maxUnavailable":1}})"));
  const auto stateful = good(create("statefulsets", "apps", plain));
  CHECK(stateful["spec"]["podManagementPolicy"] == "OrderedReady");
  CHECK(stateful["spec"]["persistentVolumeClaimRetentionPolicy"] == read(R"({"whenDeleted":"Retain","whenScaled":"Retain"})"));
  const auto old = good(create("replicationcontrollers", "", R"({"metadata":{"name":"rc"},"spec":{)" + pod + "}}"));
  CHECK(old["spec"]["selector"] == read(R"({"app":"web"})"));
}

TEST_CASE("a job gets a selector of its own, a job that names one by hand keeps it") {
  const std::string work = R"("template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"busybox:1"}]}})";
  const auto job = good(create("jobs", "batch", R"({"metadata":{"name":"pi"},"spec":{)" + work + "}}"));
  const auto& spec = job["spec"];
  CHECK(spec["selector"]["matchLabels"] == read(R"({"batch.kubernetes.io/controller-uid":"11111111-2222-4333-8444-555555555555"})"));
  CHECK(spec["template"]["metadata"]["labels"] == read(R"({"batch.kubernetes.io/controller-uid":"11111111-2222-4333-8444-555555555555",
      "controller-uid":"11111111-2222-4333-8444-555555555555","batch.kubernetes.io/job-name":"pi","job-name":"pi"})"));
  CHECK((spec["completions"] == 1 && spec["parallelism"] == 1 && spec["backoffLimit"] == 6 && spec["suspend"] == false));
  CHECK(spec["completionMode"] == "NonIndexed");
  const auto many = good(create("jobs", "batch", R"({"metadata":{"name":"pi"},"spec":{"parallelism":3,)" + work + "}}"));
  CHECK_FALSE(many["spec"].contains("completions"));
  CHECK(refusal("jobs", "batch", R"({"metadata":{"name":"pi"},"spec":{"template":{"spec":{"containers":[{"name":"c","image":"x"}]}}}})") ==
        "Job.batch \"pi\" is invalid: spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"");
  const auto cron = good(create("cronjobs", "batch", R"({"metadata":{"name":"c"},"spec":{"schedule":"*/5 * * * *","jobTemplate":{"spec":{)" + work + "}}}}"));
  CHECK((cron["spec"]["concurrencyPolicy"] == "Allow" && cron["spec"]["successfulJobsHistoryLimit"] == 3 && cron["spec"]["suspend"] == false));
  CHECK(refusal("cronjobs", "batch", R"({"metadata":{"name":"c"},"spec":{"schedule":"hourly","jobTemplate":{"spec":{)" + work + "}}}}").find(
            "spec.schedule: Invalid value: \"hourly\": expected exactly 5 fields") != std::string::npos);
  const auto changed = update("jobs", "batch", job, edited(job, "/spec/template/spec/containers/0/image", "other"));
  CHECK(bad(changed).message.find("spec.template: Invalid value") != std::string::npos);
  CHECK(std::get<prepared>(update("jobs", "batch", job, edited(job, "/spec/parallelism", 5))).object["metadata"]["generation"] == 2);
}

TEST_CASE("a job leaves its pods behind when nobody says what shall become of them, and the client is told") {
  const auto& kind = kind_of("jobs", "batch");
  auto job = published(good(create("jobs", "batch", R"({"metadata":{"name":"j"},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})")));
  const auto plan = [&](std::string_view wanted) {
    auto ctx = context();
    ctx.garbage_collector = true;
    return plan_delete(kind, job, read(wanted), ctx);
  };
  CHECK(std::get<update_first>(plan("{}")).object["metadata"]["finalizers"] == read(R"(["orphan"])"));
  CHECK(std::holds_alternative<erase_now>(plan(R"({"propagationPolicy":"Background"})")));
  job["metadata"]["finalizers"] = read(R"(["foregroundDeletion"])");
  CHECK(std::get<update_first>(plan("{}")).object["metadata"]["finalizers"] == read(R"(["foregroundDeletion"])"));
  CHECK(warnings_of_delete(kind, read("{}")).at(0).starts_with("child pods are preserved by default when jobs are deleted"));
  for (auto said : {R"({"propagationPolicy":"Orphan"})", R"({"orphanDependents":false})"}) CHECK(warnings_of_delete(kind, read(said)).empty());
  CHECK(warnings_of_delete(kind_of("deployments", "apps"), read("{}")).empty());
}

TEST_CASE("a job's policies that cannot be carried out are refused in upstream's words") {
  struct row { const char *spec, *policy, *says; } rows[] = {
      {R"("backoffLimitPerIndex":1,)", "Never", "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"},
      {R"("completionMode":"Indexed","completions":3,"maxFailedIndexes":1,)", "Never", "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"},
      {R"("completionMode":"Indexed","completions":3,"backoffLimitPerIndex":1,"maxFailedIndexes":4,)", "Never", "spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions"},
      {R"("podFailurePolicy":{"rules":[]},)", "OnFailure", "only \"Never\" is supported when podFailurePolicy is specified"},
      {R"("podReplacementPolicy":"TerminatingOrFailed","podFailurePolicy":{"rules":[]},)", "Never", "spec.podReplacementPolicy: Unsupported value: \"TerminatingOrFailed\": supported values: \"Failed\""},
      {R"("podFailurePolicy":{"rules":[{"action":"FailIndex","onExitCodes":{"operator":"In","values":[1]}}]},)", "Never",
       "spec.podFailurePolicy.rules[0].action: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set"},
      {R"("podFailurePolicy":{"rules":[{"action":"Explode","onExitCodes":{"operator":"In","values":[1]}}]},)", "Never", "spec.podFailurePolicy.rules[0].action: Unsupported value: \"Explode\""},
      {R"("podFailurePolicy":{"rules":[{"action":"Count"}]},)", "Never", "spec.podFailurePolicy.rules[0]: Invalid value: \"\": specifying one of OnExitCodes and OnPodConditions is required"},
      {R"("podFailurePolicy":{"rules":[{"action":"Count","onExitCodes":{"operator":"In","values":[0]}}]},)", "Never",
       "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator"},
      {R"("podFailurePolicy":{"rules":[{"action":"Count","onExitCodes":{"operator":"In","values":[3,3]}}]},)", "Never", "values[1]: Duplicate value: 3"},
      {R"("successPolicy":{"rules":[{"succeededCount":1}]},)", "Never", "requires indexed completion mode"},
      {R"("completionMode":"Indexed","completions":3,"successPolicy":{"rules":[{"succeededCount":4}]},)", "Never", "spec.successPolicy.rules[0].succeededCount: Invalid value: 4: must be less than or equal to 3"},
      {R"("managedBy":"me",)", "Never", "spec.managedBy: Invalid value: \"me\": must be a domain-prefixed path"}};
  for (const auto& row : rows) {
    const auto said = refusal("jobs", "batch", std::string(R"({"metadata":{"name":"pi"},"spec":{)") + row.spec + R"("template":{"spec":{"restartPolicy":")" + row.policy +
                                                   R"(","containers":[{"name":"c","image":"x"}]}}}})");
    CHECK_MESSAGE(said.find(row.says) != std::string::npos, said);
  }
  good(create("jobs", "batch", R"({"metadata":{"name":"pi"},"spec":{"completionMode":"Indexed","completions":3,"backoffLimitPerIndex":1,"maxFailedIndexes":2,
      "successPolicy":{"rules":[{"succeededIndexes":"0-1","succeededCount":1}]},"podFailurePolicy":{"rules":[{"action":"FailIndex","onExitCodes":{"operator":"In","values":[42]}}]},
      "template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"x"}]}}}})"));
}

TEST_CASE("what cannot work is refused in upstream's words") {
  struct row { const char *plural, *spec, *says; } rows[] = {
      {"deployments", R"("selector":{"matchLabels":{"app":"other"}},)", "spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`"},
      {"deployments", "", "spec.selector: Required value"},
      {"deployments", R"("selector":{},)", "spec.selector: Invalid value: {}: empty selector is invalid for deployment"},
      {"deployments", R"("replicas":-1,"selector":{"matchLabels":{"app":"web"}},)", "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
      {"deployments", R"("strategy":{"rollingUpdate":{"maxSurge":0,"maxUnavailable":0}},"selector":{"matchLabels":{"app":"web"}},)",
       "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"},
      {"deployments", R"("strategy":{"rollingUpdate":{"maxSurge":"many"}},"selector":{"matchLabels":{"app":"web"}},)", "a valid percent string must be"},
      {"deployments", R"("strategy":{"type":"Sometimes"},"selector":{"matchLabels":{"app":"web"}},)",
       "spec.strategy.type: Unsupported value: \"Sometimes\": supported values: \"Recreate\", \"RollingUpdate\""},
      {"deployments", R"("selector":{"matchExpressions":[{"key":"app","operator":"Like"}]},)", "spec.selector.matchExpressions[0].operator: Invalid value"},
      {"replicasets", R"("selector":{"matchLabels":{"app":"x"}},)", "`selector` does not match template `labels`"},
      {"daemonsets", R"("updateStrategy":{"type":"No"},"selector":{"matchLabels":{"app":"web"}},)", "spec.updateStrategy.type: Unsupported value: \"No\""},
      {"statefulsets", R"("podManagementPolicy":"Odd","selector":{"matchLabels":{"app":"web"}},)", "spec.podManagementPolicy: Unsupported value: \"Odd\""}};
  for (const auto& row : rows) {
    const auto said = refusal(row.plural, "apps", std::string(R"({"metadata":{"name":"web"},"spec":{)") + row.spec + pod + "}}");
    CHECK_MESSAGE(said.find(row.says) != std::string::npos, said);
  }
  const auto never = refusal("deployments", "apps", R"({"metadata":{"name":"w"},"spec":{)" + selector +
      R"(,"template":{"metadata":{"labels":{"app":"web"}},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"x"}]}}}})");
  CHECK(never == "Deployment.apps \"w\" is invalid: spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"");
  const auto empty = refusal("replicasets", "apps", R"({"metadata":{"name":"w"},"spec":{)" + selector + R"(,"template":{"metadata":{"labels":{"app":"web"}}}}})");
  CHECK(empty.find("spec.template.spec.containers: Required value") != std::string::npos);
}

TEST_CASE("a selector stays what it was, a replica count does not") {
  for (auto plural : {"deployments", "replicasets", "daemonsets"}) {
    const auto made = good(create(plural, "apps", plain));
    auto other = edited(made, "/spec/selector/matchLabels/more", "x");
    other = edited(other, "/spec/template/metadata/labels/more", "x");
    CHECK(bad(update(plural, "apps", made, other)).message.find("field is immutable") != std::string::npos);
  }
  const auto made = good(create("deployments", "apps", plain));
  const auto scaled = std::get<prepared>(update("deployments", "apps", made, edited(made, "/spec/replicas", 3)));
  CHECK(scaled.object["metadata"]["generation"] == 2);
  const auto told = std::get<prepared>(update("deployments", "apps", made, edited(made, "/status/replicas", 3), "status"));
  CHECK(told.object["metadata"]["generation"] == 1);
  const auto set = good(create("statefulsets", "apps", plain));
  CHECK(bad(update("statefulsets", "apps", set, edited(set, "/spec/serviceName", "x"))).message.find("are forbidden") != std::string::npos);
  const auto revision = good(create("controllerrevisions", "apps", R"({"metadata":{"name":"r"},"revision":1,"data":{"a":1}})"));
  CHECK(bad(update("controllerrevisions", "apps", revision, edited(revision, "/data/a", 2))).code == 422);
}

TEST_CASE("tables of workloads say what kubectl prints") {
  auto deployment = good(create("deployments", "apps", plain));
  deployment["status"] = {{"readyReplicas", 1}, {"updatedReplicas", 1}, {"availableReplicas", 1}, {"replicas", 1}};
  CHECK(cells("deployments", "apps", deployment) == read(R"(["web","1/1",1,1,"0s","c","nginx","app=web"])"));
  CHECK(cells("replicasets", "apps", good(create("replicasets", "apps", plain))) == read(R"(["web",1,0,0,"0s","c","nginx","app=web"])"));
  CHECK(cells("daemonsets", "apps", good(create("daemonsets", "apps", plain))) == read(R"(["web",0,0,0,0,0,"<none>","0s","c","nginx","app=web"])"));
  CHECK(cells("jobs", "batch", read(R"({"metadata":{"name":"j","namespace":"d","creationTimestamp":"2026-11-22T06:59:00Z"},"spec":{"completions":3,
      "selector":{"matchLabels":{"a":"b"}},"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}},"status":{"succeeded":3,
      "startTime":"2026-11-22T06:59:00Z","completionTime":"2026-11-22T06:59:07Z","conditions":[{"type":"Complete","status":"True"}]}})")) ==
        read(R"(["j","Complete","3/3","7s","60s","c","i","a=b"])"));
  CHECK(cells("cronjobs", "batch", read(R"({"metadata":{"name":"j","namespace":"d"},"spec":{"schedule":"@hourly","suspend":true}})")) ==
        read(R"(["j","@hourly","<none>","True",0,"<none>","<unknown>","","","<none>"])"));
}

TEST_CASE("an absent count is selected as zero") {
  const auto& sets = kind_of("replicasets", "apps");
  auto doc = model::make_document(sets, R"({"metadata":{"name":"a","namespace":"d"}})", 1, 1);
  REQUIRE(doc.ok());
  CHECK((*doc)->selectable(0) == "0");
}

TEST_CASE("a Scale reads and sets the count of replicas, and nothing else") {
  const auto& kind = kind_of("deployments", "apps");
  const auto made = published(good(create("deployments", "apps", plain)));
  CHECK(scale_of(made) == read(R"({"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"web","namespace":"default",
      "uid":"11111111-2222-4333-8444-555555555555","resourceVersion":"1020","creationTimestamp":"2026-11-22T07:00:00Z"},
      "spec":{"replicas":1},"status":{"replicas":0,"selector":"app=web"}})"));
  const auto grown = good(patch_scale("application/merge-patch+json", made, R"({"spec":{"replicas":3}})", context())).object;
  auto next = good(apply_part(kind, "scale", made, grown, noon()));
  CHECK((next["spec"]["replicas"] == 3 && next["spec"]["template"] == made["spec"]["template"]));
  CHECK(std::get<prepared>(prepare_update(kind, made, next, part_rule("scale"), context())).object["metadata"]["generation"] == 2);
  CHECK(bad(apply_part(kind, "scale", made, read(R"({"spec":{"replicas":-1}})"), noon())).code == 422);
  auto stale = scale_of(made);
  stale["metadata"]["resourceVersion"] = "7";
  CHECK(bad(prepare_update(kind, made, good(apply_part(kind, "scale", made, stale, noon())), "", context())).code == 409);
}

TEST_CASE("a pod is bound once") {
  const auto& kind = kind_of("pods");
  const auto made = published(created("pods", R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"b"}]}})"));
  const auto binding = read(R"({"metadata":{"name":"p"},"target":{"kind":"Node","name":"n1"}})");
  auto bound = good(apply_part(kind, "binding", made, binding, noon()));
  bound = std::get<prepared>(prepare_update(kind, made, bound, part_rule("binding"), context())).object;
  CHECK(bound["spec"]["nodeName"] == "n1");
  CHECK(bound["status"]["conditions"] == read(R"([{"type":"PodScheduled","status":"True","lastTransitionTime":"2026-11-22T07:00:00Z"}])"));
  CHECK(bad(apply_part(kind, "binding", bound, binding, noon())).message ==
        "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n1\"");
  CHECK(bad(apply_part(kind, "binding", edited(made, "/metadata/deletionTimestamp", "2026-11-22T07:00:00Z"), binding, noon())).code == 409);
  CHECK(bad(apply_part(kind, "binding", made, read(R"({"target":{"kind":"Moon"}})"), noon())).code == 422);
}

TEST_CASE("an eviction asks the pod's budget") {
  const auto& budgets = kind_of("poddisruptionbudgets", "policy");
  auto pod = created("pods", R"({"metadata":{"name":"p","labels":{"app":"web"}},"spec":{"containers":[{"name":"a","image":"b"}]}})");
  pod["status"] = read(R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})");
  model::snapshot all;
  CHECK_FALSE(judge_eviction(pod, all, noon()).refused);
  auto keep = [&](std::string name, int allowed) {
    auto text = R"({"metadata":{"name":")" + name + R"(","namespace":"default","generation":1},"spec":{"selector":{"matchLabels":{"app":"web"}}},
        "status":{"observedGeneration":1,"desiredHealthy":2,"currentHealthy":2,"disruptionsAllowed":)" + std::to_string(allowed) + "}}";
    all = all.insert(*model::make_document(budgets, text, 1, 9));
  };
  keep("b", 0);
  const auto refused = judge_eviction(pod, all, noon()).refused;
  REQUIRE(refused);
  CHECK((refused->code == 429 && refused->message == "Cannot evict pod as it would violate the pod's disruption budget."));
  CHECK(refused->details["causes"][0]["message"] == "The disruption budget b needs 2 healthy pods and has 2 currently");
  keep("b", 1);
  const auto paid = judge_eviction(pod, all, noon());
  CHECK((!paid.refused && paid.budget == "b" && paid.patch["status"]["disruptionsAllowed"] == 0 && paid.patch["metadata"]["resourceVersion"] == "9"));
  auto going = pod;
  going["status"]["phase"] = "Succeeded";
  CHECK(judge_eviction(going, all, noon()).budget.empty());
  keep("c", 1);
  CHECK(judge_eviction(pod, all, noon()).refused->code == 500);
}
