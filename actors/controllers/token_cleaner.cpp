#include <map>

#include "actors/client/clients.hpp"
#include "actors/controllers/calls.hpp"
#include "actors/controllers/controllers.hpp"
#include "actors/registration/bootstrap_token.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::controllers {
namespace {

constexpr duration look_every = std::chrono::seconds(30);

class token_cleaner_state {
 public:
  static constexpr const char* name = "token_cleaner";
  explicit token_cleaner_state(rt::self<controller_actor> self) : self_(self) {}
  void init(const rt::world& in, client::api_actor api) {
    world_ = &in;
    api_ = std::move(api);
    reflector_ = client::make_reflector(in, {"/api/v1/namespaces/kube-system/secrets", "fieldSelector=type%3D" + std::string(registration::bootstrap_type)}, api_,
                                        caf::actor_cast<client::reflected_actor>(rt::strong<controller_actor>(self_)));
    self_->delayed_send(rt::strong<controller_actor>(self_), look_every, tick_due{});
  }
  ~token_cleaner_state() { rt::end(reflector_); }

  controller_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { see(got.key, *got.object); },
        [this](client::object_lost& got) { ends_.erase(got.key); },
        [](client::kind_synced) {},
        [this](tick_due) { tick(); },
    };
  }

 private:
  void see(const std::string& key, const json& secret) {
    ends_.erase(key);
    if (const auto end = registration::bootstrap_expiry(secret)) ends_[key] = {*end, text_or(dig(secret, "metadata", "uid"))};
  }

  void tick() {
    self_->delayed_send(rt::strong<controller_actor>(self_), look_every, tick_due{});
    const auto now = world_->wall->now();
    for (const auto& [key, token] : ends_) {
      if (token.end > now) continue;
      const auto named = key.substr(key.find('/') + 1);
      // Only this very token: one of the same name may have been made meanwhile.
      call(self_, api_, "DELETE", "/api/v1/namespaces/kube-system/secrets/" + named, json{{"preconditions", {{"uid", token.uid}}}}, as_json,
           [named](const client::api_answer& got) { if (got.ok()) log::info("controllers.token_expired", {{"secret", named}}); });
    }
  }

  struct token {
    wall_time end;
    std::string uid;
  };
  rt::self<controller_actor> self_;
  const rt::world* world_ = nullptr;
  client::api_actor api_;
  client::watcher_actor reflector_;
  std::map<std::string, token> ends_;
};

}  // namespace

controller_actor make_token_cleaner(const rt::world& in, client::api_actor api) {
  return rt::spawn<controller_actor, token_cleaner_state>(in, "", in, std::move(api));
}

}  // namespace troupe::controllers
