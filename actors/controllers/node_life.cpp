#include <map>
#include <set>

#include "actors/client/clients.hpp"
#include "actors/controllers/calls.hpp"
#include "actors/controllers/controllers.hpp"
#include "actors/controllers/life.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::controllers {
namespace {

using passwords_actor = rt::handle<bool(node_password::forget_node)>;
constexpr const char* role_label = "node-role.kubernetes.io/control-plane";

struct known_node {
  std::shared_ptr<const json> object;
  std::string renewed;          ///< The Lease's renewTime as last seen.
  mono_time heard{};            ///< When we saw it change: how a node's clock goes decides nothing.
  unsigned off = 0;             ///< How often in a row its clock was far from ours.
};
constexpr unsigned off_min = 3;   ///< A list after a break may bring renewals of a while ago.

class node_life_state {
 public:
  static constexpr const char* name = "node_life";
  explicit node_life_state(rt::self<controller_actor> self) : self_(self) {}

  void init(const rt::world& in, node_life_config config, client::api_actor api, passwords_actor passwords) {
    world_ = &in;
    config_ = std::move(config);
    api_ = std::move(api);
    passwords_ = std::move(passwords);
    auto me = caf::actor_cast<client::reflected_actor>(rt::strong<controller_actor>(self_));
    nodes_reflector_ = client::make_reflector(in, {"/api/v1/nodes", ""}, api_, me);
    leases_reflector_ = client::make_reflector(in, {"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", ""}, api_, me);
    self_->delayed_send(rt::strong<controller_actor>(self_), config_.every, tick_due{});
  }
  ~node_life_state() { rt::end(nodes_reflector_), rt::end(leases_reflector_); }

  controller_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { see(got); },
        [this](client::object_lost& got) { lose(got); },
        [](client::kind_synced) {},
        [this](tick_due) { examine_all(); },
    };
  }

 private:
  static bool is_lease(const std::string& key) { return key.find('/') != std::string::npos; }

  void see(const client::object_seen& got) {
    if (is_lease(got.key)) {
      auto& node = nodes_[got.key.substr(got.key.find('/') + 1)];
      auto renewed = text_or(dig(*got.object, "spec", "renewTime"));
      if (renewed == node.renewed) return;
      if (!node.renewed.empty()) compare_clocks(got.key, renewed, node);
      node.renewed = std::move(renewed);
      node.heard = world_->shard->now();
      return;
    }
    auto& node = nodes_[got.key];
    const bool fresh = !node.object;
    if (fresh) node.heard = world_->shard->now();
    node.object = got.object;
    if (fresh) say(*got.object, "RegisteredNode", "Registered Node " + got.key + " in Controller");
    examine(got.key, node);
  }

  /// What its pods and its status say of time is wrong then, or all that is said here. Said once, and when it is right again.
  void compare_clocks(const std::string& lease, const std::string& renewed, known_node& node) {
    const auto now = world_->wall->now();
    const auto name = lease.substr(lease.find('/') + 1);
    const bool was_off = node.off >= off_min;
    node.off = clock_differs(renewed, now) ? std::min(node.off + 1, off_min) : 0;
    if (!was_off && node.off >= off_min) log::warn("controllers.clocks_differ", {{"node", name}, {"its", renewed}, {"ours", to_rfc3339(now)}, {"next", "set the wrong one right (`timedatectl`)"}});
    if (was_off && node.off == 0) log::info("controllers.clocks_agree", {{"node", name}});
  }

  void lose(const client::object_lost& got) {
    if (is_lease(got.key)) return;
    nodes_.erase(got.key);
    log::info("controllers.node_deleted", {{"node", got.key}});
    say(*got.object, "RemovingNode", "Removing Node " + got.key + " from Controller");
    rt::post(passwords_, node_password::forget_node{{got.key}});
    call(self_, api_, "DELETE", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/" + got.key, nullptr, as_json,
         [](const client::api_answer&) {});
  }

  void examine_all() {
    for (auto& [key, node] : nodes_)
      if (node.object) examine(key, node);
    std::erase_if(nodes_, [&](const auto& n) { return !n.second.object && world_->shard->now() - n.second.heard > 10 * config_.grace; });
    self_->delayed_send(rt::strong<controller_actor>(self_), config_.every, tick_due{});
  }

  /// At most one write per node is under way; what it brings about comes back through the reflector.
  void examine(const std::string& key, const known_node& node) {
    if (writing_.contains(key)) return;
    const auto now = world_->wall->now();
    const auto heart = world_->shard->now() - node.heard > config_.grace ? pulse::silent : pulse::beating;
    const std::string path = "/api/v1/nodes/" + key;
    if (key == config_.own_node && dig(*node.object, "metadata", "labels", role_label).is_null())
      return write(key, node.object, path, json{{"metadata", {{"labels", {{role_label, "true"}}}}}}, as_merge);
    if (auto status = status_change(*node.object, heart, now)) {
      log::warn("controllers.node_silent", {{"node", key}, {"last_heartbeat", node.renewed}});
      return write(key, node.object, path + "/status", *status, as_strategic, readiness(*node.object) == "True");
    }
    if (auto taints = taint_change(*node.object, now)) {
      json patch{{"metadata", {{"resourceVersion", dig(*node.object, "metadata", "resourceVersion")}}}, {"spec", {{"taints", *taints}}}};
      log::info("controllers.node_tainted", {{"node", key}, {"ready", readiness(*node.object)}, {"taints", taints->size()}});
      return write(key, node.object, path, patch, as_merge);
    }
  }

  /// In upstream's words.
  void say(const json& node, const char* reason, const std::string& what) {
    const auto name = text_or(dig(node, "metadata", "name"));
    const bool turned = std::string_view(reason) == "NodeNotReady";
    model::event_words words{"Normal", reason, turned ? what : "Node " + name + " event: " + what, "node-controller"};
    client::say_event(told_.say(node, words, world_->wall->now()), [this](auto&&... how) { call(self_, api_, how...); });
  }

  /// A conflict is decided anew at once when the newer object has been seen meanwhile, and else when it is; after any other
  /// failure the next tick tries again.
  void write(const std::string& key, std::shared_ptr<const json> base, const std::string& path, const json& patch, const char* type, bool ends_ready = false) {
    writing_.insert(key);
    call(self_, api_, "PATCH", path, patch, type, [this, key, base = std::move(base), ends_ready](const client::api_answer& got) {
      writing_.erase(key);
      if (got.ok() && ends_ready) say(*base, "NodeNotReady", "Node " + key + " status is now: NodeNotReady");
      const auto found = nodes_.find(key);
      if (found == nodes_.end()) return;
      if (got.status == 409 && found->second.object && found->second.object != base) return examine(key, found->second);
      if (!got.ok()) return;
      const auto object = parse_json(got.body);
      if (!object.ok()) return;
      found->second.object = std::make_shared<const json>(*object);
      examine(key, found->second);
    });
  }

  rt::self<controller_actor> self_;
  const rt::world* world_ = nullptr;
  node_life_config config_;
  client::api_actor api_;
  passwords_actor passwords_;
  client::watcher_actor nodes_reflector_, leases_reflector_;
  std::map<std::string, known_node> nodes_;
  std::set<std::string> writing_;
  model::event_counter told_;
};

}  // namespace

controller_actor make_node_life(const rt::world& in, node_life_config config, client::api_actor api, passwords_actor passwords) {
  return rt::spawn<controller_actor, node_life_state>(in, "", in, std::move(config), std::move(api), std::move(passwords));
}

}  // namespace troupe::controllers
