#include "actors/kubelet/pod/plan.hpp"

#include <doctest/doctest.h>

#include "tests/actors/kubelet/pod/parts.hpp"

using namespace troupe;
using namespace troupe::kubelet;
using namespace troupe::kubelet::parts;
using state = net::cri::container_state;

namespace {

pod_memory ready_memory(const std::vector<std::string>& containers = {"main"}) {
  pod_memory out;
  out.volumes_ready = true;
  for (const auto& c : containers) out.containers[c].image_id = "sha256:1";
  return out;
}

/// The one action that is planned, as a word and what it is about; "" for none.
std::string next(const pod_wish& pod, const net::cri::pod_view& seen, const pod_memory& memory, wall_time now = noon) {
  const auto all = plan_pod(pod, seen, memory, now);
  std::string out;
  for (const auto& one : all.now) out += (out.empty() ? "" : ", ") + words(one);
  return out;
}

}  // namespace

TEST_CASE("a pod comes up one action after the other") {
  const auto pod = read_pod(make_pod(R"({"containers":[{"name":"main","image":"app"}]})"));
  pod_memory memory;
  net::cri::pod_view seen;
  CHECK(next(pod, seen, memory) == "volumes");
  memory.volumes_ready = true;
  CHECK(next(pod, seen, memory) == "start sandbox 0");
  memory.busy.insert("");
  CHECK(next(pod, seen, memory) == "");
  memory.busy.clear();
  seen.sandboxes = {box("b0", 0)};
  CHECK(next(pod, seen, memory) == "image of main");
  memory.containers["main"].image_id = "sha256:1";
  CHECK(next(pod, seen, memory) == "make main 0 in b0");
  seen.containers = {instance("main", "c0", 0, "b0", state::created)};
  CHECK(next(pod, seen, memory) == "drop c0");   // made by a former life of ours
  memory.containers["main"].made_id = "c0";
  CHECK(next(pod, seen, memory) == "begin c0");
  seen.containers[0].state = state::running;
  CHECK(next(pod, seen, memory) == "");
}

TEST_CASE("what failed waits for its time, and the plan says when to ask again") {
  const auto pod = read_pod(make_pod(R"({"containers":[{"name":"main","image":"app"}]})"));
  net::cri::pod_view seen;
  pod_memory memory;
  memory.volumes_at = noon + 2s;
  CHECK(plan_pod(pod, seen, memory, noon).now.empty());
  CHECK(plan_pod(pod, seen, memory, noon).wake == noon + 2s);
  memory.volumes_ready = true;
  memory.sandbox_at = noon + 3s;
  CHECK(plan_pod(pod, seen, memory, noon).wake == noon + 3s);
  CHECK(next(pod, seen, memory, noon + 3s) == "start sandbox 0");
  seen.sandboxes = {box("b0", 0)};
  memory.containers["main"].not_before = noon + 4s;
  CHECK(plan_pod(pod, seen, memory, noon).wake == noon + 4s);
}

TEST_CASE("restart policies decide what follows an end") {
  struct row { const char* policy; int code; const char* then; bool complete; };
  for (const auto& r : {row{"Always", 0, "make main 1 in b0", false}, row{"Always", 1, "make main 1 in b0", false}, row{"OnFailure", 0, "end sandbox b0", true},
                        row{"OnFailure", 1, "make main 1 in b0", false}, row{"Never", 0, "end sandbox b0", true}, row{"Never", 1, "end sandbox b0", true}}) {
    CAPTURE(r.policy);
    CAPTURE(r.code);
    const auto pod = read_pod(make_pod(std::string(R"({"restartPolicy":")") + r.policy + R"(","containers":[{"name":"main","image":"app"}]})"));
    net::cri::pod_view seen{{box("b0", 0)}, {ended("main", "c0", 0, "b0", r.code)}};
    CHECK(next(pod, seen, ready_memory()) == r.then);
    CHECK(is_complete(pod, seen) == r.complete);
  }
}

TEST_CASE("a container that ends again and again waits ten seconds, then twice as long, five minutes at most") {
  container_memory of;
  std::vector<std::int64_t> waits;
  auto now = noon;
  for (std::uint32_t attempt = 0; attempt < 8; ++attempt) {
    auto last = ended("main", "c", attempt, "b0", 1);
    last.finished_at = now;
    const auto due = restart_due(of, last, now);
    waits.push_back(due ? (*due - now) / 1s : 0);
    if (due) now = *due;
    CHECK(!restart_due(of, last, now));
    count_restart(of, &last, now);
    now += 1s;
  }
  CHECK(waits == std::vector<std::int64_t>{0, 10, 20, 40, 80, 160, 300, 300});
  auto last = ended("main", "c", 9, "b0", 1);
  last.finished_at = now + 11min;   // it has run well for long
  CHECK(!restart_due(of, last, last.finished_at));
  count_restart(of, &last, last.finished_at);
  CHECK(of.restart_delay == 10s);
}

TEST_CASE("a calendar that is set back makes nobody wait longer than his delay") {
  container_memory of;
  of.restart_delay = 20s;
  auto last = ended("main", "c", 3, "b0", 1);
  last.finished_at = noon + 24h;
  of.restarted_at = last.finished_at;
  CHECK(restart_due(of, last, noon) == noon + 20s);
}

TEST_CASE("init containers run one after the other, and main containers after them") {
  const auto pod = read_pod(make_pod(R"({"initContainers":[{"name":"a","image":"i"},{"name":"b","image":"i"}],"containers":[{"name":"main","image":"app"}]})"));
  auto memory = ready_memory({"a", "b", "main"});
  net::cri::pod_view seen{{box("b0", 0)}, {}};
  CHECK(next(pod, seen, memory) == "make a 0 in b0");
  seen.containers = {instance("a", "a0", 0, "b0", state::running)};
  CHECK(next(pod, seen, memory) == "");
  seen.containers = {ended("a", "a0", 0, "b0", 0)};
  CHECK(next(pod, seen, memory) == "make b 0 in b0");
  seen.containers = {ended("b", "b0", 0, "b0", 3), ended("a", "a0", 0, "b0", 0)};
  CHECK(next(pod, seen, memory) == "make b 1 in b0");   // Always: until it succeeds
  CHECK(!is_initialized(pod, seen, memory));
  seen.containers = {ended("b", "b1", 1, "b0", 0), ended("a", "a0", 0, "b0", 0)};
  CHECK(is_initialized(pod, seen, memory));
  CHECK(next(pod, seen, memory) == "make main 0 in b0");
  // Once a main container has run, an init container whose remains were removed is not run again.
  seen.containers = {ended("main", "m0", 0, "b0", 1)};
  CHECK(next(pod, seen, memory) == "make main 1 in b0");
  // In a new sandbox everything begins anew.
  seen.sandboxes = {box("b1", 1), box("b0", 0, false)};
  memory.stopped.insert("b0");
  CHECK(next(pod, seen, memory) == "make a 0 in b1");
}

TEST_CASE("an init container that fails where nothing is started again fails the pod") {
  const auto pod = read_pod(make_pod(R"({"restartPolicy":"Never","initContainers":[{"name":"a","image":"i"}],"containers":[{"name":"main","image":"app"}]})"));
  net::cri::pod_view seen{{box("b0", 0)}, {ended("a", "a0", 0, "b0", 1)}};
  CHECK(is_complete(pod, seen));
  CHECK(next(pod, seen, ready_memory({"a", "main"})) == "end sandbox b0");
}

TEST_CASE("a sidecar runs before the main containers and ends after them") {
  const auto pod = read_pod(make_pod(R"({"restartPolicy":"Never","initContainers":[{"name":"side","image":"s","restartPolicy":"Always"}],"containers":[{"name":"main","image":"app"}]})"));
  auto memory = ready_memory({"side", "main"});
  net::cri::pod_view seen{{box("b0", 0)}, {instance("side", "s0", 0, "b0", state::running)}};
  CHECK(next(pod, seen, memory) == "");   // not started yet, as its probe says
  memory.containers["side"].started = true;
  CHECK(next(pod, seen, memory) == "make main 0 in b0");
  seen.containers = {instance("main", "m0", 0, "b0", state::running), ended("side", "s0", 0, "b0", 1)};
  CHECK(next(pod, seen, memory) == "make side 1 in b0");
  seen.containers = {ended("main", "m0", 0, "b0", 0), instance("side", "s0", 0, "b0", state::running)};
  CHECK(next(pod, seen, memory) == "end s0");
  seen.containers[1] = ended("side", "s0", 0, "b0", 143);
  CHECK(next(pod, seen, memory) == "end sandbox b0");
  memory.stopped.insert("b0");
  seen.sandboxes[0].ready = false;
  CHECK(next(pod, seen, memory) == "");
}

TEST_CASE("a deleted pod ends its containers together, then its sandbox, then leaves nothing") {
  auto object = make_pod(R"({"containers":[{"name":"x","image":"app"},{"name":"y","image":"app"}]})");
  auto deleted = *object;
  deleted["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z";
  deleted["metadata"]["deletionGracePeriodSeconds"] = 7;
  const auto pod = read_pod(std::make_shared<const json>(deleted));
  CHECK(pod.grace == 7s);
  pod_memory memory;   // also one whose volumes never came
  net::cri::pod_view seen{{box("b0", 0)}, {instance("y", "y0", 0, "b0", state::running), instance("x", "x0", 0, "b0", state::running)}};
  CHECK(next(pod, seen, memory) == "end y0, end x0");
  memory.busy = {"x", "y"};
  CHECK(next(pod, seen, memory) == "");
  memory.busy.clear();
  seen.containers = {ended("y", "y0", 0, "b0", 0), ended("x", "x0", 0, "b0", 0)};
  CHECK(next(pod, seen, memory) == "end sandbox b0");
  memory.stopped.insert("b0");
  seen.sandboxes[0].ready = false;
  CHECK(next(pod, seen, memory) == "drop sandbox b0");
  seen = {};
  CHECK(next(pod, seen, memory) == "gone");
}

TEST_CASE("a sandbox that died is ended and followed by another, and old remains go") {
  const auto pod = read_pod(make_pod(R"({"containers":[{"name":"main","image":"app"}]})"));
  auto memory = ready_memory();
  net::cri::pod_view seen{{box("b0", 0, false)}, {ended("main", "c0", 0, "b0", 137)}};
  CHECK(next(pod, seen, memory) == "end sandbox b0");
  memory.stopped.insert("b0");
  CHECK(next(pod, seen, memory) == "start sandbox 1");
  seen.sandboxes = {box("b1", 1), box("b0", 0, false)};
  CHECK(next(pod, seen, memory) == "make main 1 in b1");
  seen.containers = {instance("main", "c2", 2, "b1", state::running), ended("main", "c1", 1, "b1", 1), ended("main", "c0", 0, "b0", 137)};
  CHECK(next(pod, seen, memory) == "drop c0");
  seen.containers.pop_back();
  CHECK(next(pod, seen, memory) == "drop sandbox b0");
  // Two that are ready cannot both be the pod's.
  seen.sandboxes = {box("b1", 1), box("b0", 0)};
  CHECK(next(pod, seen, memory) == "end sandbox b0");
}

TEST_CASE("a condemned container ends, and so does one whose definition changed") {
  const auto pod = read_pod(make_pod(R"({"containers":[{"name":"main","image":"app"}]})"));
  auto memory = ready_memory();
  net::cri::pod_view seen{{box("b0", 0)}, {instance("main", "c0", 0, "b0", state::running)}};
  seen.containers[0].annotations["io.kubernetes.container.hash"] = pod.containers[0].hash;
  CHECK(next(pod, seen, memory) == "");
  memory.containers["main"].kill_because = "Container main failed liveness probe, will be restarted";
  CHECK(next(pod, seen, memory) == "end c0");
  memory.containers["main"].kill_because.clear();
  seen.containers[0].annotations["io.kubernetes.container.hash"] = "other";
  CHECK(next(pod, seen, memory) == "end c0");
}

TEST_CASE("a pod past its deadline fails") {
  auto object = *make_pod(R"({"activeDeadlineSeconds":30,"containers":[{"name":"main","image":"app"}]})");
  object["status"]["startTime"] = "2026-11-22T12:00:00Z";
  const auto pod = read_pod(std::make_shared<const json>(object));
  auto memory = ready_memory();
  net::cri::pod_view seen{{box("b0", 0)}, {instance("main", "c0", 0, "b0", state::running)}};
  CHECK(plan_pod(pod, seen, memory, noon).wake == noon + 30s);
  CHECK(next(pod, seen, memory, noon + 30s) == "fail DeadlineExceeded");
  memory.failure = pod_failure{"DeadlineExceeded", "late"};
  CHECK(next(pod, seen, memory, noon + 30s) == "end c0");
}

TEST_CASE("what the API remembers counts when the runtime has forgotten") {
  auto object = *make_pod(R"({"containers":[{"name":"main","image":"app"}]})");
  object["status"]["containerStatuses"] = json::array({{{"name", "main"}, {"restartCount", 4}, {"containerID", "containerd://gone"}}});
  CHECK(next(read_pod(std::make_shared<const json>(object)), {{box("b0", 0)}, {}}, ready_memory()) == "make main 5 in b0");
  object["status"]["phase"] = "Failed";   // an end is final
  CHECK(next(read_pod(std::make_shared<const json>(object)), {}, ready_memory()) == "");
}

TEST_CASE("a strange pod is read without harm") {
  for (const char* text : {"{}", R"({"containers":7})", R"({"containers":[{"name":5,"livenessProbe":{"periodSeconds":-3,"exec":{"command":"x"}}}]})",
                           R"({"restartPolicy":9,"terminationGracePeriodSeconds":"x","containers":[null]})"}) {
    const auto pod = read_pod(make_pod(text));
    CHECK(!next(pod, {}, {}).empty());
  }
}
