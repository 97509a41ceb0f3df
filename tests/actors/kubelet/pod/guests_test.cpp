// Ephemeral containers: what is done for them, and what they count for.
#include <doctest/doctest.h>

#include "actors/kubelet/pod/status.hpp"
#include "tests/actors/kubelet/pod/parts.hpp"

using namespace troupe;
using namespace troupe::kubelet;
using namespace troupe::kubelet::parts;
using net::cri::container_state;

namespace {
const char* const spec = R"({"containers":[{"name":"main","image":"app"}],"ephemeralContainers":[{"name":"look","image":"tools","targetContainerName":"main"}]})";

pod_memory ready() {
  pod_memory out;
  out.volumes_ready = true;
  return out;
}
std::string next(const net::cri::pod_view& seen, const pod_memory& memory) {
  const auto steps = plan_pod(read_pod(make_pod(spec)), seen, memory, noon);
  return steps.now.empty() ? "nothing" : words(steps.now.front());
}
}  // namespace

TEST_CASE("a guest begins beside what runs, once") {
  net::cri::pod_view seen{{box("b", 0)}, {instance("main", "m", 0, "b", container_state::running)}};
  CHECK(next(seen, ready()) == "image of look");
  seen.containers.insert(seen.containers.begin(), ended("look", "l", 0, "b", 1));
  CHECK(next(seen, ready()) == "nothing");
}

TEST_CASE("a guest changes neither phase nor readiness, and has a status of its own") {
  net::cri::pod_view seen{{box("b", 0)}, {ended("look", "l", 0, "b", 1), instance("main", "m", 0, "b", container_state::running)}};
  auto memory = ready();
  memory.containers["main"].ready = memory.containers["main"].started = true;
  const auto status = pod_status(read_pod(make_pod(spec)), seen, memory, {}, noon);
  CHECK(status["phase"] == "Running");
  CHECK(status["containerStatuses"].size() == 1);
  REQUIRE(status["ephemeralContainerStatuses"].size() == 1);
  CHECK(status["ephemeralContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 1);
  for (const auto& c : status["conditions"]) CHECK(c["status"] == "True");
}

TEST_CASE("a pod whose work is done is over, whatever a guest still does") {
  auto pod = *make_pod(spec);
  pod["spec"]["restartPolicy"] = "Never";
  net::cri::pod_view seen{{box("b", 0)}, {instance("look", "look-1", 0, "b", container_state::running), ended("main", "m", 0, "b", 0)}};
  const auto wish = read_pod(std::make_shared<const json>(pod));
  CHECK(pod_status(wish, seen, ready(), {}, noon)["phase"] == "Succeeded");
  const auto steps = plan_pod(wish, seen, ready(), noon);
  REQUIRE(!steps.now.empty());
  CHECK(words(steps.now.front()).find("look") != std::string::npos);
}
