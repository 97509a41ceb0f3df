#include "actors/kubelet/pod/status.hpp"

#include <doctest/doctest.h>

#include "tests/actors/kubelet/pod/parts.hpp"

using namespace troupe;
using namespace troupe::kubelet;
using namespace troupe::kubelet::parts;
using state = net::cri::container_state;

namespace {
const char* const one = R"({"containers":[{"name":"main","image":"app"}]})";
json status(const std::shared_ptr<const json>& pod, const net::cri::pod_view& seen, const pod_memory& memory = {}, json present = json::object()) {
  return pod_status(read_pod(pod), seen, memory, {{"192.0.2.1"}, std::move(present), {}}, noon);
}
json condition(const json& of, const char* type) {
  for (const auto& c : of["conditions"])
    if (c["type"] == type) return c;
  return nullptr;
}
pod_memory running_memory() {
  pod_memory out;
  out.containers["main"].started = out.containers["main"].ready = true;
  return out;
}
}  // namespace

TEST_CASE("a pod that has begun nothing is Pending and says what it waits for") {
  auto got = status(make_pod(one), {});
  CHECK(got["phase"] == "Pending");
  CHECK(got["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating");
  CHECK(got["hostIP"] == "192.0.2.1");
  CHECK(!got.contains("podIP"));
  CHECK(condition(got, "Ready")["status"] == "False");
  CHECK(condition(got, "Ready")["message"] == "containers with unready status: [main]");
  CHECK(condition(got, "Initialized")["status"] == "True");
  pod_memory memory;
  memory.containers["main"].reason = "ErrImagePull";
  memory.containers["main"].message = "no such image";
  got = status(make_pod(one), {}, memory);
  CHECK(got["containerStatuses"][0]["state"]["waiting"] == json{{"reason", "ErrImagePull"}, {"message", "no such image"}});
}

TEST_CASE("a running pod has its address, and is Ready when its containers are") {
  net::cri::pod_view seen{{box("b0", 0)}, {instance("main", "c0", 2, "b0", state::running)}};
  auto got = status(make_pod(one), seen, running_memory());
  CHECK(got["phase"] == "Running");
  CHECK(got["podIP"] == "10.42.0.5");
  CHECK(got["containerStatuses"][0]["restartCount"] == 2);
  CHECK(got["containerStatuses"][0]["containerID"] == "containerd://c0");
  CHECK(got["containerStatuses"][0]["ready"] == true);
  CHECK(condition(got, "Ready")["status"] == "True");
  auto memory = running_memory();
  memory.containers["main"].ready = false;
  got = status(make_pod(one), seen, memory);
  CHECK(got["phase"] == "Running");
  CHECK(condition(got, "ContainersReady")["reason"] == "ContainersNotReady");
}

TEST_CASE("a time of change stays while its condition does") {
  net::cri::pod_view seen{{box("b0", 0)}, {instance("main", "c0", 0, "b0", state::running)}};
  json present{{"startTime", "2026-11-22T08:00:00Z"}, {"conditions", json::array({{{"type", "Ready"}, {"status", "True"}, {"lastTransitionTime", "2026-11-22T09:00:00Z"}}})}};
  const auto got = status(make_pod(one), seen, running_memory(), present);
  CHECK(condition(got, "Ready")["lastTransitionTime"] == "2026-11-22T09:00:00Z");
  CHECK(condition(got, "Initialized")["lastTransitionTime"] == "2026-11-22T12:00:00Z");
  CHECK(got["startTime"] == "2026-11-22T08:00:00Z");
}

TEST_CASE("a container that ended waits in CrashLoopBackOff with its end behind it") {
  net::cri::pod_view seen{{box("b0", 0)}, {ended("main", "c1", 1, "b0", 1), ended("main", "c0", 0, "b0", 2)}};
  pod_memory memory;
  auto got = status(make_pod(one), seen, memory, {{"phase", "Running"}});
  CHECK(got["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 1);
  CHECK(got["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 2);
  memory.containers["main"].restart_delay = 80s;
  memory.containers["main"].restarted_at = noon - 60s;
  got = status(make_pod(one), seen, memory, {{"phase", "Running"}});
  CHECK(got["phase"] == "Running");
  CHECK(got["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff");
  CHECK(got["containerStatuses"][0]["state"]["waiting"]["message"] == "back-off 1m20s restarting failed container=main pod=p_ns(u1)");
  CHECK(got["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 1);
}

TEST_CASE("phases follow the ends of containers") {
  struct row { const char* policy; int code; const char* phase; };
  for (const auto& r : {row{"Always", 0, "Running"}, row{"Always", 1, "Running"}, row{"OnFailure", 0, "Succeeded"}, row{"OnFailure", 1, "Running"},
                        row{"Never", 0, "Succeeded"}, row{"Never", 1, "Failed"}}) {
    CAPTURE(r.policy);
    CAPTURE(r.code);
    const auto pod = make_pod(std::string(R"({"restartPolicy":")") + r.policy + R"(","containers":[{"name":"main","image":"app"}]})");
    CHECK(status(pod, {{box("b0", 0)}, {ended("main", "c0", 0, "b0", r.code)}})["phase"] == r.phase);
  }
}

TEST_CASE("an end is final, also when its traces are gone") {
  const auto pod = make_pod(one);
  auto deleted = *pod;
  deleted["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z";
  const auto was = status(std::make_shared<const json>(deleted), {{box("b0", 0, false)}, {ended("main", "c0", 0, "b0", 0)}});
  CHECK(was["phase"] == "Succeeded");
  deleted["status"] = was;
  CHECK(status(std::make_shared<const json>(deleted), {}, {}, was)["phase"] == "Succeeded");
  CHECK(status(std::make_shared<const json>(deleted), {}, {}, was)["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0);
}

TEST_CASE("a pod that was made to fail says why") {
  pod_memory memory;
  memory.failure = pod_failure{"DeadlineExceeded", "late"};
  const auto got = status(make_pod(one), {{box("b0", 0)}, {ended("main", "c0", 0, "b0", 137)}}, memory);
  CHECK(got["phase"] == "Failed");
  CHECK(got["reason"] == "DeadlineExceeded");
}

TEST_CASE("waiting for init containers is said of both") {
  const auto pod = make_pod(R"({"initContainers":[{"name":"a","image":"i"}],"containers":[{"name":"main","image":"app"}]})");
  const auto got = status(pod, {{box("b0", 0)}, {instance("a", "a0", 0, "b0", state::running)}});
  CHECK(got["phase"] == "Pending");
  CHECK(got["initContainerStatuses"][0]["state"].contains("running"));
  CHECK(got["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing");
  CHECK(condition(got, "Initialized")["message"] == "containers with incomplete status: [a]");
}

TEST_CASE("quality of service follows requests and limits") {
  const auto of = [](const char* resources) { return qos_class(*make_pod(std::string(R"({"containers":[{"name":"m","resources":)") + resources + "}]}")); };
  CHECK(of("{}") == "BestEffort");
  CHECK(of(R"({"requests":{"cpu":"100m"}})") == "Burstable");
  CHECK(of(R"({"limits":{"cpu":"1","memory":"1Gi"}})") == "Guaranteed");
  CHECK(of(R"({"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m","memory":"1Gi"}})") == "Burstable");
}
