#include "actors/revocation/keeper.hpp"

#include "actors/client/clients.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::revocation {
namespace {

class keeper_state {
 public:
  static constexpr const char* name = "revocations";
  explicit keeper_state(rt::self<keeper_actor> self) : self_(self) {}
  ~keeper_state() { rt::end(reflector_); }

  void init(const rt::world& in, client::api_actor api, std::vector<listener_actor> listeners) {
    listeners_ = std::move(listeners);
    reflector_ = client::make_reflector(in, {"/api/v1/namespaces/" + std::string(map_namespace) + "/configmaps",
                                             "fieldSelector=metadata.name%3D" + std::string(map_name)},
                                        std::move(api), rt::strong<keeper_actor>(self_));
  }

  keeper_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { tell(std::make_shared<const revoked_nodes>(*got.object)); },
        // Whoever deletes the list lets everybody in again; certificates of revoked nodes too.
        [this](client::object_lost&) { tell(std::make_shared<const revoked_nodes>()); },
        [](client::kind_synced) {},
    };
  }

 private:
  void tell(std::shared_ptr<const revoked_nodes> now) {
    log::info("revocation.list_changed", {{"nodes", now->lines().size()}});
    for (const auto& one : listeners_) self_->send(one, revocations_changed{now});
  }

  rt::self<keeper_actor> self_;
  std::vector<listener_actor> listeners_;
  client::watcher_actor reflector_;
};

}  // namespace

keeper_actor make_keeper(const rt::world& in, client::api_actor api, std::vector<listener_actor> listeners) {
  return rt::spawn<keeper_actor, keeper_state>(in, "", in, std::move(api), std::move(listeners));
}

}  // namespace troupe::revocation
