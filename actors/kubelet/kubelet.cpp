#include "actors/kubelet/kubelet.hpp"

#include "actors/kubelet/pod/events.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::kubelet {
namespace {

class kubelet_state {
 public:
  static constexpr const char* name = "kubelet";
  explicit kubelet_state(rt::self<kubelet_actor> self) : self_(self) {}

  void init(const rt::world& in, kubelet_config config, client::api_actor api, readiness_actor owner) {
    world_ = &in;
    config_ = std::move(config);
    api_ = std::move(api);
    owner_ = std::move(owner);
    delay_ = config_.retry_after;
    dice_ = in.dice.fork("kubelet").fork(config_.facts.name.text);
    events_ = event_book::of_node(config_.facts.name.text);
  }

  kubelet_actor::behavior_type make_behavior() {
    return {
        [this](start_kubelet) { read_node(); },
        [this](register_due) { read_node(); },
        [this](heartbeat_due) { beat(); },
        [this](status_due) { report(); },
        [this](runtime_news& news) { hear_runtime(std::move(news)); },
    };
  }

 private:
  using answer = client::api_answer;

  template <class Then>
  void call(std::string method, std::string path, std::string body, std::string type, Then then) {
    self_->request(api_, config_.api_limit, client::api_call{std::move(method), std::move(path), std::move(body), std::move(type), "", {}})
        .then([then](const answer& got) { then(got); },
              [then](caf::error& why) { then(answer{0, rt::reason(why).text()}); });
  }
  std::string node_path() const { return "/api/v1/nodes/" + config_.facts.name.text; }

  // --- registering ------------------------------------------------------------------------------

  void read_node() {
    call("GET", node_path(), "", "", [this](const answer& got) {
      if (got.ok()) return adopt(got, false);
      if (got.status != 404) return retry("read the Node", got);
      const auto body = to_text(new_node(facts(), world_->wall->now()));
      call("POST", "/api/v1/nodes", body, "application/json", [this](const answer& made) {
        if (made.ok()) adopt(made, true);
        else if (made.status == 409) read_node();
        else retry("create the Node", made);
      });
    });
  }

  void adopt(const answer& node, bool fresh) {
    const auto object = parse_json(node.body);
    // What is left of a Node that was deleted goes soon, and would take us with it.
    if (object.ok() && !dig(*object, "metadata", "deletionTimestamp").is_null()) return retry("register: the Node that has this name is being deleted", node);
    uid_ = object.ok() ? text_or(dig(*object, "metadata", "uid")) : "";
    const json seen = object.ok() ? *object : json();
    call("PATCH", node_path(), to_text(label_patch(config_.facts)), "application/strategic-merge-patch+json", [this, seen, fresh](const answer& got) {
      if (!got.ok()) return retry("label the Node", got);
      say("Starting", "Starting kubelet.");
      const auto boot = text_or(dig(seen, "status", "nodeInfo", "bootID")), ours = facts().machine.boot_id;
      if (!fresh && !boot.empty() && !ours.empty() && boot != ours) say("Rebooted", "Node " + config_.facts.name.text + " has been rebooted, boot id: " + ours, true);
      if (!fresh) said_ = conditions_of(dig(seen, "status"));
      look_at_cordon(seen);
      report();
      beat();
    });
  }

  void retry(const char* what, const answer& got) {
    const std::string why = std::string("cannot ") + what + ": " + (got.status ? "HTTP " + std::to_string(got.status) : got.body);
    tell(false, why);
    const auto spread = static_cast<std::int64_t>(dice_.below(static_cast<std::uint64_t>(delay_.count() / 2) + 1));
    self_->delayed_send(rt::strong<kubelet_actor>(self_), delay_ + duration(spread), register_due{});
    delay_ = std::min<duration>(delay_ * 2, std::chrono::seconds(10));
  }

  void tell(bool ready, const std::string& why) {
    if (ready == ready_ && why == why_) return;
    if (ready) log::info("kubelet.node_ready", {{"node", config_.facts.name.text}});
    else log::warn("kubelet.node_not_ready", {{"node", config_.facts.name.text}, {"why", why}});
    ready_ = ready;
    why_ = why;
    self_->send(owner_, node_readiness{ready, why});
  }

  node_facts& facts() {
    config_.facts.machine = world_->machine->facts(config_.data_folder);
    return config_.facts;
  }

  /// Who has a runtime is Ready when the runtime is; the Node says so at once.
  void hear_runtime(runtime_news news) {
    auto& known = config_.facts.runtime;
    known.version = std::move(news.version);
    known.ready = news.ready;
    known.why = std::move(news.why);
    known.images = parse_json(news.images).value_or(json::array());
    if (uid_.empty()) return;   // not registered yet: the first report tells it
    refresh();
  }

  /// For whoever started us: Ready with the runtime's readiness.
  void tell_runtime() { tell(runtime_ready(config_.facts.runtime), runtime_ready(config_.facts.runtime) ? "" : config_.facts.runtime.why); }

  // --- events -----------------------------------------------------------------------------------

  void say(const std::string& reason, const std::string& message, bool warning = false) {
    auto one = events_.note(warning, reason, message, "", world_->wall->now());
    if (!one) return;
    call(one->method, one->path, to_text(one->body), one->type, [this, path = one->path, anew = std::move(one->anew)](const answer& got) {
      if (got.status == 404 && anew.is_object()) call("POST", path.substr(0, path.rfind('/')), to_text(anew), "application/json", [](const answer&) {});
    });
  }
  void say_status(const std::string& reason) { say(reason, "Node " + config_.facts.name.text + " status is now: " + reason); }

  void look_at_cordon(const json& node) {
    const bool cordoned = dig(node, "spec", "unschedulable") == true;
    if (cordoned != std::exchange(cordoned_, cordoned)) say_status(cordoned ? "NodeNotSchedulable" : "NodeSchedulable");
  }

  // --- staying ----------------------------------------------------------------------------------

  /// Patches, so that what others wrote into the status stays. What turned is told as events once it stands.
  template <class Then>
  void write_status(Then then) {
    const json status = node_status(facts(), world_->wall->now(), said_);
    call("PATCH", node_path() + "/status", to_text(json{{"status", status}}), "application/strategic-merge-patch+json",
         [this, then, after = conditions_of(status)](const answer& got) {
           if (got.ok())
             for (const auto& reason : turns(std::exchange(said_, after), after)) say_status(reason);
           then(got);
         });
  }

  void report() {
    write_status([this](const answer& got) {
      if (got.ok()) {
        delay_ = config_.retry_after;
        tell_runtime();
      } else if (got.status == 404) {
        // Somebody deleted the Node; it comes back with a restart, when the name is claimed anew.
        return tell(false, "the Node was deleted; restart this agent to register again");
      } else {
        tell(false, "cannot write the Node's status: " + (got.status ? "HTTP " + std::to_string(got.status) : got.body));
      }
      self_->delayed_send(rt::strong<kubelet_actor>(self_), got.ok() ? config_.status_every : config_.heartbeat_every, status_due{});
    });
  }

  void beat() {
    self_->delayed_send(rt::strong<kubelet_actor>(self_), config_.heartbeat_every, heartbeat_due{});
    if (++beats_ % 2 == 0) look_around(false);
    const std::string leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    const auto body = to_text(node_lease(config_.facts.name, uid_, world_->wall->now(), config_.lease_life));
    // A patch names no revision, so a renewal is one request and never a conflict.
    call("PATCH", leases + "/" + config_.facts.name.text, body, "application/merge-patch+json", [this, leases, body](const answer& got) {
      if (got.status != 404) return settle_beat(got);
      call("POST", leases, body, "application/json", [this](const answer& made) { settle_beat(made); });
    });
  }

  void settle_beat(const answer& got) {
    if (!got.ok() && !std::exchange(missed_, true))
      log::warn("kubelet.heartbeat_missed", {{"node", config_.facts.name.text}, {"why", got.status ? "HTTP " + std::to_string(got.status) : got.body}});
    if (!got.ok() || !std::exchange(missed_, false)) return;
    log::info("kubelet.heartbeat_resumed", {{"node", config_.facts.name.text}});
    look_around(true);  // the server may have marked us unknown meanwhile: say at once that we are here
  }

  /// Looks whether the Node says what is so: a controller may have declared us gone, or the disk may have filled up.
  void look_around(bool say_anyway) {
    call("GET", node_path(), "", "", [this, say_anyway](const answer& got) {
      if (!got.ok()) return;
      const auto object = parse_json(got.body);
      if (!object.ok()) return;
      look_at_cordon(*object);
      said_ = conditions_of(dig(*object, "status"));
      if (say_anyway || !turns(said_, conditions_of(node_status(facts(), world_->wall->now(), said_))).empty()) refresh();
    });
  }

  void refresh() {
    write_status([this](const answer& got) { if (got.ok()) tell_runtime(); });
  }

  rt::self<kubelet_actor> self_;
  const rt::world* world_ = nullptr;
  kubelet_config config_;
  client::api_actor api_;
  readiness_actor owner_;
  rng dice_{0};
  std::string uid_, why_ = "starting";
  duration delay_{};
  std::uint64_t beats_ = 0;
  bool ready_ = false, missed_ = false, cordoned_ = false;
  known_conditions said_;                 ///< As the Node has them, as far as we know.
  event_book events_;
};

}  // namespace

kubelet_actor make_kubelet(const rt::world& in, kubelet_config config, client::api_actor api, readiness_actor owner) {
  std::string detail = config.facts.name.text;
  return rt::spawn<kubelet_actor, kubelet_state>(in, std::move(detail), in, std::move(config), std::move(api), std::move(owner));
}

}  // namespace troupe::kubelet
