#include "actors/controllers/service_lb/service_lb.hpp"

#include "actors/client/clients.hpp"
#include "actors/controllers/calls.hpp"
#include "actors/controllers/service_lb/addresses.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::controllers {
namespace {

class service_lb_state {
 public:
  static constexpr const char* name = "service_lb";
  explicit service_lb_state(rt::self<controller_actor> self) : self_(self) {}
  ~service_lb_state() {
    for (const auto& one : reflectors_) rt::end(one);
  }

  enum source : std::size_t { services, nodes, slices };
  void init(const rt::world& in, service_lb_config config, client::api_actor api) {
    config_ = std::move(config);
    api_ = std::move(api);
    const auto me = caf::actor_cast<client::reflected_actor>(rt::strong<controller_actor>(self_));
    for (const char* path : {"/api/v1/services", "/api/v1/nodes", "/apis/discovery.k8s.io/v1/endpointslices"})
      reflectors_.push_back(client::make_reflector(in, {path, ""}, api_, me));
  }

  controller_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { kept(from())[got.key] = got.object, wake(config_.gather_for); },
        [this](client::object_lost& got) { kept(from()).erase(got.key), wake(config_.gather_for); },
        [this](client::kind_synced) { synced_.insert(from()), wake(config_.gather_for); },
        [this](tick_due) { awake_ = false, look(); },
    };
  }

 private:
  std::size_t from() { return client::source_among(self_, reflectors_); }
  object_map& kept(std::size_t of) { return of == services ? services_ : of == nodes ? nodes_ : slices_; }

  void wake(duration after) {
    if (synced_.size() == reflectors_.size() && !std::exchange(awake_, true)) self_->delayed_send(rt::strong<controller_actor>(self_), after, tick_due{});
  }

  void look() {
    std::map<std::string, std::vector<std::shared_ptr<const json>>> slices_of;
    for (const auto& [key, slice] : slices_)
      slices_of[key.substr(0, key.find('/') + 1) + text_or(dig(*slice, "metadata", "labels", "kubernetes.io/service-name"))].push_back(slice);
    std::map<std::string, std::set<std::string>> local;
    for (const auto& [key, some] : slices_of) local[key] = nodes_with_endpoints(some);
    const auto wanted = balance(services_, nodes_, local, config_.reserved);
    for (const auto& [key, service] : services_) {
      const auto& present = dig(*service, "status", "loadBalancer", "ingress");
      const auto found = wanted.find(key);
      if (found != wanted.end()) {
        tell(key, *service, found->second.blocked_by);
        if (found->second.ingress != (present.is_array() ? present : json::array())) write(key, found->second.ingress);
      } else if (text_or(dig(*service, "spec", "type")) != "LoadBalancer" && present.is_array() && !present.empty()) {
        write(key, json::array());   // it was one before
      }
    }
    std::erase_if(blocked_, [&](const auto& b) { return !wanted.contains(b.first); });
  }

  static std::string path_of(const std::string& key, const char* collection) {
    const auto slash = key.find('/');
    return "/api/v1/namespaces/" + key.substr(0, slash) + "/" + collection + "/" + key.substr(slash + 1);
  }

  void write(const std::string& key, const json& ingress) {
    if (!writing_.insert(key).second) return;
    call(self_, api_, "PATCH", path_of(key, "services") + "/status", json{{"status", {{"loadBalancer", {{"ingress", ingress}}}}}}, as_merge,
         [this, key](const client::api_answer& got) {
      writing_.erase(key);
      if (!got.ok() && got.status != 404) wake(config_.retry_after);
    });
  }

  /// Says once who is in the way.
  void tell(const std::string& key, const json& service, const std::string& owner) {
    if (owner.empty() || blocked_[key] == owner) return void(owner.empty() ? blocked_.erase(key) : 0);
    blocked_[key] = owner;
    log::warn("controllers.load_balancer_blocked", {{"service", key}, {"by", owner}});
    const auto slash = key.find('/');
    json event{{"apiVersion", "v1"}, {"kind", "Event"}, {"metadata", {{"generateName", key.substr(slash + 1) + "."}, {"namespace", key.substr(0, slash)}}},
               {"involvedObject", {{"apiVersion", "v1"}, {"kind", "Service"}, {"namespace", key.substr(0, slash)}, {"name", key.substr(slash + 1)},
                                   {"uid", text_or(dig(service, "metadata", "uid"))}}},
               {"type", "Warning"}, {"reason", "SyncLoadBalancerFailed"}, {"message", "on every node a port of this Service is taken by " + owner},
               {"source", {{"component", "service-lb-controller"}}}, {"count", 1}};
    call(self_, api_, "POST", "/api/v1/namespaces/" + key.substr(0, slash) + "/events", event, as_json, [](const client::api_answer&) {});
  }

  rt::self<controller_actor> self_;
  service_lb_config config_;
  client::api_actor api_;
  std::vector<client::watcher_actor> reflectors_;
  object_map services_, nodes_, slices_;
  std::set<std::size_t> synced_;
  std::set<std::string> writing_;
  std::map<std::string, std::string> blocked_;
  bool awake_ = false;
};

}  // namespace

controller_actor make_service_lb(const rt::world& in, service_lb_config config, client::api_actor api) {
  return rt::spawn<controller_actor, service_lb_state>(in, "", in, std::move(config), std::move(api));
}

}  // namespace troupe::controllers
