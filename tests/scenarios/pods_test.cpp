// One node's pods by seed: the kubelet with its runtime's twin. Pods come and go, containers end and are killed, answers of the
// runtime are lost, it refuses, dies or hangs, the API is away, the kubelet itself dies and comes again. Invariants: at no time
// two instances of one container or two ready sandboxes of one pod; once healed no sandbox without a pod, every pod is what its
// spec says, what was deleted is gone; a state that the API shows is explained by an event.
//
//   TROUPE_SEED=n     runs that one seed;  TROUPE_SEEDS=n  as many (default 60)
#include <cstdlib>
#include <set>

#include "actors/cri/edge.hpp"
#include "actors/cri/keeper.hpp"
#include "actors/kubelet/roll.hpp"
#include "net/sim/cri/containers.hpp"
#include "net/sim/network.hpp"
#include "tests/harness/pod_api.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;

namespace {

constexpr duration trouble = std::chrono::seconds(90), settling = std::chrono::minutes(12);
const char* const kinds[] = {"steady", "crashing", "job", "failing-job", "with-init", "with-sidecar", "stubborn", "absent-image", "absent-map"};

json container(const std::string& name, const std::string& image = "app") {
  return {{"name", name}, {"image", image}, {"imagePullPolicy", "IfNotPresent"}};
}
json make_pod(std::size_t number, const std::string& kind) {
  json spec{{"nodeName", "n1"}, {"restartPolicy", "Always"}, {"terminationGracePeriodSeconds", 5}, {"containers", json::array({container("main")})}};
  if (kind == "job" || kind == "failing-job") spec["restartPolicy"] = "Never";
  if (kind == "with-init") spec["initContainers"] = json::array({container("prepare")});
  if (kind == "with-sidecar") {
    spec["initContainers"] = json::array({container("side")});
    spec["initContainers"][0]["restartPolicy"] = "Always";
    spec["restartPolicy"] = "OnFailure";
  }
  if (kind == "absent-image") spec["containers"][0]["image"] = "absent";
  if (kind == "absent-map") {
    spec["volumes"] = json::array({{{"name", "v"}, {"configMap", {{"name", "absent"}}}}});
    spec["containers"][0]["volumeMounts"] = json::array({{{"name", "v"}, {"mountPath", "/v"}}});
  }
  return {{"metadata", {{"name", kind + "-" + std::to_string(number)}, {"namespace", "default"}, {"uid", "uid-" + std::to_string(number)}, {"labels", {{"kind", kind}}}}}, {"spec", spec}};
}

/// One node: what a process of troupe runs for its pods.
struct node {
  node(testing::stage& on, net::sim::container_machine& machine, client::api_actor api, kubelet::kubelet_actor status) {
    runtime = cri::make_edge(on.world, machine.connect());
    const auto facet = caf::actor_cast<cri::runtime_actor>(runtime);
    kubelet::roll_config with;
    with.worker.setup.node = "n1";
    with.worker.setup.addresses = {"10.0.0.1"};
    with.worker.setup.pods_folder = "/pods";
    with.worker.setup.logs_folder = "/logs";
    roll = kubelet::make_roll(on.world, with, std::move(api), facet, std::move(status));
    cri::keeper_config watch;
    watch.child.program.clear();
    keeper = cri::make_keeper(on.world, watch, facet, caf::actor_cast<cri::runtime_owner_actor>(roll));
  }
  ~node() {
    rt::end(roll);
    rt::end(keeper);
    rt::end(runtime);
  }
  cri::edge_actor runtime;
  kubelet::roll_actor roll;
  cri::keeper_actor keeper;
};

class status_sink_state {
 public:
  static constexpr const char* name = "status_sink";
  explicit status_sink_state(rt::self<kubelet::kubelet_actor>) {}
  void init() {}
  kubelet::kubelet_actor::behavior_type make_behavior() {
    return {[](kubelet::start_kubelet) {}, [](kubelet::register_due) {}, [](kubelet::heartbeat_due) {}, [](kubelet::status_due) {}, [](kubelet::runtime_news&) {}};
  }
};

class run {
 public:
  explicit run(std::uint64_t seed) : on(seed), dice_(rng(seed).fork("workload")), machine(on.run.plan(), rng(seed).fork("machine"), on.calendar) {
    net_ = net::sim::make_network(on.run.plan(), rng(seed).fork("net"), on.calendar.now());
    auto& here = net_->add("n1", {"10.0.0.1"});
    on.world.files = &here.disk();
    on.world.machine = &here.facts();
    on.world.dialer = &here.dials();
    on.world.tls = &here.tls();
    machine.add_image("app");
    machine.script = [this](const net::cri::container_config& of) { return life_of(of); };
    api = testing::make_pod_api(on, apis);
    status_ = on.show(rt::spawn<kubelet::kubelet_actor, status_sink_state>(on.world, ""));
    here_ = std::make_unique<node>(on, machine, api, status_);
  }

  std::string go() {
    disturb();
    const auto until = on.run.now() + trouble;
    while (on.run.now() < until && broken.empty()) {
      on.run.run_for(std::chrono::milliseconds(50 + dice_.below(400)));
      watch();
      act();
    }
    heal();
    for (duration spent{}; spent < settling && broken.empty(); spent += std::chrono::seconds(1)) on.run.run_for(std::chrono::seconds(1)), watch();
    if (broken.empty()) judge();
    for (const auto& [key, pod] : apis->pods()) on.run.note(to_text(pod));
    here_.reset();
    on.run.run_for(std::chrono::seconds(20));
    return broken;
  }

  testing::stage on;
  std::string broken;

 private:
  net::sim::container_life life_of(const net::cri::container_config& of) {
    const auto pod = of.labels.at(net::cri::label_pod_name);
    net::sim::container_life out;
    const auto is = [&](const char* kind) { return pod.starts_with(kind); };
    if (of.name == "prepare") out.runs = std::chrono::milliseconds(500);
    else if (is("crashing")) out.runs = std::chrono::seconds(3), out.exit_code = 1;
    else if (is("job") || (is("with-sidecar") && of.name == "main")) out.runs = std::chrono::seconds(4);
    else if (is("failing-job")) out.runs = std::chrono::seconds(2), out.exit_code = 7;
    out.heeds_term = !is("stubborn");
    return out;
  }

  void disturb() {
    machine.now.lost_answers = static_cast<unsigned>(dice_.below(6));
    machine.now.refusals = static_cast<unsigned>(dice_.below(8));
    apis->lost = static_cast<unsigned>(dice_.below(10));
    restarts_ = dice_.chance(60);
  }
  void act() {
    switch (dice_.below(30)) {
      case 0: case 1: case 2: case 3: case 4: return create();
      case 5: case 6: return apis->remove(pick());
      case 7: if (dice_.chance(10)) return apis->vanish(pick()); return;
      case 8: return kill_one();
      case 9: if (restarts_) restart_kubelet(); return;
      case 10: return machine.kill_runtime(), runtime_back(std::chrono::milliseconds(200 + dice_.below(4000)));
      case 11: if (dice_.chance(30)) machine.hang(true), on.run.plan().in(std::chrono::seconds(2), [this] { machine.hang(false); }); return;
      case 12: if (dice_.chance(20)) machine.reboot(); return;
      default: return;
    }
  }
  void create() {
    if (numbers_ >= 14) return;
    ++numbers_;
    apis->put(make_pod(numbers_, kinds[dice_.below(std::size(kinds))]));
  }
  std::string pick() {
    if (apis->pods().empty()) return "";
    auto at = apis->pods().begin();
    std::advance(at, static_cast<std::ptrdiff_t>(dice_.below(apis->pods().size())));
    return at->first;
  }
  void kill_one() {
    std::vector<std::string> running;
    for (const auto& [id, c] : machine.containers())
      if (c.state == net::cri::container_state::running) running.push_back(id);
    if (!running.empty()) machine.kill_container(running[dice_.below(running.size())], 137, "OOMKilled"), killed_ = true;
  }
  void restart_kubelet() {
    restarted_ = true;
    here_.reset();
    on.run.run_for(std::chrono::milliseconds(dice_.below(1500)));
    here_ = std::make_unique<node>(on, machine, api, status_);
  }
  void runtime_back(duration after) {
    on.run.plan().in(after, [this] { machine.start_runtime(); });
  }
  void heal() {
    machine.now.lost_answers = machine.now.refusals = 0;
    apis->lost = 0;
    machine.start_runtime();
    machine.hang(false);
    std::size_t n = 0;
    std::vector<std::string> gone;
    for (const auto& [key, pod] : apis->pods())
      if (++n % 3 == 0) gone.push_back(key);
    for (const auto& key : gone) apis->remove(key);
  }

  /// What holds at every moment.
  void watch() {
    std::map<std::string, int> boxes, instances;
    for (const auto& [id, box] : machine.sandboxes())
      if (box.ready && ++boxes[box.uid] > 1) broken = "two ready sandboxes of pod " + box.name;
    for (const auto& [id, c] : machine.containers()) {
      if (c.state != net::cri::container_state::running) continue;
      const auto key = c.labels.at(net::cri::label_pod_uid) + "/" + c.name;
      if (++instances[key] > 1) broken = "two running instances of " + key;
    }
  }

  void judge() {
    std::set<std::string> known;
    for (const auto& [key, pod] : apis->pods()) {
      known.insert(text_or(dig(pod, "metadata", "uid")));
      if (dig(pod, "metadata", "deletionTimestamp").is_string()) broken = key + " was deleted and is still there";
      else check_pod(key, pod);
      if (!broken.empty()) return;
    }
    for (const auto& [id, box] : machine.sandboxes())
      if (!known.contains(box.uid)) broken = "sandbox of a pod that is no more: " + box.name;
    for (const auto& one : on.world.files->list("/pods").value_or({}))
      if (!known.contains(one.name)) broken = "a folder of a pod that is no more: " + one.name;
  }
  void check_pod(const std::string& key, const json& pod) {
    const auto uid = text_or(dig(pod, "metadata", "uid")), kind = text_or(dig(pod, "metadata", "labels", "kind")), phase = text_or(dig(pod, "status", "phase"));
    bool ready_box = false, runs = false;
    for (const auto& [id, box] : machine.sandboxes()) ready_box = ready_box || (box.uid == uid && box.ready);
    for (const auto& [id, c] : machine.containers())
      runs = runs || (c.labels.at(net::cri::label_pod_uid) == uid && c.name == "main" && c.state == net::cri::container_state::running);
    const auto wrong = [&](const std::string& what) { broken = key + " " + what + ": " + to_text(dig(pod, "status")); };
    if (kind == "steady" || kind == "stubborn" || kind == "with-init") {
      if (phase != "Running" || !ready_box || !runs) return wrong("does not run");
      if (!restarted_ && !explained(pod, "Started")) return wrong("runs without an event");
    } else if (kind == "crashing") {
      if (phase != "Running" || !ready_box) return wrong("is not kept alive");
      const auto& state = pod["status"]["containerStatuses"][0];
      if (!runs && text_or(dig(state, "state", "waiting", "reason")) != "CrashLoopBackOff" && !dig(state, "state", "terminated").is_object()) return wrong("does not say that it waits");
    } else if (kind == "job" || kind == "with-sidecar") {
      if (phase != "Succeeded" && !(killed_ || restarted_ || phase == "Failed")) return wrong("has not succeeded");
      if (ready_box || (phase != "Succeeded" && phase != "Failed")) return wrong("has not ended");
    } else if (kind == "failing-job") {
      if (phase != "Failed" || ready_box) return wrong("has not failed");
    } else if (kind == "absent-image") {
      const auto reason = text_or(dig(pod["status"]["containerStatuses"][0], "state", "waiting", "reason"));
      if (phase != "Pending" || (reason != "ImagePullBackOff" && reason != "ErrImagePull")) return wrong("does not say what it waits for");
    } else if (phase != "Pending" || ready_box) {
      return wrong("runs without its volume");
    } else if (!restarted_ && !explained(pod, "FailedMount")) {
      return wrong("waits without an event");
    }
  }
  bool explained(const json& pod, const std::string& reason) const {
    return apis->reasons.contains(text_or(dig(pod, "metadata", "uid")) + "/" + reason);
  }

  rng dice_;

 public:
  net::sim::container_machine machine;
  std::shared_ptr<testing::pod_store> apis = std::make_shared<testing::pod_store>();
  client::api_actor api;

 private:
  std::unique_ptr<net::sim::network> net_;
  kubelet::kubelet_actor status_;
  std::unique_ptr<node> here_;
  std::size_t numbers_ = 0;
  bool restarts_ = false, restarted_ = false, killed_ = false;
};

std::pair<std::string, std::uint64_t> play(std::uint64_t seed) {
  run one(seed);
  auto broken = one.go();
  return {broken, one.on.run.digest()};
}

}  // namespace

TEST_CASE("a node's pods become what their specs say, whatever the runtime and the API do meanwhile") {
  const char* only = std::getenv("TROUPE_SEED");
  const char* many = std::getenv("TROUPE_SEEDS");
  const std::uint64_t first = only ? std::strtoull(only, nullptr, 10) : 1, count = only ? 1 : many ? std::strtoull(many, nullptr, 10) : 60;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const auto [broken, digest] = play(seed);
    if (!broken.empty()) FAIL_CHECK("seed " << seed << ": " << broken << "\n  repeat it: TROUPE_SEED=" << seed << " build/tests/scenarios/pod_scenarios");
    if (seed == first) CHECK_MESSAGE(play(seed).second == digest, "the same seed gave another run");
    if (!broken.empty()) break;
  }
}
