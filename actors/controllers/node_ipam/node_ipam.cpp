#include "actors/controllers/node_ipam/node_ipam.hpp"

#include <optional>
#include <set>

#include "actors/client/clients.hpp"
#include "actors/controllers/calls.hpp"
#include "actors/controllers/node_ipam/pool.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::controllers {
namespace {

class node_ipam_state {
 public:
  static constexpr const char* name = "node_ipam";
  explicit node_ipam_state(rt::self<controller_actor> self) : self_(self) {}
  ~node_ipam_state() { rt::end(reflector_); }

  void init(const rt::world& in, node_ipam_config config, client::api_actor api) {
    config_ = std::move(config);
    api_ = std::move(api);
    const auto cluster = parse_network4(config_.cluster_cidr);
    if (cluster.ok()) pool_.emplace(*cluster);
    else log::error("controllers.no_pod_networks", {{"why", cluster.why().note}});
    reflector_ = client::make_reflector(in, {"/api/v1/nodes", ""}, api_, caf::actor_cast<client::reflected_actor>(rt::strong<controller_actor>(self_)));
  }

  controller_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { see(got.key, *got.object); },
        [this](client::object_lost& got) { lose(got.key); },
        [this](client::kind_synced) { synced_ = true, give_all(); },
        [this](tick_due) { waiting_ = false, give_all(); },
    };
  }

 private:
  void see(const std::string& key, const json& node) {
    if (!pool_) return;
    const auto cidr = text_or(dig(node, "spec", "podCIDR"));
    if (cidr.empty()) {
      bare_.insert(key);
      return synced_ ? give(key) : void();
    }
    bare_.erase(key);
    if (!pool_->occupy(key, cidr) && complained_.insert(key).second)
      log::error("controllers.pod_network_refused", {{"node", key}, {"cidr", cidr}, {"why", "it is outside of the cluster's network, or another node's"}});
  }
  void lose(const std::string& key) {
    if (!pool_) return;
    bare_.erase(key);
    complained_.erase(key);
    pool_->free(key);
    give_all();
  }

  // Not before all nodes have been seen: what they have is taken.
  void give_all() {
    if (!synced_ || !pool_) return;
    for (const auto& key : std::set(bare_)) give(key);
  }

  void give(const std::string& key) {
    if (writing_.contains(key)) return;
    const auto got = pool_->allocate(key);
    if (!got) {
      if (complained_.insert(key).second) log::error("controllers.pod_networks_used_up", {{"node", key}, {"cluster_cidr", config_.cluster_cidr}});
      return;
    }
    writing_.insert(key);
    const auto cidr = to_string(*got);
    call(self_, api_, "PATCH", "/api/v1/nodes/" + key, json{{"spec", {{"podCIDR", cidr}, {"podCIDRs", json::array({cidr})}}}}, as_merge,
         [this, key, cidr](const client::api_answer& answer) {
      writing_.erase(key);
      if (answer.ok()) {
        bare_.erase(key);
        return log::info("controllers.pod_network_given", {{"node", key}, {"cidr", cidr}});
      }
      // The piece stays its own: whether the write arrived, the watch tells. A node that is gone frees it there.
      if (!std::exchange(waiting_, true)) self_->delayed_send(rt::strong<controller_actor>(self_), config_.retry_after, tick_due{});
    });
  }

  rt::self<controller_actor> self_;
  node_ipam_config config_;
  client::api_actor api_;
  client::watcher_actor reflector_;
  std::optional<cidr_pool> pool_;
  std::set<std::string> bare_, writing_, complained_;   ///< Nodes without a network; with a write under way; already logged.
  bool synced_ = false, waiting_ = false;
};

}  // namespace

controller_actor make_node_ipam(const rt::world& in, node_ipam_config config, client::api_actor api) {
  return rt::spawn<controller_actor, node_ipam_state>(in, "", in, std::move(config), std::move(api));
}

}  // namespace troupe::controllers
