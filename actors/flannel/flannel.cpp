#include "actors/flannel/flannel.hpp"

#include "actors/client/clients.hpp"
#include "actors/flannel/settle.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

//  nodes --seen/lost--> reconcile_due --> interface, then routes of all peers --> the Node's annotations --> conflist, once

namespace troupe::flannel {
namespace {

constexpr duration api_limit = std::chrono::seconds(5);

class flannel_state {
 public:
  static constexpr const char* name = "flannel";
  explicit flannel_state(rt::self<flannel_actor> self) : self_(self) {}
  ~flannel_state() { rt::end(reflector_); }

  void init(const rt::world& in, flannel_config config, client::api_actor api) {
    world_ = &in;
    config_ = std::move(config);
    api_ = std::move(api);
    reflector_ = client::make_reflector(in, {"/api/v1/nodes", ""}, api_, caf::actor_cast<client::reflected_actor>(rt::strong<flannel_actor>(self_)));
    self_->delayed_send(rt::strong<flannel_actor>(self_), config_.recheck_every, recheck_due{});
  }

  flannel_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { see(got.key, *got.object); },
        [this](client::object_lost& got) {
          peers_.erase(got.key);
          if (got.key == config_.node) own_ = nullptr;
          wake(config_.gather_for);
        },
        [this](client::kind_synced) { synced_ = true, wake(config_.gather_for); },
        [this](reconcile_due) { awake_ = false, reconcile(); },
        [this](recheck_due) {
          self_->delayed_send(rt::strong<flannel_actor>(self_), config_.recheck_every, recheck_due{});
          wake(duration(0));
        },
    };
  }

 private:
  void see(const std::string& key, const json& node) {
    // Heartbeats change a Node every few seconds, and nothing here.
    auto said = peer_of(node);
    auto& known = peers_[key];
    const bool same = known.pod_cidr == said.pod_cidr && known.address == said.address && known.mac == said.mac && known.backend == said.backend;
    known = std::move(said);
    if (key == config_.node) own_ = json{{"metadata", {{"annotations", dig(node, "metadata", "annotations")}}}};
    if (!same || key == config_.node) wake(config_.gather_for);
  }

  void wake(duration after) {
    // A list that is not whole yet would take routes away that are needed.
    if (synced_ && !std::exchange(awake_, true)) self_->delayed_send(rt::strong<flannel_actor>(self_), after, reconcile_due{});
  }

  void reconcile() {
    const auto own = peers_.find(config_.node);
    if (own_.is_null() || own == peers_.end() || own->second.pod_cidr.empty()) return;   // until somebody gives it one
    const auto mtu = settle(*world_->links, {config_.with, config_.node, config_.address, config_.link}, peers_);
    const auto done = mtu.ok() ? write_conflist(own->second.pod_cidr, *mtu) : result<void>(mtu.why());
    if (!done.ok()) {
      if (told_ != done.why().note) log::warn("flannel.not_settled", {{"why", told_ = done.why().note}});
      return wake(config_.retry_after);
    }
    if (!told_.empty() || !std::exchange(settled_, true))
      log::info("flannel.settled", {{"backend", to_string(config_.with)}, {"pod_cidr", own->second.pod_cidr}, {"peers", peers_.size() - 1}});
    told_.clear();
    annotate();
  }

  result<void> write_conflist(const std::string& pod_cidr, unsigned mtu) {
    if (config_.with == backend::none || config_.conflist_file.empty()) return {};
    const auto text = conflist(pod_cidr, mtu, config_.state_folder);
    if (const auto present = world_->files->read(config_.conflist_file); present.ok() && *present == text) return {};
    return world_->files->write(config_.conflist_file, text, 0644);
  }

  void annotate() {
    const auto patch = annotations_patch(own_, config_.with, config_.address, mac_for(config_.node));
    if (patch.is_null() || std::exchange(annotating_, true)) return;
    self_->request(api_, api_limit, client::api_call{"PATCH", "/api/v1/nodes/" + config_.node, to_text(patch), "application/merge-patch+json", "", {}})
        .then([this](const client::api_answer& got) {
          annotating_ = false;
          if (!got.ok()) wake(config_.retry_after);
        }, [this](caf::error&) { annotating_ = false, wake(config_.retry_after); });
  }

  rt::self<flannel_actor> self_;
  const rt::world* world_ = nullptr;
  flannel_config config_;
  client::api_actor api_;
  client::watcher_actor reflector_;
  std::map<std::string, peer> peers_;
  json own_;                          ///< This Node, as far as it counts here; null: not seen.
  std::string told_;                  ///< What keeps it from being settled, as it was said.
  bool synced_ = false, awake_ = false, settled_ = false, annotating_ = false;
};

}  // namespace

flannel_actor make_flannel(const rt::world& in, flannel_config config, client::api_actor api) {
  return rt::spawn_slow<flannel_actor, flannel_state>(in, "", in, std::move(config), std::move(api));
}

}  // namespace troupe::flannel
