// The roll with its workers, on the runtime's twin: what one pod goes through, told as people see it.
#include "actors/node/workload/no_runtime.hpp"
#include "tests/harness/little_node.hpp"

using namespace troupe;
using testing::little_node;

TEST_CASE("a pod becomes Running, and events tell how") {
  little_node n;
  n.put("{}");
  REQUIRE(n.until([&] { return n.runs(); }));
  CHECK(n.store->of("ns/p")["status"]["phase"] == "Running");
  for (const char* reason : {"Pulled", "Created", "Started"}) CHECK(n.said(reason));
  CHECK(!n.news->empty());
  CHECK(n.news->back().ready);
  CHECK(n.news->back().version == "twin://1");
}

TEST_CASE("a failing liveness probe has the container ended and started again") {
  little_node n;
  bool well = true;
  n.machine.on_exec = [&](const net::cri::container&, const std::vector<std::string>&) { return net::cri::exec_result{well ? 0 : 1, "", "ill"}; };
  n.put(R"({"livenessProbe":{"exec":{"command":["check"]},"periodSeconds":2,"failureThreshold":2}})");
  REQUIRE(n.until([&] { return n.runs(); }));
  n.on.run.run_for(20s);
  CHECK(n.main()["restartCount"] == 0);
  well = false;
  REQUIRE(n.until([&] { return n.main()["restartCount"] >= 1; }));
  CHECK(n.said("Unhealthy"));
  CHECK(n.said("Killing"));
}

TEST_CASE("a pod is ready only when its readiness probe says so, and lives on when it does not") {
  little_node n;
  bool well = false;
  n.machine.on_exec = [&](const net::cri::container&, const std::vector<std::string>&) { return net::cri::exec_result{well ? 0 : 1, "", ""}; };
  n.put(R"({"readinessProbe":{"exec":{"command":["check"]},"periodSeconds":1}})");
  REQUIRE(n.until([&] { return n.main().is_object() && n.main()["state"].contains("running"); }));
  n.on.run.run_for(10s);
  CHECK(!n.runs());
  well = true;
  REQUIRE(n.until([&] { return n.runs(); }));
  well = false;
  REQUIRE(n.until([&] { return !n.runs(); }));
  CHECK(n.main()["restartCount"] == 0);
}

TEST_CASE("hooks run at a container's beginning and end") {
  little_node n;
  std::vector<std::string> ran;
  n.machine.on_exec = [&](const net::cri::container& c, const std::vector<std::string>& command) {
    CHECK(c.state == net::cri::container_state::running);
    ran.push_back(command.at(0));
    return net::cri::exec_result{};
  };
  n.put(R"({"lifecycle":{"postStart":{"exec":{"command":["hello"]}},"preStop":{"exec":{"command":["bye"]}}}})");
  REQUIRE(n.until([&] { return n.runs(); }));
  n.store->remove("ns/p");
  REQUIRE(n.until([&] { return n.store->pods().empty(); }));
  CHECK(ran == std::vector<std::string>{"hello", "bye"});
  CHECK(n.machine.sandboxes().empty());
}

TEST_CASE("an image that is not there is said, and waited for, and the pod runs once it is") {
  little_node n;
  n.put(R"({"image":"later"})");
  REQUIRE(n.until([&] { return text_or(dig(n.main(), "state", "waiting", "reason")) == "ErrImagePull"; }));
  REQUIRE(n.until([&] { return text_or(dig(n.main(), "state", "waiting", "reason")) == "ImagePullBackOff"; }));
  CHECK(n.said("BackOff"));
  n.machine.offer_image("later");
  REQUIRE(n.until([&] { return n.runs(); }));
}

TEST_CASE("a sandbox that cannot be made is said, and tried again") {
  little_node n;
  bool broken = true;
  n.machine.fault = [&](std::string_view verb, const std::string&) -> std::optional<error> {
    if (broken && verb == "run_sandbox") return fail(errc::internal, "cni plugin not initialized");
    return std::nullopt;
  };
  n.put("{}");
  REQUIRE(n.until([&] { return n.said("FailedCreatePodSandBox"); }));
  CHECK(dig(n.store->of("ns/p"), "status", "phase") == "Pending");
  broken = false;
  REQUIRE(n.until([&] { return n.runs(); }));
}

TEST_CASE("a pod runs in the runtime that its class names, and in no other") {
  little_node n;
  n.put("{}", R"({"runtimeClassName":"boxed"})");
  const auto said = [&](const char* text) {
    return n.until([&] { return std::ranges::any_of(n.store->events, [&](const json& e) { return text_or(dig(e, "message")).find(text) != std::string::npos; }); });
  };
  REQUIRE(said("RuntimeClass \"boxed\" not found"));
  CHECK(n.machine.sandboxes().empty());
  n.store->others["/apis/node.k8s.io/v1/runtimeclasses/boxed"] = {{"handler", "box"}};
  REQUIRE(said("no runtime for \"box\" is configured"));
  n.store->others["/apis/node.k8s.io/v1/runtimeclasses/boxed"] = {{"handler", "runc"}};
  REQUIRE(n.until([&] { return n.runs(); }));
}

TEST_CASE("a pod at rest asks each minute for what its volumes show, and for a token only when that is nearly over") {
  little_node n;
  const std::string ns = "/api/v1/namespaces/ns";
  n.store->others[ns + "/configmaps/kube-root-ca.crt"] = {{"data", {{"ca.crt", "first"}}}};
  n.store->others[ns + "/services"] = {{"items", json::array()}};
  n.store->others["/api/v1/namespaces/default/services/kubernetes"] = json::object();
  const auto grant = [&](const char* token) {
    n.store->others[ns + "/serviceaccounts/default/token"] = {{"metadata", {{"creationTimestamp", "2026-01-01T00:00:00Z"}}},
                                                             {"status", {{"token", token}, {"expirationTimestamp", "2026-01-01T01:00:00Z"}}}};
  };
  grant("one");
  n.put("{}", R"({"volumes":[{"name":"v","projected":{"sources":[{"serviceAccountToken":{"path":"token","expirationSeconds":3607}},
                 {"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}}]}}]})");
  REQUIRE(n.until([&] { return n.runs(); }));
  n.on.run.run_for(5s);
  grant("two");
  n.store->others[ns + "/configmaps/kube-root-ca.crt"]["data"]["ca.crt"] = "second";
  const auto shown = [&](const std::string& file) {   // the twin of a disk follows no links: the only version there is
    const std::string home = "/pods/u1/volumes/kubernetes.io~projected/v/";
    std::string all;
    for (const auto& one : n.disk->list(home.substr(0, home.size() - 1)).value_or({}))
      if (one.name.starts_with("..v")) all += n.disk->read(home + one.name + "/" + file).value_or("");
    return all;
  };
  const auto asked = [&](std::string_view end) { return std::ranges::count_if(n.store->script->calls, [&](const auto& call) { return call.path.ends_with(end); }); };
  CHECK(shown("token") == "one");
  n.store->script->calls.clear();
  n.on.run.run_for(40min);
  CHECK(shown("ca.crt") == "second");
  CHECK(shown("token") == "one");
  CHECK((asked("/kube-root-ca.crt") >= 35 && asked("/kube-root-ca.crt") <= 41));
  CHECK(asked("/token") == 0);
  CHECK(asked("/services") == 0);
  CHECK(asked("/services/kubernetes") == 0);
  n.on.run.run_for(10min);
  CHECK(shown("token") == "two");
  CHECK(asked("/token") == 1);
}

TEST_CASE("a pod that asks for users of its own is told that there are none") {
  little_node n;
  n.put("{}", R"({"hostUsers":false})");
  REQUIRE(n.until([&] { return n.said("FailedCreatePodSandBox"); }));
  CHECK(n.machine.sandboxes().empty());
}

TEST_CASE("a runtime that dies makes the node not ready, touches no container, and comes back") {
  little_node n;
  n.put("{}");
  REQUIRE(n.until([&] { return n.runs(); }));
  const auto id = n.main()["containerID"];
  n.machine.kill_runtime();
  REQUIRE(n.until([&] { return !n.news->back().ready; }));
  CHECK(n.news->back().why.starts_with("container runtime is down"));
  n.machine.start_runtime();
  REQUIRE(n.until([&] { return n.news->back().ready; }));
  n.on.run.run_for(10s);
  CHECK(n.main()["containerID"] == id);
  CHECK(n.main()["restartCount"] == 0);
}

TEST_CASE("the roll answers where logs are and how to get into a container, or says what is missing") {
  little_node n;
  n.put("{}");
  REQUIRE(n.until([&] { return n.runs(); }));
  const auto log = n.on.ask<kubelet::log_place>(n.roll, kubelet::find_log{"ns", "p", "", false});
  REQUIRE(log.ok());
  CHECK(log->path == "/logs/ns_p_u1/main/0.log");
  CHECK(!log->ended);
  CHECK(n.on.ask<kubelet::log_place>(n.roll, kubelet::find_log{"ns", "p", "", true}).why().note == "previous terminated container \"main\" in pod \"p\" not found");
  CHECK(n.on.ask<kubelet::log_place>(n.roll, kubelet::find_log{"ns", "p", "nobody", false}).code() == errc::not_found);
  CHECK(n.on.ask<kubelet::log_place>(n.roll, kubelet::find_log{"ns", "q", "", false}).why().note == "pods \"q\" not found");
  kubelet::open_pod_stream ask;
  ask.ns = "ns", ask.pod = "p", ask.command = {"sh"};
  const auto place = n.on.ask<kubelet::stream_place>(n.roll, ask);
  REQUIRE(place.ok());
  CHECK(place->at == endpoint{"127.0.0.1", 1});
  CHECK(place->path.starts_with("/exec/"));
  const auto list = parse_json(*n.on.ask<std::string>(n.roll, kubelet::list_pods{}));
  CHECK((*list)["items"].size() == 1);
  const auto stats = parse_json(*n.on.ask<std::string>(n.roll, kubelet::read_stats{}));
  CHECK((*stats)["pods"][0]["containers"][0]["name"] == "main");
}

TEST_CASE("the summary tells of what runs, once, and since when") {
  little_node n;
  n.put("{}");
  REQUIRE(n.until([&] { return n.runs(); }));
  n.machine.kill_container(n.machine.containers().begin()->first, 137, "Error");
  REQUIRE(n.until([&] { return n.runs() && n.main()["restartCount"] == 1; }));
  CHECK(n.machine.containers().size() == 2);   // the one before is still there
  const auto stats = parse_json(*n.on.ask<std::string>(n.roll, kubelet::read_stats{}));
  const auto& told = (*stats)["pods"][0]["containers"];
  REQUIRE(told.size() == 1);
  CHECK(told[0]["startTime"] == n.main()["state"]["running"]["startedAt"]);
  CHECK(told[0]["memory"]["workingSetBytes"] == 1 << 20);
}

TEST_CASE("a pod on a node without a runtime is told why, once") {
  testing::stage on;
  auto store = std::make_shared<testing::pod_store>();
  const auto api = testing::make_pod_api(on, store);
  on.show(node::make_no_runtime(on.world, {"n1"}, "there is no program containerd", api));
  json pod{{"metadata", {{"name", "p"}, {"namespace", "ns"}, {"uid", "u1"}}}, {"spec", {{"nodeName", "n1"}}}};
  store->put(pod);
  REQUIRE(on.run.run_until([&] { return !store->events.empty(); }, 30s));
  store->put(pod);
  on.run.run_for(10s);
  REQUIRE(store->events.size() == 1);
  CHECK(store->events[0]["reason"] == "FailedSync");
  CHECK(store->events[0]["message"] == "node n1 runs no containers: there is no program containerd");
}

TEST_CASE("a status that the API did not hear is told again") {
  little_node n;
  n.store->lost = 100;
  n.on.run.run_for(1s);
  n.store->lost = 0;
  n.put("{}");
  n.on.run.run_for(10ms);
  n.store->lost = 100;
  n.on.run.run_for(20s);
  n.store->lost = 0;
  REQUIRE(n.until([&] { return n.runs(); }));
}

TEST_CASE("a container that runs although its start was never answered is said to have started") {
  little_node n;
  n.machine.now.lost_answers = 0;
  n.machine.fault = [&](std::string_view verb, const std::string&) -> std::optional<error> {
    n.machine.now.lost_answers = verb == "create_container" ? 100 : 0;   // of the next call, which is the start
    return std::nullopt;
  };
  n.put("{}");
  REQUIRE(n.until([&] { return n.runs(); }));
  n.on.run.run_for(5s);
  CHECK(n.main()["restartCount"] == 0);
  CHECK(n.said("Started"));
}

TEST_CASE("a container that ends again and again is said to be started later") {
  little_node n;
  n.machine.script = [](const net::cri::container_config&) { return net::sim::container_life{std::chrono::seconds(1), 1}; };
  n.put("{}");
  REQUIRE(n.until([&] { return dig(n.main(), "state", "waiting", "reason") == "CrashLoopBackOff"; }));
  n.on.run.run_for(1s);
  CHECK(n.said("BackOff"));
  CHECK(n.main()["restartCount"] == 1);   // the first time it is started at once, and nobody says that it waits
}

TEST_CASE("an event that nobody took is told again") {
  little_node n;
  n.store->deaf = true;
  n.put("{}");
  REQUIRE(n.until([&] { return n.runs(); }));
  CHECK_FALSE(n.said("Started"));
  n.store->deaf = false;
  REQUIRE(n.until([&] { return n.said("Started"); }));
  CHECK(n.said("Pulled"));
}
