#include "actors/node/workload/no_runtime.hpp"

#include <set>

#include "actors/client/clients.hpp"
#include "actors/kubelet/pod/events.hpp"
#include "actors/runtime/spawn.hpp"

namespace troupe::node {
namespace {

constexpr duration api_limit = std::chrono::seconds(5);

class no_runtime_state {
 public:
  static constexpr const char* name = "no_runtime";
  explicit no_runtime_state(rt::self<no_runtime_actor> self) : self_(self) {}
  void init(const rt::world& in, const node_name& node, std::string why, client::api_actor api) {
    world_ = &in;
    node_ = node.text;
    why_ = std::move(why);
    api_ = std::move(api);
    client::reflector_config follow{"/api/v1/pods", "fieldSelector=spec.nodeName%3D" + node_};
    reflector_ = client::make_reflector(in, std::move(follow), api_, rt::strong<no_runtime_actor>(self_));
  }
  ~no_runtime_state() {
    if (reflector_) rt::end(reflector_);
  }
  no_runtime_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& news) { tell(*news.object); },
        [this](client::object_lost& news) { told_.erase(text_or(dig(*news.object, "metadata", "uid"))); },
        [](client::kind_synced) {},
    };
  }

 private:
  void tell(const json& pod) {
    if (!told_.insert(text_or(dig(pod, "metadata", "uid"))).second) return;
    auto one = kubelet::event_book(pod, node_).note(true, "FailedSync", "node " + node_ + " runs no containers: " + why_, "", world_->wall->now());
    if (!one) return;
    self_->request(api_, api_limit, client::api_call{one->method, one->path, to_text(one->body), one->type, "", {}})
        .then([](const client::api_answer&) {}, [](caf::error&) {});
  }

  rt::self<no_runtime_actor> self_;
  const rt::world* world_ = nullptr;
  std::string node_, why_;
  client::api_actor api_;
  rt::handle<void(client::watch_event)> reflector_;
  std::set<std::string> told_;
};

}  // namespace

no_runtime_actor make_no_runtime(const rt::world& in, const node_name& node, std::string why, client::api_actor api) {
  return rt::spawn<no_runtime_actor, no_runtime_state>(in, "", in, node, std::move(why), std::move(api));
}

}  // namespace troupe::node
