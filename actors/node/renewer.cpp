#include "actors/node/renewer.hpp"

#include <algorithm>

#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::node {
namespace {

class renewer_state {
 public:
  static constexpr const char* name = "renewer";
  explicit renewer_state(rt::self<renewer_actor> self) : self_(self) {}

  void init(const rt::world& in, ground on, std::string serving, std::string client, front::front_actor front, std::vector<certificates::shower_actor> showers) {
    world_ = &in;
    on_ = std::move(on);
    serving_ = std::move(serving);
    client_ = std::move(client);
    front_ = std::move(front);
    showers_ = std::move(showers);
    // Often enough that a sleep or a clock that jumps costs little of the second half.
    every_ = std::clamp<duration>(on_.config.certificate_life / 16, std::chrono::seconds(1), std::chrono::hours(1));
    self_->delayed_send(rt::strong<renewer_actor>(self_), every_, look_due{});
  }

  renewer_actor::behavior_type make_behavior() {
    return {[this](look_due) { look(); }};
  }

 private:
  void look() {
    self_->delayed_send(rt::strong<renewer_actor>(self_), every_, look_due{});
    if (on_.kept_in == store::embedded_etcd)
      if (auto etcd = settle_etcd_pki(*world_, on_); !etcd.ok()) log::error("node.certificates_not_renewed", {{"why", etcd.why().text()}});
    auto keys = settle_pki(*world_, on_);
    if (!keys.ok()) {
      log::error("node.certificates_not_renewed", {{"why", keys.why().text()}});
      return;
    }
    if (std::exchange(serving_, keys->serving.certificates) != keys->serving.certificates)
      if (auto tls = world_->tls->make_server({keys->serving, keys->client_ca.certificates}); tls.ok()) self_->send(front_, front::replace_identity{*tls});
    if (std::exchange(client_, keys->kubelet_client.certificates) != keys->kubelet_client.certificates)
      for (const auto& one : showers_) self_->send(one, certificates::identity_renewed{keys->kubelet_client});
  }

  rt::self<renewer_actor> self_;
  const rt::world* world_ = nullptr;
  ground on_;
  front::front_actor front_;
  std::vector<certificates::shower_actor> showers_;
  duration every_{};
  std::string serving_, client_;   ///< As told last.
};

}  // namespace

renewer_actor make_renewer(const rt::world& in, ground on, const certificates::pki& now, front::front_actor front, std::vector<certificates::shower_actor> showers) {
  return rt::spawn<renewer_actor, renewer_state>(in, "", in, std::move(on), now.serving.certificates, now.kubelet_client.certificates, std::move(front), std::move(showers));
}

}  // namespace troupe::node
