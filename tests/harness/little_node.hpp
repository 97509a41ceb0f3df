// One node's kubelet on the twin of the container runtime, with an API that knows pods only.
#pragma once
#include "actors/cri/edge.hpp"
#include "actors/cri/keeper.hpp"
#include "actors/kubelet/roll.hpp"
#include "net/sim/cri/containers.hpp"
#include "net/sim/network.hpp"
#include "tests/harness/pod_api.hpp"

namespace troupe::testing {

class news_state {
 public:
  static constexpr const char* name = "news";
  explicit news_state(rt::self<kubelet::kubelet_actor>) {}
  void init(std::shared_ptr<std::vector<kubelet::runtime_news>> heard) { heard_ = std::move(heard); }
  kubelet::kubelet_actor::behavior_type make_behavior() {
    return {[](kubelet::start_kubelet) {}, [](kubelet::register_due) {}, [](kubelet::heartbeat_due) {}, [](kubelet::status_due) {},
            [this](kubelet::runtime_news& got) { heard_->push_back(std::move(got)); }};
  }

 private:
  std::shared_ptr<std::vector<kubelet::runtime_news>> heard_;
};

struct little_node {
  /// `adjust` changes what the roll is told, before there is one.
  explicit little_node(const std::function<void(kubelet::roll_config&)>& adjust = {}) : machine(on.run.plan(), rng(3), on.calendar) {
    net = net::sim::make_network(on.run.plan(), rng(4), on.calendar.now());
    auto& here = net->add("n1", {"10.0.0.1"});
    disk = &here.disk();
    on.world.files = disk;
    on.world.machine = &here.facts();
    on.world.dialer = &here.dials();
    machine.add_image("app");
    machine.now.act_max = std::chrono::milliseconds(20);
    const auto api = make_pod_api(on, store);
    runtime = on.show(cri::make_edge(on.world, machine.connect()));
    kubelet::roll_config with;
    with.worker.setup.node = "n1";
    with.worker.setup.addresses = {"10.0.0.1"};
    with.worker.setup.pods_folder = "/pods";
    with.worker.setup.logs_folder = "/logs";
    with.manifests_folder = "/manifests";
    if (adjust) adjust(with);
    const auto facet = caf::actor_cast<cri::runtime_actor>(runtime);
    const auto status = on.show(rt::spawn<kubelet::kubelet_actor, news_state>(on.world, "", news));
    roll = on.show(kubelet::make_roll(on.world, with, api, facet, status));
    cri::keeper_config watch;
    watch.child.program.clear();
    keeper = on.show(cri::make_keeper(on.world, watch, facet, caf::actor_cast<cri::runtime_owner_actor>(roll)));
  }
  void put(const std::string& container, const std::string& spec = "{}") {
    json pod{{"metadata", {{"name", "p"}, {"namespace", "ns"}, {"uid", "u1"}}}, {"spec", *parse_json(spec)}};
    pod["spec"]["nodeName"] = "n1";
    json one = *parse_json(container);
    one["name"] = "main";
    if (!one.contains("image")) one["image"] = "app";
    pod["spec"]["containers"] = json::array({one});
    store->put(pod);
  }
  json main() { return store->pods().contains("ns/p") ? dig(store->of("ns/p"), "status", "containerStatuses").is_array() ? store->of("ns/p")["status"]["containerStatuses"][0] : json() : json(); }
  bool until(const std::function<bool()>& done, duration limit = std::chrono::minutes(2)) { return on.run.run_until(done, limit); }
  bool runs() { return dig(main(), "ready") == json(true); }
  bool said(const std::string& reason) { return store->reasons.contains("u1/" + reason); }

  stage on;
  net::files* disk = nullptr;
  net::sim::container_machine machine;
  std::unique_ptr<net::sim::network> net;
  std::shared_ptr<pod_store> store = std::make_shared<pod_store>();
  std::shared_ptr<std::vector<kubelet::runtime_news>> news = std::make_shared<std::vector<kubelet::runtime_news>>();
  cri::edge_actor runtime;
  kubelet::roll_actor roll;
  cri::keeper_actor keeper;
};

}  // namespace troupe::testing
