#include "actors/scheduler/scheduler.hpp"

#include <map>
#include <set>

#include "actors/client/clients.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "actors/scheduler/preempt.hpp"
#include "actors/scheduler/score.hpp"
#include "basis/log.hpp"

namespace troupe::scheduler {
namespace {

constexpr std::size_t kinds_followed = 3;
constexpr const char* component = "default-scheduler";
constexpr const char* as_json = "application/json";
constexpr const char* as_merge = "application/merge-patch+json";
constexpr const char* as_strategic = "application/strategic-merge-patch+json";

// node or pod changes -> ledger, queue -> round: pop, choose, assume, POST binding -> confirmed by the pod's change.
//                                                     none fits -> who would have to go? -> nominated, victims deleted -> again.
class scheduler_state {
 public:
  static constexpr const char* name = "scheduler";
  explicit scheduler_state(rt::self<scheduler_actor> self) : self_(self) {}
  ~scheduler_state() { rt::end(nodes_), rt::end(pods_), rt::end(budgets_); }

  void init(const rt::world& in, scheduler_config config, client::api_actor api) {
    world_ = &in;
    config_ = config;
    told_ = model::event_counter(config.told_max);
    queue_ = queue(config.queue);
    api_ = std::move(api);
    dice_ = in.dice.fork("scheduler");
    auto me = caf::actor_cast<client::reflected_actor>(rt::strong<scheduler_actor>(self_));
    nodes_ = client::make_reflector(in, {"/api/v1/nodes", ""}, api_, me);
    pods_ = client::make_reflector(in, {"/api/v1/pods", ""}, api_, me);
    budgets_ = client::make_reflector(in, {"/apis/policy/v1/poddisruptionbudgets", ""}, api_, me);
  }

  scheduler_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { see(got); },
        [this](client::object_lost& got) { lose(got); },
        [this](client::kind_synced) { synced(); },
        [this](round_due) { due_ = false, round(); },
    };
  }

 private:
  static bool is_pod(const std::string& key) { return key.find('/') != std::string::npos; }
  bool from_budgets() const {
    const auto sender = self_->current_sender();
    return sender && sender->id() == caf::actor_cast<caf::strong_actor_ptr>(budgets_)->id();
  }

  void synced() {
    if (const auto sender = self_->current_sender()) synced_.insert(sender->id());
    soon();
  }

  void see(const client::object_seen& got) {
    if (from_budgets()) {
      kept_[got.key] = read_budget(*got.object);
      return;
    }
    if (is_pod(got.key)) return see_pod(got.key, got.object);
    all_.put_node(*got.object);
    queue_.wake();
    soon();
  }

  void see_pod(const std::string& key, const std::shared_ptr<const json>& object) {
    auto facts = read_pod(*object);
    const auto known = objects_.find(key);
    const bool other = known != objects_.end() && known->second.facts->uid != facts->uid;
    if (other) gone(key);
    if (facts->ours) {
      // What was assumed stays until the API has spoken; then the pod comes bound.
      if (!assumed_.contains(key)) queue_.add(key, facts->priority), all_.nominate(facts, facts->nominated);
      objects_[key] = {facts, object};
      return soon();
    }
    queue_.forget(key);
    assumed_.erase(key);
    all_.nominate(facts, "");
    const bool freed = facts->ended && !all_.place_of(key).empty();
    if (facts->node.empty()) all_.drop_pod(key);
    else all_.put_pod(facts, facts->node);
    objects_[key] = {facts, nullptr};
    if (freed || facts->leaving) help();
  }

  void lose(const client::object_lost& got) {
    if (from_budgets()) {
      kept_.erase(got.key);
      return;
    }
    if (!is_pod(got.key)) return all_.drop_node(got.key);
    gone(got.key);
    help();
  }

  void gone(const std::string& key) {
    if (const auto known = objects_.find(key); known != objects_.end()) {
      all_.nominate(known->second.facts, "");
      sent_away_.erase(known->second.facts->uid);
    }
    all_.drop_pod(key);
    queue_.forget(key);
    assumed_.erase(key);
    objects_.erase(key);
  }

  /// Somebody made room, or somebody to be near to: who waits may fit now.
  void help() {
    queue_.wake();
    soon();
  }

  void soon() {
    if (synced_.size() < kinds_followed) return;
    const auto now = world_->shard->now();
    const auto at = queue_.due(now);
    if (!at) return;
    if (*at <= now) {
      if (!std::exchange(due_, true)) self_->send(rt::strong<scheduler_actor>(self_), round_due{});
      return;
    }
    if (timer_ <= now || *at < timer_) {   // one tick outstanding, unless an earlier one is needed
      timer_ = *at;
      self_->delayed_send(rt::strong<scheduler_actor>(self_), *at - now, round_due{});
    }
  }

  void round() {
    if (synced_.size() < kinds_followed) return;
    for (std::size_t i = 0; i < config_.round_max && in_flight_ < config_.in_flight_max; ++i) {
      const auto key = queue_.pop(world_->shard->now());
      if (!key) break;
      const auto found = objects_.find(*key);
      if (found == objects_.end() || !found->second.facts->ours) {
        queue_.forget(*key);
        continue;
      }
      place(*key, found->second);
    }
    if (in_flight_ < config_.in_flight_max) soon();   // else an answer goes on
  }

  struct known_pod { pod_ptr facts; std::shared_ptr<const json> object; };

  void place(const std::string& key, const known_pod& pod) {
    auto chosen = choose_node(*pod.facts, all_, begin_, dice_);
    begin_ = chosen.next;
    if (chosen.node.empty()) {
      make_room(key, pod, chosen.refused);
      return queue_.aside(key, world_->shard->now());
    }
    assumed_.insert(key);
    all_.put_pod(pod.facts, chosen.node);
    bind(key, pod, chosen.node);
  }

  void bind(const std::string& key, const known_pod& pod, const std::string& node) {
    ++in_flight_;
    const json binding{{"apiVersion", "v1"}, {"kind", "Binding"},
                       {"metadata", {{"name", pod.facts->name}, {"namespace", pod.facts->ns}, {"uid", pod.facts->uid}}},
                       {"target", {{"apiVersion", "v1"}, {"kind", "Node"}, {"name", node}}}};
    call("POST", pod_path(*pod.facts) + "/binding", binding, as_json, [this, key, pod, node](const client::api_answer& got) {
      --in_flight_;
      if (got.ok()) {
        queue_.forget(key);
        say(*pod.object, {"Normal", "Scheduled", "Successfully assigned " + key + " to " + node, component});
      } else {
        refused(key, pod, got);
      }
      round();
    });
  }

  /// Nobody knows whether it happened: what the API says of the pod now decides.
  void refused(const std::string& key, const known_pod& pod, const client::api_answer& got) {
    const auto current = objects_.find(key);
    if (current == objects_.end() || current->second.facts->uid != pod.facts->uid || !current->second.facts->ours) return;
    log::info("scheduler.binding_failed", {{"pod", key}, {"status", got.status}, {"why", got.body.substr(0, 200)}});
    call("GET", pod_path(*pod.facts), nullptr, as_json, [this, key, uid = pod.facts->uid](const client::api_answer& now) {
      const auto found = objects_.find(key);
      if (found == objects_.end() || found->second.facts->uid != uid || !found->second.facts->ours) return;
      const auto object = parse_json(now.body);
      const bool same = now.ok() && object.ok() && text_or(dig(*object, "metadata", "uid")) == uid;
      if (same && !text_or(dig(*object, "spec", "nodeName")).empty()) return queue_.forget(key);   // the change is on its way
      assumed_.erase(key);
      all_.drop_pod(key);
      queue_.again(key, world_->shard->now());
      soon();
    });
  }

  // --- making room -----------------------------------------------------------------------------

  void make_room(const std::string& key, const known_pod& pod, const tally& refused) {
    const auto& was = all_.nominated(key);
    if (!pod.facts->preempts) return tell_failure(pod, refused.reasons_text() + " preemption: not eligible due to preemptionPolicy=Never.", was);
    if (room_is_being_made(*pod.facts)) return tell_failure(pod, refused.reasons_text() + " preemption: not eligible due to terminating pod on the nominated node.", was);
    const auto found = refused.hopeless < refused.nodes ? find_sacrifice(*pod.facts, all_, kept_, begin_) : std::nullopt;
    if (!found) return tell_failure(pod, refused.text(), "");
    log::info("scheduler.room_made", {{"pod", key}, {"node", found->node}, {"victims", found->victims.size()}});
    tell_failure(pod, refused.reasons_text(), found->node);
    for (const auto& victim : found->victims)
      if (!victim->leaving && sent_away_.insert(victim->uid).second) send_away(*victim, *pod.facts, found->node);
    // Who is less important and was promised this room looks for another.
    const auto* there = all_.nominees(found->node);
    std::vector<pod_ptr> later;
    for (const auto& [other, facts] : there ? *there : std::map<std::string, pod_ptr>{})
      if (facts->priority < pod.facts->priority) later.push_back(facts);
    for (const auto& other : later) promise(*other, "");
    for (const auto& other : later) all_.nominate(other, "");
    all_.nominate(pod.facts, found->node);
    if (!later.empty()) queue_.wake();
  }

  bool room_is_being_made(const pod_facts& pod) const {
    const auto at = all_.nodes().find(all_.nominated(pod.key));
    if (at == all_.nodes().end()) return false;
    for (const auto& [key, other] : at->second.pods)
      if (other->priority < pod.priority && (other->leaving || sent_away_.contains(other->uid))) return true;
    return false;
  }

  void send_away(const pod_facts& victim, const pod_facts& by, const std::string& node) {
    const json about{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", {{"name", victim.name}, {"namespace", victim.ns}, {"uid", victim.uid}, {"resourceVersion", victim.version}}}};
    const json why{{"type", "DisruptionTarget"}, {"status", "True"}, {"reason", "PreemptionByScheduler"},
                   {"message", "default-scheduler: preempting to accommodate a higher priority pod"}, {"lastTransitionTime", to_rfc3339(world_->wall->now())}};
    const auto path = pod_path(victim);
    call("PATCH", path + "/status", {{"metadata", {{"uid", victim.uid}}}, {"status", {{"conditions", json::array({why})}}}}, as_strategic,
         [this, about, path, uid = victim.uid, words = "Preempted by pod " + by.uid + " on node " + node](const client::api_answer&) {
           const json only{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"preconditions", {{"uid", uid}}}};
           call("DELETE", path, only, as_json, [this, about, uid, words](const client::api_answer& got) {
             if (got.ok()) return say(about, {"Normal", "Preempted", words, component});
             sent_away_.erase(uid);   // gone already, or it is chosen again
             if (got.status == 404 || got.status == 409) return;
             log::info("scheduler.victim_stays", {{"pod", path_name(about)}, {"status", got.status}, {"why", got.body.substr(0, 200)}});
             help();
           });
         });
  }
  static std::string path_name(const json& about) { return text_or(dig(about, "metadata", "namespace")) + "/" + text_or(dig(about, "metadata", "name")); }

  void promise(const pod_facts& pod, const std::string& node) {
    const json patch{{"metadata", {{"uid", pod.uid}}}, {"status", {{"nominatedNodeName", node.empty() ? json() : json(node)}}}};
    call("PATCH", pod_path(pod) + "/status", patch, as_merge, [](const client::api_answer&) {});
  }

  /// `node`: where room is kept for it from now on, or "".
  void tell_failure(const known_pod& pod, const std::string& why, const std::string& node) {
    say(*pod.object, {"Warning", "FailedScheduling", why, component});
    json status = json::object();
    const auto& said = dig(*pod.object, "status", "conditions");
    const bool known = std::any_of(said.begin(), said.end(), [&](const json& each) { return dig(each, "type") == "PodScheduled" && dig(each, "message") == why; });
    if (!known)
      status["conditions"] = json::array({{{"type", "PodScheduled"}, {"status", "False"}, {"reason", "Unschedulable"}, {"message", why},
                                           {"lastTransitionTime", to_rfc3339(world_->wall->now())}}});
    if (node != pod.facts->nominated) status["nominatedNodeName"] = node.empty() ? json() : json(node);
    if (node.empty()) all_.nominate(pod.facts, "");
    if (status.empty()) return;
    call("PATCH", pod_path(*pod.facts) + "/status", {{"metadata", {{"uid", pod.facts->uid}}}, {"status", status}}, as_strategic, [](const client::api_answer&) {});
  }

  void say(const json& object, const model::event_words& words) {
    client::say_event(told_.say(object, words, world_->wall->now()), [this](auto&&... how) { call(how...); });
  }

  static std::string pod_path(const pod_facts& pod) { return "/api/v1/namespaces/" + pod.ns + "/pods/" + pod.name; }

  template <class Then>
  void call(std::string method, std::string path, const json& body, const char* type, Then then) {
    client::api_call what{std::move(method), std::move(path), body.is_null() ? "" : to_text(body), type, "", {}};
    self_->request(api_, caf::infinite, std::move(what))
        .then([then](const client::api_answer& got) { then(got); },
              [then](caf::error& why) { then(client::api_answer{0, rt::reason(why).text()}); });
  }

  rt::self<scheduler_actor> self_;
  const rt::world* world_ = nullptr;
  scheduler_config config_;
  client::api_actor api_;
  client::watcher_actor nodes_, pods_, budgets_;
  std::set<caf::actor_id> synced_;
  ledger all_;
  queue queue_;
  budgets kept_;
  std::set<std::string> sent_away_;            ///< Victims by uid, until they are gone.
  std::map<std::string, known_pod> objects_;   ///< The object itself only while it has no node.
  std::set<std::string> assumed_;
  model::event_counter told_;
  std::size_t in_flight_ = 0, begin_ = 0;
  bool due_ = false;
  mono_time timer_{};
  rng dice_{0};
};

}  // namespace

scheduler_actor make_scheduler(const rt::world& in, scheduler_config config, client::api_actor api) {
  return rt::spawn<scheduler_actor, scheduler_state>(in, "", in, config, std::move(api));
}

}  // namespace troupe::scheduler
