#include "actors/service_proxy/service_proxy.hpp"

#include <set>

#include "actors/client/clients.hpp"
#include "actors/runtime/spawn.hpp"
#include "actors/service_proxy/table.hpp"
#include "basis/log.hpp"

//  services, slices --seen/lost--> marked --write_due--> rules.hpp --> table.hpp --> one transaction
//  check_due --> the mark is gone (or the last transaction failed) --> the whole table anew

namespace troupe::service_proxy {
namespace {

constexpr const char* service_label = "kubernetes.io/service-name";

class proxy_state {
 public:
  static constexpr const char* name = "service_proxy";
  explicit proxy_state(rt::self<proxy_actor> self) : self_(self) {}
  ~proxy_state() {
    for (const auto& one : reflectors_) rt::end(one);
  }

  enum source : std::size_t { services, slices };
  void init(const rt::world& in, proxy_config config, client::api_actor api) {
    world_ = &in;
    config_ = std::move(config);
    table_.emplace(config_.node);
    dice_ = in.dice.fork("service_proxy");
    retry_ = config_.retry_after;
    const auto me = caf::actor_cast<client::reflected_actor>(rt::strong<proxy_actor>(self_));
    for (const char* path : {"/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices"})
      reflectors_.push_back(client::make_reflector(in, {path, ""}, api, me));
    self_->delayed_send(rt::strong<proxy_actor>(self_), config_.check_every, check_due{});
  }

  proxy_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { see(got.key, got.object); },
        [this](client::object_lost& got) { see(got.key, nullptr, got.object); },
        [this](client::kind_synced) { synced_.insert(client::source_among(self_, reflectors_)), wake(config_.gather_for); },
        [this](write_due) { awake_ = false, write(); },
        [this](check_due) { check(); },
    };
  }

 private:
  void see(const std::string& key, const std::shared_ptr<const json>& object, const std::shared_ptr<const json>& last = nullptr) {
    if (client::source_among(self_, reflectors_) == services) {
      if (object) services_[key] = object;
      else services_.erase(key);
      marked_.insert(key);
    } else {
      // A slice may change whose it is, if only by somebody's hand.
      if (const auto was = owner_.find(key); was != owner_.end()) slices_[was->second].erase(key), marked_.insert(was->second);
      const auto of = key.substr(0, key.find('/') + 1) + text_or(dig(object ? *object : *last, "metadata", "labels", service_label));
      if (object) slices_[of][key] = object, owner_[key] = of;
      else owner_.erase(key);
      if (const auto left = slices_.find(of); left != slices_.end() && left->second.empty()) slices_.erase(left);
      marked_.insert(of);
    }
    wake(config_.gather_for);
  }

  void wake(duration after) {
    // Before all has been seen, the table that an earlier life has left is the better one.
    if (synced_.size() < reflectors_.size() || std::exchange(awake_, true)) return;
    self_->delayed_send(rt::strong<proxy_actor>(self_), after, write_due{});
  }

  void compute() {
    for (const auto& key : std::exchange(marked_, {})) {
      const auto service = services_.find(key);
      slice_list mine;
      if (const auto some = slices_.find(key); some != slices_.end())
        for (const auto& [name, slice] : some->second) mine.push_back(slice);
      table_->set(key, service == services_.end() ? served{} : serve(*service->second, mine, config_.node));
    }
  }

  void write() {
    compute();
    const bool all = mark_ == 0;
    const auto mark = all ? static_cast<std::uint32_t>(1 + dice_.below(0x7ffffffe)) : mark_;
    const auto text = all ? table_->whole(mark) : table_->changes();
    if (text.empty()) return;
    const auto done = world_->filter->apply(text);
    if (!done.ok()) return failed(done.why());
    mark_ = mark;
    retry_ = config_.retry_after;
    if (std::exchange(failing_, false) || (all && !std::exchange(told_, true))) log::info("service_proxy.rules_written", {{"services", services_.size()}, {"bytes", text.size()}});
    forget_flows();
  }

  void forget_flows() {
    const auto lost = table_->take_lost_udp(), found = table_->take_found_udp();
    if (lost.empty() && found.empty()) return;
    if (const auto done = world_->filter->forget_udp({lost.begin(), lost.end()}, {found.begin(), found.end()}); !done.ok())
      log::warn("service_proxy.flows_not_forgotten", {{"why", done.why().note}});
  }

  // What the kernel has now is not known, so the next attempt is about all of it.
  void failed(const error& why) {
    if (!std::exchange(failing_, true)) log::warn("service_proxy.rules_refused", {{"why", why.note}});
    mark_ = 0;
    wake(retry_);
    retry_ = std::min(retry_ * 2, config_.retry_max);
  }

  void check() {
    self_->delayed_send(rt::strong<proxy_actor>(self_), config_.check_every, check_due{});
    if (mark_ == 0) return;
    const auto there = world_->filter->has_element(table::name, table::mark_set, table::mark_text(mark_));
    if (!there.ok() || *there) return;
    log::warn("service_proxy.rules_lost", {{"table", table::name}});
    mark_ = 0;
    wake(config_.gather_for);
  }

  rt::self<proxy_actor> self_;
  const rt::world* world_ = nullptr;
  proxy_config config_;
  std::optional<table> table_;
  rng dice_{0};
  std::vector<client::watcher_actor> reflectors_;
  std::map<std::string, std::shared_ptr<const json>> services_;
  std::map<std::string, std::map<std::string, std::shared_ptr<const json>>> slices_;   ///< By their Service, then by key.
  std::map<std::string, std::string> owner_;                                           ///< A slice's key -> its Service.
  std::set<std::string> marked_;
  std::set<std::size_t> synced_;
  std::uint32_t mark_ = 0;            ///< In the table as we wrote it; 0: it is not what we want.
  duration retry_{};
  bool awake_ = false, failing_ = false, told_ = false;
};

}  // namespace

proxy_actor make_proxy(const rt::world& in, proxy_config config, client::api_actor api) {
  return rt::spawn_slow<proxy_actor, proxy_state>(in, "", in, std::move(config), std::move(api));
}

result<void> remove_table(net::packet_filter& from) {
  const std::string name = table::name;
  return from.apply("add table ip " + name + "\ndelete table ip " + name + "\n");
}

}  // namespace troupe::service_proxy
