// Jobs, played through on a little cluster.
#include "actors/controllers/job/job.hpp"
#include "actors/controllers/job/policies.hpp"
#include "actors/controllers/job/tally.hpp"
#include "tests/actors/controllers/little_cluster.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {
json read(std::string_view text) {
  auto value = parse_json(text);
  REQUIRE_MESSAGE(value.ok(), text);
  return *value;
}
constexpr auto merge = "application/merge-patch+json";
std::int64_t at(const little_cluster& c, const char* plural, const std::string& key, const char* name) { return number(dig(*c.all.find(plural, key), "status", name)); }

/// A cluster with the job "j", whose spec has `more` ("...,").
struct stage_of_a_job {
  little_cluster c;
  explicit stage_of_a_job(const std::string& more, const char* policy = "Never") {
    c.make("jobs", read(R"({"metadata":{"name":"j"},"spec":{)" + more + R"("template":{"spec":{"restartPolicy":")" + policy +
                        R"(","nodeName":"n","containers":[{"name":"c","image":"i"}]}}}})"));
    c.make("nodes", read(R"({"metadata":{"name":"n"}})"));
    c.settle();
  }
  std::int64_t count(const char* name) { return at(c, "jobs", "d/j", name); }
  std::string text(const char* name) { return text_or(dig(*c.all.find("jobs", "d/j"), "status", name)); }
  bool is(const char* type) { return dig(condition(*c.all.find("jobs", "d/j"), type), "status") == "True"; }
  std::string why(const char* type) { return text_or(dig(condition(*c.all.find("jobs", "d/j"), type), "reason")); }
  std::vector<std::string> active() {
    std::vector<std::string> out;
    for (const auto& [key, pod] : c.all.all("pods"))
      if (is_active(*pod)) out.push_back(key);
    return out;
  }
  /// The active pod of that index.
  std::string numbered(const char* index) {
    for (const auto& key : active())
      if (note(key, index_note) == index) return key;
    return {};
  }
  std::string note(const std::string& key, const char* name) { return text_or(dig(*c.all.find("pods", key), "metadata", "annotations", name)); }
  /// Ends one now, with this exit code.
  void end(const std::string& key, int code) {
    const json ended{{"exitCode", code}, {"finishedAt", to_rfc3339(c.now)}};
    c.change("pods", key, "status", merge, {{"status", {{"phase", code == 0 ? "Succeeded" : "Failed"}, {"containerStatuses", json::array({{{"name", "c"}, {"state", {{"terminated", ended}}}}})}}}});
    c.settle();
  }
};
}  // namespace

TEST_CASE("a job counts each pod once and ends") {
  little_cluster c;
  c.make("jobs", read(R"({"metadata":{"name":"j"},"spec":{"completions":3,"parallelism":2,"backoffLimit":1,"ttlSecondsAfterFinished":60,
      "template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})"));
  c.settle();
  CHECK(c.count("pods") == 2);
  auto end = [&](const char* phase) {
    auto copy = c.all.all("pods");
    for (const auto& [key, pod] : copy)
      if (is_active(*pod)) return c.tell(key, phase, "False"), c.settle();
  };
  end("Succeeded"), end("Failed"), end("Succeeded");
  CHECK((at(c, "jobs", "d/j", "succeeded") == 2 && at(c, "jobs", "d/j", "failed") == 1));
  c.pass(1s);
  CHECK((at(c, "jobs", "d/j", "succeeded") == 2 && at(c, "jobs", "d/j", "failed") == 1));   // not counted again
  end("Succeeded");
  CHECK(dig(condition(*c.all.find("jobs", "d/j"), "Complete"), "status") == "True");
  CHECK(std::ranges::find(c.said, "Completed: Job completed") != c.said.end());
  c.pass(61s);
  c.live();
  CHECK((c.count("jobs") == 0 && c.count("pods") == 0));
}

TEST_CASE("a job does not wait for a pod that is going, unless it is told to") {
  for (const bool waits : {false, true}) {
    little_cluster c;
    c.make("nodes", read(R"({"metadata":{"name":"lost"}})"));
    c.make("jobs", read(std::string(R"({"metadata":{"name":"j"},"spec":{"completions":2,"parallelism":1,"completionMode":"Indexed",)") +
                        (waits ? R"("podReplacementPolicy":"Failed",)" : "") + R"("template":{"spec":{"restartPolicy":"Never","nodeName":"lost","containers":[{"name":"c","image":"i"}]}}}})"));
    c.settle();
    REQUIRE(c.count("pods") == 1);
    c.remove("pods", c.all.all("pods").begin()->first, read("{}"));   // its node is lost: it never goes
    c.change("jobs", "d/j", "", merge, read(R"({"metadata":{"labels":{"look":"again"}}})"));
    c.settle();
    CHECK(c.count("pods") == 1);   // its back-off
    c.pass(10s);
    CHECK(c.count("pods") == (waits ? 1 : 2));
  }
}

TEST_CASE("a job that fails too often or takes too long fails, and its pods go") {
  struct row { const char *spec, *reason; } rows[] = {{R"("backoffLimit":0)", "BackoffLimitExceeded"}, {R"("activeDeadlineSeconds":10)", "DeadlineExceeded"}};
  for (const auto& row : rows) {
    little_cluster c;
    c.make("jobs", read(std::string(R"({"metadata":{"name":"j"},"spec":{"parallelism":2,"completions":2,)") + row.spec +
                        R"(,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})"));
    c.live();
    auto copy = c.all.all("pods");
    if (std::string_view(row.reason) == "BackoffLimitExceeded") c.tell(copy.begin()->first, "Failed", "False");
    c.pass(11s);
    c.live();
    CHECK(dig(condition(*c.all.find("jobs", "d/j"), "Failed"), "reason") == row.reason);
    for (const auto& [key, pod] : c.all.all("pods")) CHECK_FALSE(is_active(*pod));
  }
  CHECK(print_indexes({0, 1, 2, 5, 7, 8}) == "0-2,5,7,8");
  CHECK(parse_indexes("0-2,5") == std::vector<std::int64_t>{0, 1, 2, 5});
  CHECK(parse_indexes("").empty());
}

TEST_CASE("an indexed job gives every pod a number of its own") {
  little_cluster c;
  c.make("jobs", read(R"({"metadata":{"name":"j"},"spec":{"completions":3,"parallelism":3,"completionMode":"Indexed",
      "template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})"));
  c.settle();
  std::set<std::string> numbers;
  auto copy = c.all.all("pods");
  for (const auto& [key, pod] : copy) numbers.insert(text_or(dig(*pod, "metadata", "annotations", "batch.kubernetes.io/job-completion-index")));
  CHECK(numbers == std::set<std::string>{"0", "1", "2"});
  for (const auto& [key, pod] : copy) c.tell(key, "Succeeded", "False"), c.settle();
  CHECK(dig(*c.all.find("jobs", "d/j"), "status", "completedIndexes") == "0-2");
}

TEST_CASE("a pod of a job is not gone before it has counted") {
  stage_of_a_job s(R"("completions":2,"parallelism":1,)");
  const auto first = s.active().at(0);
  CHECK(has_finalizer(*s.c.all.find("pods", first), job_finalizer));
  // Somebody has the controllers stand still, and takes the pod away the moment that it has succeeded.
  s.c.change("pods", first, "status", merge, read(R"({"status":{"phase":"Succeeded"}})"));
  s.c.remove("pods", first, read("{}"));
  CHECK(s.c.all.find("pods", first));
  s.c.settle();
  CHECK_FALSE(s.c.all.find("pods", first));
  CHECK((s.count("succeeded") == 1 && s.count("failed") == 0));
  CHECK(dig(*s.c.all.find("jobs", "d/j"), "status", "uncountedTerminatedPods") == json::object());
}

TEST_CASE("a pod of a job that somebody deletes counts as failed, one that the job does not want any more does not") {
  stage_of_a_job s(R"("completions":5,"parallelism":2,)");
  s.c.remove("pods", s.active().at(0), read("{}"));
  s.c.live(3);
  CHECK((s.count("failed") == 1 && s.active().size() == 2));
  s.c.change("jobs", "d/j", "", merge, read(R"({"spec":{"parallelism":1}})"));
  s.c.live(3);
  CHECK((s.count("failed") == 1 && s.active().size() == 1));
  s.c.change("jobs", "d/j", "", merge, read(R"({"spec":{"suspend":true}})"));
  s.c.live(3);
  CHECK((s.count("failed") == 1 && s.c.count("pods") == 0 && s.is("Suspended")));
  s.c.now += 1h;
  s.c.change("jobs", "d/j", "", merge, read(R"({"spec":{"suspend":false,"activeDeadlineSeconds":60}})"));
  s.c.live(3);
  CHECK((s.active().size() == 1 && !s.is("Suspended") && !s.is("Failed")));
  CHECK(s.text("startTime") == to_rfc3339(s.c.now));
  for (auto said : {"Suspended: Job suspended", "Resumed: Job resumed"}) CHECK(std::ranges::count(s.c.said, said) == 1);
}

TEST_CASE("a job says its last word when nothing of it runs any more") {
  stage_of_a_job s(R"("parallelism":2,"completions":2,"backoffLimit":0,)");
  s.end(s.active().at(0), 1);
  CHECK((s.is("FailureTarget") && !s.is("Failed") && s.count("terminating") == 1));
  s.c.live(3);
  CHECK((s.is("Failed") && s.why("Failed") == "BackoffLimitExceeded" && s.count("terminating") == 0 && s.count("failed") == 2));
  for (const auto& [key, pod] : s.c.all.all("pods")) CHECK_FALSE(has_finalizer(*pod, job_finalizer));
}

TEST_CASE("pods of a job that is gone, or that let them go, are held by nobody") {
  for (auto policy : {"Background", "Foreground", "Orphan"}) {
    stage_of_a_job s(R"("completions":2,"parallelism":2,)");
    s.c.remove("jobs", "d/j", json{{"propagationPolicy", policy}});
    s.c.live();
    CHECK(s.c.count("jobs") == 0);
    CHECK_MESSAGE(s.c.count("pods") == (std::string_view(policy) == "Orphan" ? 2 : 0), policy);
    for (const auto& [key, pod] : s.c.all.all("pods")) CHECK(dig(*pod, "metadata", "finalizers").empty());
  }
}

TEST_CASE("containers that are restarted in place count towards the limit of a job") {
  stage_of_a_job s(R"("backoffLimit":2,)", "OnFailure");
  const auto restarted = [&](int times) {
    s.c.change("pods", s.active().at(0), "status", merge, {{"status", {{"phase", "Running"}, {"containerStatuses", json::array({{{"name", "c"}, {"restartCount", times}}})}}}});
    s.c.settle();
  };
  restarted(1);
  CHECK_FALSE(s.is("FailureTarget"));
  restarted(2);
  s.c.live(3);
  CHECK(s.why("Failed") == "BackoffLimitExceeded");
}

TEST_CASE("who has failed waits longer each time, until a pod succeeds") {
  stage_of_a_job s(R"("completions":9,"parallelism":1,"backoffLimit":100,)");
  const auto waits = [&](int code, duration least) {
    s.end(s.active().at(0), code);
    CHECK(s.active().empty() == (least > 0s));
    if (least > 0s) s.c.pass(least - 1s);
    CHECK(s.active().empty() == (least > 0s));
    s.c.pass(1s);
    CHECK(s.active().size() == 1);
  };
  waits(1, 10s), waits(1, 20s), waits(1, 40s);
  s.c.pass(1s);
  waits(0, 0s);
  s.c.pass(1s);
  waits(1, 10s);
}

TEST_CASE("a job's policy says which failures end it, and which do not count") {
  const std::string rules = R"("backoffLimit":1,"podFailurePolicy":{"rules":[
      {"action":"FailJob","onExitCodes":{"containerName":"c","operator":"In","values":[42]}},
      {"action":"Ignore","onPodConditions":[{"type":"DisruptionTarget","status":"True"}]},
      {"action":"Count","onExitCodes":{"operator":"NotIn","values":[42,43]}}]},)";
  {
    stage_of_a_job s(rules);
    const auto pod = s.active().at(0);
    s.end(pod, 42);
    s.c.live(3);
    CHECK((s.is("Failed") && s.why("Failed") == "PodFailurePolicy" && s.count("failed") == 1));
    CHECK(dig(condition(*s.c.all.find("jobs", "d/j"), "Failed"), "message") == "Container c for pod " + pod + " failed with exit code 42 matching FailJob rule at index 0");
  }
  {
    stage_of_a_job s(rules);
    for (int i = 0; i < 5; ++i) {
      const auto pod = s.active().at(0);
      s.c.change("pods", pod, "status", merge, read(R"({"status":{"conditions":[{"type":"DisruptionTarget","status":"True"}]}})"));
      s.end(pod, 137);
      s.c.pass(10min);
    }
    CHECK((s.count("failed") == 0 && !s.is("FailureTarget") && s.active().size() == 1));
    for (int i = 0; i < 2; ++i) s.end(s.active().at(0), 1), s.c.pass(10min);
    CHECK((s.count("failed") == 2 && s.why("Failed") == "BackoffLimitExceeded"));
  }
}

TEST_CASE("an index that fails too often is given up alone, and its count outlives its pods") {
  stage_of_a_job s(R"("completions":3,"parallelism":3,"completionMode":"Indexed","backoffLimitPerIndex":1,)");
  s.end(s.numbered("0"), 0);
  s.end(s.numbered("1"), 1);
  CHECK((s.text("failedIndexes").empty() && s.numbered("1").empty()));   // its back-off
  s.c.pass(10s);
  REQUIRE(!s.numbered("1").empty());
  CHECK((s.note(s.numbered("1"), failures_note) == "1" && s.note(s.numbered("2"), failures_note) == "0"));
  CHECK(s.count("failed") == 1);
  s.end(s.numbered("1"), 1);
  s.c.pass(10min);
  CHECK((s.text("failedIndexes") == "1" && s.text("completedIndexes") == "0" && !s.is("FailureTarget") && s.numbered("1").empty()));
  s.end(s.numbered("2"), 0);
  s.c.live(3);
  CHECK((s.why("Failed") == "FailedIndexes" && s.count("succeeded") == 2 && s.count("failed") == 2));
  for (const auto& [key, pod] : s.c.all.all("pods")) CHECK_FALSE(has_finalizer(*pod, job_finalizer));
}

TEST_CASE("too many given up end the job, and a rule may give one up at once") {
  stage_of_a_job s(R"("completions":3,"parallelism":3,"completionMode":"Indexed","backoffLimitPerIndex":9,"maxFailedIndexes":0,
      "podFailurePolicy":{"rules":[{"action":"FailIndex","onExitCodes":{"operator":"In","values":[7]}}]},)");
  s.end(s.numbered("1"), 7);
  s.c.live(3);
  CHECK((s.why("Failed") == "MaxFailedIndexesExceeded" && s.text("failedIndexes") == "1" && s.active().empty()));
}

TEST_CASE("a job that says when enough have succeeded ends then, and the rest goes") {
  struct row { const char* rules; std::vector<const char*> succeed; const char* at; } rows[] = {
      {R"([{"succeededIndexes":"1-2","succeededCount":1}])", {"2"}, "0"},
      {R"([{"succeededIndexes":"0"},{"succeededCount":2}])", {"1", "2"}, "1"}};
  for (const auto& row : rows) {
    stage_of_a_job s(std::string(R"("completions":4,"parallelism":4,"completionMode":"Indexed","successPolicy":{"rules":)") + row.rules + "},");
    for (auto index : row.succeed) {
      CHECK_FALSE(s.is("SuccessCriteriaMet"));
      s.end(s.numbered(index), 0);
    }
    CHECK((s.is("SuccessCriteriaMet") && s.why("SuccessCriteriaMet") == "SuccessPolicy"));
    s.c.live(3);
    CHECK((s.is("Complete") && s.active().empty()));
    CHECK(dig(condition(*s.c.all.find("jobs", "d/j"), "Complete"), "message") == std::string("Matched rules at index ") + row.at);
  }
}

TEST_CASE("a job that somebody else manages is let be") {
  stage_of_a_job s(R"("managedBy":"example.com/other",)");
  CHECK((s.c.count("pods") == 0 && s.text("startTime").empty()));
}
