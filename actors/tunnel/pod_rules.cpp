#include "actors/tunnel/pod_rules.hpp"

#include "actors/client/clients.hpp"
#include "actors/runtime/spawn.hpp"

namespace troupe::tunnel {
namespace {

class pod_rules_state {
 public:
  static constexpr const char* name = "pod_rules";
  explicit pod_rules_state(rt::self<client::reflected_actor> self) : self_(self) {}
  ~pod_rules_state() { rt::end(reflector_); }

  void init(const rt::world& in, std::shared_ptr<dial_rules> rules, node_name node, client::api_actor api) {
    rules_ = std::move(rules);
    reflector_ = client::make_reflector(in, {"/api/v1/pods", "fieldSelector=spec.nodeName%3D" + node.text}, std::move(api),
                                        rt::strong<client::reflected_actor>(self_));
  }

  client::reflected_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { rules_->set_pod(got.key, *got.object); },
        [this](client::object_lost& gone) { rules_->drop_pod(gone.key); },
        [](client::kind_synced) {},
    };
  }

 private:
  rt::self<client::reflected_actor> self_;
  std::shared_ptr<dial_rules> rules_;
  client::watcher_actor reflector_;
};

}  // namespace

client::reflected_actor make_pod_rules(const rt::world& in, std::shared_ptr<dial_rules> rules, const node_name& node, client::api_actor api) {
  return rt::spawn_pinned<client::reflected_actor, pod_rules_state>(in, "", in, std::move(rules), node, std::move(api));
}

}  // namespace troupe::tunnel
