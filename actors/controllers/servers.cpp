// The servers of a cluster as Kubernetes shows them: each says that it lives by a Lease of its own; the one that leads keeps
// the endpoints of `kubernetes` to those that do, and takes members out whose nodes are deleted.
#include <algorithm>
#include <map>

#include "actors/client/clients.hpp"
#include "actors/controllers/calls.hpp"
#include "actors/controllers/controllers.hpp"
#include "actors/controllers/servers.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::controllers {
namespace {

constexpr const char* leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
constexpr const char* identity_label = "apiserver.kubernetes.io/identity";   // upstream's name for such Leases
constexpr const char* address_annotation = "troupe.io/server-address";
constexpr const char* member_name = "etcd.k3s.cattle.io/node-name";
constexpr const char* member_address = "etcd.k3s.cattle.io/node-address";
constexpr const char* member_remove = "etcd.k3s.cattle.io/remove";
constexpr const char* member_removed = "etcd.k3s.cattle.io/removed-node-name";
constexpr const char* member_finalizer = "wrangler.cattle.io/managed-etcd-controller";   // K3s's: a Node waits for its member to be out

json finalizers_of(const json& object) {
  const auto& there = dig(object, "metadata", "finalizers");
  return there.is_array() ? there : json::array();
}
bool is_deleted(const json& object) { return !dig(object, "metadata", "deletionTimestamp").is_null(); }

/// Says that this server lives, and who its node is.
class presence_state {
 public:
  static constexpr const char* name = "presence";
  explicit presence_state(rt::self<presence_actor> self) : self_(self) {}

  void init(const rt::world& in, presence_config config, client::api_actor api) {
    world_ = &in;
    config_ = std::move(config);
    api_ = std::move(api);
    self_->send(rt::strong<presence_actor>(self_), tick_due{});
  }
  presence_actor::behavior_type make_behavior() {
    return {
        [this](tick_due) { tick(); },
        [this](say_goodbye) { return leave(); },
        [this](node_registered) { if (!marked_ && !marking_) mark(); },
    };
  }

 private:
  std::string lease() const { return "apiserver-" + config_.node.text; }

  void tick() {
    self_->delayed_send(rt::strong<presence_actor>(self_), config_.every, tick_due{});
    if (leaving_) return;
    if (!busy_) renew();
    if (!marking_ && (!marked_ || ++ticks_ % 5 == 0)) mark();
  }

  void renew() {
    busy_ = true;
    const json spec{{"holderIdentity", config_.node.text}, {"leaseDurationSeconds", std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::seconds>(config_.life).count())},
                    {"renewTime", to_rfc3339_micro(world_->wall->now())}};
    const json meta{{"labels", {{identity_label, "kube-apiserver"}, {"kubernetes.io/hostname", config_.node.text}}},
                    {"annotations", {{address_annotation, to_string(config_.advertised)}}}};
    call(self_, api_, "PATCH", std::string(leases) + "/" + lease(), json{{"metadata", meta}, {"spec", spec}}, as_merge, [this, meta, spec](const client::api_answer& got) {
      if (got.status != 404 || leaving_) {
        busy_ = false;
        return;
      }
      auto named = meta;
      named["name"] = lease();
      named["namespace"] = "kube-system";
      call(self_, api_, "POST", leases, json{{"apiVersion", "coordination.k8s.io/v1"}, {"kind", "Lease"}, {"metadata", named}, {"spec", spec}}, as_json,
           [this](const client::api_answer&) { busy_ = false; });
    });
  }

  // The node may come later, and may lose its marks to somebody's hand.
  void mark() {
    if (config_.marks.is_null()) return;
    marking_ = true;
    const std::string path = "/api/v1/nodes/" + config_.node.text;
    call(self_, api_, "GET", path, nullptr, as_json, [this, path](const client::api_answer& got) {
      const auto read = parse_json(got.body);
      marking_ = false;
      if (!got.ok() || !read.ok() || is_deleted(*read)) return;
      marked_ = true;
      json patch = json::object();
      if (auto held = finalizers_of(*read); config_.member && std::ranges::find(held, json(member_finalizer)) == held.end()) {
        held.push_back(member_finalizer);
        patch["metadata"] = {{"finalizers", std::move(held)}, {"resourceVersion", dig(*read, "metadata", "resourceVersion")}};
      }
      for (const auto& [part, wanted] : config_.marks.items())
        for (const auto& [key, value] : wanted.items())
          if (dig(*read, "metadata", part, key) != value) patch["metadata"][part][key] = value;
      // A node that comes back as a new member is no longer a removed one.
      if (!dig(*read, "metadata", "annotations", member_removed).is_null() && patch.contains("metadata")) patch["metadata"]["annotations"][member_removed] = nullptr;
      if (patch.empty() || !dig(*read, "metadata", "annotations", member_remove).is_null()) return;
      marking_ = true;
      call(self_, api_, "PATCH", path, patch, as_merge, [this](const client::api_answer& said) { marking_ = false, marked_ = said.ok(); });
    });
  }

  caf::result<bool> leave() {
    leaving_ = true;
    auto answer = self_->make_response_promise<bool>();
    call(self_, api_, "DELETE", std::string(leases) + "/" + lease(), nullptr, as_json, [answer](const client::api_answer& got) { auto to = answer; to.deliver(got.ok()); });
    return answer;
  }

  rt::self<presence_actor> self_;
  const rt::world* world_ = nullptr;
  presence_config config_;
  client::api_actor api_;
  unsigned ticks_ = 0;
  bool busy_ = false, marking_ = false, marked_ = false, leaving_ = false;
};

/// Keeps the endpoints of `kubernetes` to the servers whose Leases are renewed.
class server_list_state {
 public:
  static constexpr const char* name = "server_list";
  explicit server_list_state(rt::self<controller_actor> self) : self_(self) {}

  void init(const rt::world& in, server_list_config config, client::api_actor api) {
    world_ = &in;
    config_ = config;
    api_ = std::move(api);
    reflector_ = client::make_reflector(in, {leases, std::string("labelSelector=") + identity_label + "%3Dkube-apiserver"}, api_,
                                        caf::actor_cast<client::reflected_actor>(rt::strong<controller_actor>(self_)));
    self_->delayed_send(rt::strong<controller_actor>(self_), config_.every, tick_due{});
  }
  ~server_list_state() { rt::end(reflector_); }

  controller_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { see(got.key, *got.object); },
        [this](client::object_lost& got) { servers_.erase(got.key), write(); },
        [this](client::kind_synced) { synced_ = true, write(); },
        [this](tick_due) {
          self_->delayed_send(rt::strong<controller_actor>(self_), config_.every, tick_due{});
          write();
        },
    };
  }

 private:
  struct server {
    endpoint at;
    std::string renewed;
    mono_time heard{};            ///< By our own clock, when the Lease was last seen to change.
  };

  void see(const std::string& key, const json& object) {
    const auto at = parse_endpoint(text_or(dig(object, "metadata", "annotations", address_annotation)), 6443);
    if (!at.ok()) return;
    auto& known = servers_[key];
    const bool fresh = known.at != *at;
    const auto renewed = text_or(dig(object, "spec", "renewTime"));
    if (fresh || renewed != known.renewed) known.heard = world_->shard->now();
    known.at = *at;
    known.renewed = renewed;
    if (fresh) write();
  }

  void write() {
    if (!synced_ || busy_) return;
    std::map<std::uint16_t, std::vector<std::string>> living;
    for (const auto& [key, s] : servers_)
      if (world_->shard->now() - s.heard < config_.life) living[s.at.port].push_back(s.at.host);
    if (living.empty()) return;   // nobody is left who could be named: the old list is better than none
    json subsets = json::array(), slice_endpoints = json::array();
    for (auto& [port, hosts] : living) {
      std::sort(hosts.begin(), hosts.end());
      json addresses = json::array();
      for (const auto& host : hosts) {
        addresses.push_back({{"ip", host}});
        slice_endpoints.push_back({{"addresses", json::array({host})}, {"conditions", {{"ready", true}}}});
      }
      subsets.push_back({{"addresses", addresses}, {"ports", json::array({{{"name", "https"}, {"port", port}, {"protocol", "TCP"}}})}});
    }
    if (subsets == written_) return;
    busy_ = true;
    log::info("controllers.servers_listed", {{"endpoints", to_text(subsets)}});
    call(self_, api_, "PATCH", "/api/v1/namespaces/default/endpoints/kubernetes", json{{"subsets", subsets}}, as_merge,
         [this, subsets, slice_endpoints](const client::api_answer& got) {
      if (!got.ok()) {
        busy_ = false;
        return;
      }
      call(self_, api_, "PATCH", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes", json{{"endpoints", slice_endpoints}}, as_merge,
           [this, subsets](const client::api_answer& second) {
        busy_ = false;
        if (second.ok()) written_ = subsets;
      });
    });
  }

  rt::self<controller_actor> self_;
  const rt::world* world_ = nullptr;
  server_list_config config_;
  client::api_actor api_;
  client::watcher_actor reflector_;
  std::map<std::string, server> servers_;
  json written_;
  bool synced_ = false, busy_ = false;
};

/// A server whose node is deleted, or marked for it, leaves etcd too. The Node stays, terminating, until its member is out:
/// whoever leads by then knows what is left to do.
class etcd_members_state {
 public:
  static constexpr const char* name = "etcd_members";
  explicit etcd_members_state(rt::self<controller_actor> self) : self_(self) {}

  void init(const rt::world& in, client::api_actor api, membership::remover_actor remover) {
    api_ = std::move(api);
    remover_ = std::move(remover);
    reflector_ = client::make_reflector(in, {"/api/v1/nodes", ""}, api_, caf::actor_cast<client::reflected_actor>(rt::strong<controller_actor>(self_)));
    self_->delayed_send(rt::strong<controller_actor>(self_), again_after, tick_due{});
  }
  ~etcd_members_state() { rt::end(reflector_); }

  controller_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) {
          if (is_deleted(*got.object)) leave(got.key, *got.object, false);
          else if (text_or(dig(*got.object, "metadata", "annotations", member_remove)) == "true") leave(got.key, *got.object, true);
        },
        [this](client::object_lost& got) { leave(got.key, *got.object, false); },
        [](client::kind_synced) {},
        [this](tick_due) {
          self_->delayed_send(rt::strong<controller_actor>(self_), again_after, tick_due{});
          auto left = left_;
          for (const auto& [node, who] : left) remove(node);
        },
    };
  }

 private:
  static constexpr duration again_after = std::chrono::seconds(2);
  struct leaving { membership::remove_member who; bool annotated = false, busy = false, out = false, again = false; };

  void leave(const std::string& node, const json& object, bool annotated) {
    const auto& notes = dig(object, "metadata", "annotations");
    membership::remove_member who{text_or(dig(notes, member_name)), text_or(dig(notes, member_address))};
    const auto known = left_.find(node);
    if (known != left_.end() && known->second.busy) return void(known->second.again = true);
    const bool out = who.name.empty() || !remover_;            // no member, or it went before; or the cluster left etcd, and its mark stayed
    if (out && !is_deleted(object)) return;
    left_[node] = {std::move(who), annotated, false, out};
    remove(node);
  }

  void remove(const std::string& node) {
    const auto found = left_.find(node);
    if (found == left_.end() || std::exchange(found->second.busy, true)) return;
    if (found->second.out) return release(node);
    self_->request(remover_, std::chrono::seconds(30), found->second.who)
        .then([this, node](bool) { release(node); },
              [this, node](caf::error& why) {
                log::warn("controllers.member_stays", {{"node", node}, {"why", rt::reason(why).note}});
                if (rt::reason(why).code == errc::invalid) release(node);   // the last one that votes
                else if (const auto it = left_.find(node); it != left_.end()) it->second.busy = false;
              });
  }

  /// Its member is out: the Node is told, or let go.
  void release(const std::string& node) {
    left_[node].out = true;
    const auto path = "/api/v1/nodes/" + node;
    call(self_, api_, "GET", path, nullptr, as_json, [this, node, path](const client::api_answer& got) {
      const auto read = parse_json(got.body);
      if (got.status == 404) return done(node);
      if (!got.ok() || !read.ok()) return later(node);
      auto held = finalizers_of(*read);
      const bool lets_go = is_deleted(*read) && std::erase(held.get_ref<json::array_t&>(), json(member_finalizer)) > 0;
      json patch;
      if (lets_go) patch["metadata"] = {{"finalizers", held}, {"resourceVersion", dig(*read, "metadata", "resourceVersion")}};
      const auto& left = left_[node];
      if (left.annotated) patch["metadata"]["annotations"] = {{member_removed, left.who.name}, {member_remove, nullptr}, {member_name, nullptr}, {member_address, nullptr}};
      if (patch.is_null()) return done(node);
      call(self_, api_, "PATCH", path, patch, as_merge, [this, node](const client::api_answer& said) {
        if (said.ok() || said.status == 404) done(node);
        else later(node);
      });
    });
  }
  void done(const std::string& node) {
    if (std::exchange(left_[node].again, false)) release(node);   // it changed meanwhile
    else left_.erase(node);
  }
  void later(const std::string& node) {
    if (const auto it = left_.find(node); it != left_.end()) it->second.busy = false;
  }

  rt::self<controller_actor> self_;
  client::api_actor api_;
  membership::remover_actor remover_;
  client::watcher_actor reflector_;
  std::map<std::string, leaving> left_;
};

}  // namespace

presence_actor make_presence(const rt::world& in, presence_config config, client::api_actor api) {
  return rt::spawn<presence_actor, presence_state>(in, "", in, std::move(config), std::move(api));
}
controller_actor make_server_list(const rt::world& in, server_list_config config, client::api_actor api) {
  return rt::spawn<controller_actor, server_list_state>(in, "", in, config, std::move(api));
}
controller_actor make_etcd_members(const rt::world& in, client::api_actor api, membership::remover_actor remover) {
  return rt::spawn<controller_actor, etcd_members_state>(in, "", in, std::move(api), std::move(remover));
}

}  // namespace troupe::controllers
