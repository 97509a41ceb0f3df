#include "actors/controllers/endpoints/endpoints.hpp"

#include <map>
#include <set>

#include "actors/client/clients.hpp"
#include "actors/controllers/calls.hpp"
#include "actors/controllers/endpoints/plan.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

//  services, pods, nodes, endpoints, slices --seen/lost--> state; the Services concerned are marked
//  sync_due --> for each marked Service: plan, then its writes one after the other --> what the API answers is state too
//
// A write carries the resourceVersion it was planned from; a conflict
// plans again, from what has come meanwhile.

namespace troupe::controllers {
namespace {

using object_ptr = std::shared_ptr<const json>;

std::string namespace_of(const std::string& key) { return key.substr(0, key.find('/')); }
std::string version_of(const json& object) { return text_or(dig(object, "metadata", "resourceVersion")); }
/// Of two resourceVersions of one object, which are decimal numbers, whether the first is older.
bool is_older(const std::string& a, const std::string& b) { return a.size() != b.size() ? a.size() < b.size() : a < b; }

class endpoints_state {
 public:
  static constexpr const char* name = "endpoints";
  explicit endpoints_state(rt::self<endpoints_actor> self) : self_(self) {}
  ~endpoints_state() {
    for (const auto& one : reflectors_) rt::end(one);
  }

  enum source : std::size_t { services, pods, nodes, endpoints, slices };

  void init(const rt::world& in, endpoints_config config, client::api_actor api) {
    world_ = &in;
    config_ = config;
    api_ = std::move(api);
    const auto me = caf::actor_cast<client::reflected_actor>(rt::strong<endpoints_actor>(self_));
    for (const char* path : {"/api/v1/services", "/api/v1/pods", "/api/v1/nodes", "/api/v1/endpoints"})
      reflectors_.push_back(client::make_reflector(in, {path, ""}, api_, me));
    reflectors_.push_back(client::make_reflector(in, {"/apis/discovery.k8s.io/v1/endpointslices", std::string("labelSelector=") + managed_label + "%3D" + slice_manager}, api_, me));
  }

  endpoints_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { see(got); },
        [this](client::object_lost& got) { lose(got); },
        [this](client::kind_synced) { synced_.insert(from()), mark_all(); },
        [this](sync_due) { sync(); },
    };
  }

 private:
  std::size_t from() { return client::source_among(self_, reflectors_); }
  bool is_synced() const { return synced_.size() == reflectors_.size(); }

  void see(const client::object_seen& got) {
    switch (from()) {
      case services: return services_[got.key] = got.object, mark(got.key);
      case pods: return see_pod(got.key, got.object);
      case nodes: return see_node(got.key, *got.object);
      case endpoints: return keep(endpoints_[got.key], got.object), mark(got.key);
      case slices: return see_slice(got.key, got.object);
    }
  }

  void lose(const client::object_lost& got) {
    switch (from()) {
      case services: return services_.erase(got.key), mark(got.key);
      case pods: return see_pod(got.key, nullptr);
      case nodes: return void(zones_.erase(got.key));
      case endpoints: return endpoints_.erase(got.key), mark(got.key);
      default: break;
    }
    if (from() == slices) {
      const auto of = namespace_of(got.key) + "/" + text_or(dig(*got.object, "metadata", "labels", service_label));
      slices_[of].erase(got.key);
      mark(of);
    }
  }

  /// Our own write's answer may be newer than what the watch is just telling.
  static void keep(object_ptr& slot, const object_ptr& seen) {
    if (!slot || is_older(version_of(*slot), version_of(*seen)) || text_or(dig(*slot, "metadata", "uid")) != text_or(dig(*seen, "metadata", "uid"))) slot = seen;
  }

  void see_pod(const std::string& key, const object_ptr& pod) {
    const auto before = pods_.find(key);
    if (before != pods_.end()) mark_selecting(key, *before->second);
    if (!pod) return void(before != pods_.end() ? (void)pods_.erase(before) : void());
    mark_selecting(key, *pod);
    pods_[key] = pod;
  }

  void see_node(const std::string& key, const json& node) {
    auto zone = text_or(dig(node, "metadata", "labels", "topology.kubernetes.io/zone"));
    if (zones_[key] == zone) return;
    zones_[key] = std::move(zone);
    for (const auto& [pod_key, pod] : pods_)
      if (text_or(dig(*pod, "spec", "nodeName")) == key) mark_selecting(pod_key, *pod);
  }

  void see_slice(const std::string& key, const object_ptr& slice) {
    const auto of = namespace_of(key) + "/" + text_or(dig(*slice, "metadata", "labels", service_label));
    keep(slices_[of][key], slice);
    mark(of);
  }

  void mark_selecting(const std::string& pod_key, const json& pod) {
    const auto ns = namespace_of(pod_key) + "/";
    for (auto it = services_.lower_bound(ns); it != services_.end() && it->first.starts_with(ns); ++it)
      if (is_selecting(*it->second) && selects(*it->second, pod)) mark(it->first);
  }
  void mark_all() {
    for (const auto& [key, service] : services_) mark(key);
    for (const auto& [key, object] : endpoints_) mark(key);
    for (const auto& [key, some] : slices_) mark(key);
  }
  void mark(const std::string& key) {
    marked_.insert(key);
    wake(config_.gather_for);
  }
  void wake(duration after) {
    if (!is_synced() || std::exchange(awake_, true)) return;
    self_->delayed_send(rt::strong<endpoints_actor>(self_), after, sync_due{});
  }

  void sync() {
    awake_ = false;
    const auto now = world_->shard->now();
    std::set<std::string> later;
    std::optional<mono_time> rested;
    for (const auto& key : std::exchange(marked_, {})) {
      const auto rests = rests_until_.find(key);
      if (rests != rests_until_.end() && now < rests->second) later.insert(key), rested = rested ? std::min(*rested, rests->second) : rests->second;
      else if (writing_.contains(key) || writing_.size() >= config_.writes_max) later.insert(key);
      else plan(key);
    }
    marked_.merge(later);   // a write that ends wakes us
    if (!rested || (now < timer_ && timer_ <= *rested)) return;
    timer_ = *rested;       // beside the others' turn, which is sooner
    self_->delayed_send(rt::strong<endpoints_actor>(self_), *rested - now, sync_due{});
  }
  /// Who has many pods looks at them all, and then rests: what changes meanwhile is seen together (decision 161).
  void rest(const std::string& key, std::size_t looked_at) {
    if (looked_at < config_.rest_from) return void(rests_until_.erase(key));
    rests_until_[key] = world_->shard->now() + std::min(config_.rest_each * static_cast<std::int64_t>(looked_at), config_.rest_max);
  }

  void plan(const std::string& key) {
    const auto found = services_.find(key);
    std::vector<std::pair<bool, planned_write>> todo;   // whether it is a slice
    if (found == services_.end()) {
      rests_until_.erase(key);
      remove_rest(key, todo);
    } else if (is_selecting(*found->second)) {
      const auto selected = pods_of(key, *found->second);
      rest(key, selected.size());
      const auto present = endpoints_.find(key);
      for (auto& w : plan_endpoints(*found->second, selected, zones_, present == endpoints_.end() ? nullptr : present->second.get())) todo.emplace_back(false, std::move(w));
      std::vector<object_ptr> slices;
      if (const auto some = slices_.find(key); some != slices_.end())
        for (const auto& [name, slice] : some->second) slices.push_back(slice);
      for (auto& w : plan_slices(*found->second, selected, zones_, slices)) todo.emplace_back(true, std::move(w));
    }
    if (todo.empty()) return;
    writing_.insert(key);
    std::reverse(todo.begin(), todo.end());   // taken from the back
    write(key, std::make_shared<std::vector<std::pair<bool, planned_write>>>(std::move(todo)));
  }

  /// The Service is gone: what this controller made for it goes too, and nothing else.
  void remove_rest(const std::string& key, std::vector<std::pair<bool, planned_write>>& todo) {
    using kind = planned_write::kind;
    const auto present = endpoints_.find(key);
    if (present != endpoints_.end() && text_or(dig(*present->second, "metadata", "labels", endpoints_managed_label)) == endpoints_manager)
      todo.emplace_back(false, planned_write{kind::remove, key.substr(key.find('/') + 1), nullptr});
    const auto some = slices_.find(key);
    if (some == slices_.end()) return;
    for (const auto& [name, slice] : some->second) todo.emplace_back(true, planned_write{kind::remove, name.substr(name.find('/') + 1), nullptr});
    if (some->second.empty()) slices_.erase(some);
  }

  pod_list pods_of(const std::string& key, const json& service) const {
    pod_list out;
    const auto ns = namespace_of(key) + "/";
    for (auto it = pods_.lower_bound(ns); it != pods_.end() && it->first.starts_with(ns); ++it)
      if (selects(service, *it->second)) out.push_back(it->second);
    return out;
  }

  void write(const std::string& key, const std::shared_ptr<std::vector<std::pair<bool, planned_write>>>& left) {
    if (left->empty()) {
      writing_.erase(key);
      if (!marked_.empty()) wake(config_.gather_for);
      return;
    }
    const auto [slice, next] = std::move(left->back());
    left->pop_back();
    const auto path = (slice ? "/apis/discovery.k8s.io/v1/namespaces/" : "/api/v1/namespaces/") + namespace_of(key) + (slice ? "/endpointslices" : "/endpoints");
    using kind = planned_write::kind;
    const char* method = next.what == kind::create ? "POST" : next.what == kind::update ? "PUT" : "DELETE";
    call(self_, api_, method, path + (next.what == kind::create ? "" : "/" + next.name), next.object, as_json,
         [this, key, left, slice = slice, what = next.what, name = next.name](const client::api_answer& got) {
      if (what == kind::remove && (got.ok() || got.status == 404)) forget(key, slice, name);
      else if (got.ok()) learn(key, slice, got.body);
      else return failed(key, got);
      write(key, left);
    });
  }

  void learn(const std::string& key, bool slice, const std::string& body) {
    auto read = parse_json(body);
    if (!read.ok()) return;
    auto object = std::make_shared<const json>(std::move(*read));
    if (slice) keep(slices_[key][namespace_of(key) + "/" + text_or(dig(*object, "metadata", "name"))], object);
    else keep(endpoints_[key], object);
  }
  void forget(const std::string& key, bool slice, const std::string& name) {
    if (slice) slices_[key].erase(namespace_of(key) + "/" + name);
    else endpoints_.erase(key);
  }

  // A conflict is somebody's newer write, which the watch brings. A namespace that is going away takes nothing new (403),
  // and its end ends our trying.
  void failed(const std::string& key, const client::api_answer& got) {
    if (got.status != 409 && got.status != 403 && got.status != 404 && got.status != 0)
      log::warn("controllers.endpoints_not_written", {{"service", key}, {"status", got.status}, {"why", got.body.substr(0, 300)}});
    writing_.erase(key);
    marked_.insert(key);
    wake(config_.retry_after);
  }

  rt::self<endpoints_actor> self_;
  endpoints_config config_;
  client::api_actor api_;
  std::vector<client::watcher_actor> reflectors_;
  std::map<std::string, object_ptr> services_, pods_, endpoints_;
  std::map<std::string, std::map<std::string, object_ptr>> slices_;   ///< By their Service, then by their own key.
  zone_map zones_;
  std::set<std::string> marked_, writing_;
  std::map<std::string, mono_time> rests_until_;
  mono_time timer_{};                                                 ///< When the first of them has rested.
  const rt::world* world_ = nullptr;
  std::set<std::size_t> synced_;
  bool awake_ = false;
};

}  // namespace

endpoints_actor make_endpoints(const rt::world& in, endpoints_config config, client::api_actor api) {
  return rt::spawn<endpoints_actor, endpoints_state>(in, "", in, config, std::move(api));
}

}  // namespace troupe::controllers
