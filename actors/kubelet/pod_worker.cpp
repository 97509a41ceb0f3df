#include "actors/kubelet/pod_worker.hpp"

#include "actors/kubelet/ask.hpp"
#include "actors/kubelet/fetch.hpp"
#include "actors/kubelet/pod/events.hpp"
#include "actors/kubelet/pod/plan.hpp"
#include "actors/kubelet/pod/probe.hpp"
#include "actors/kubelet/pod/status.hpp"
#include "actors/kubelet/volumes/writer.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

//  told, looked, woken --> turn: plan --> act --> settled --> look --> turn ...
//                             '--> status, when it changed

namespace troupe::kubelet {
namespace {

constexpr duration image_given_up_after = std::chrono::seconds(1);   // from ErrImagePull to ImagePullBackOff
constexpr duration make_again_after = std::chrono::seconds(10);
constexpr std::size_t message_bytes_max = 4096;

class worker_state {
 public:
  static constexpr const char* name = "pod_worker";
  explicit worker_state(rt::self<worker_actor> self) : self_(self) {}

  void init(const rt::world& in, worker_config config, std::shared_ptr<const json> object, client::api_actor api, cri::runtime_actor runtime, worker_owner_actor owner) {
    world_ = &in;
    config_ = std::move(config);
    api_ = std::move(api);
    runtime_ = std::move(runtime);
    owner_ = std::move(owner);
    retry_ = config_.retry_first;
    events_ = event_book(*object, config_.setup.node);
    wish_ = read_pod(std::move(object));
    present_ = dig(*wish_.object, "status");
    self_->send(rt::strong<worker_actor>(self_), look_due{});
  }

  worker_actor::behavior_type make_behavior() {
    return {
        [this](pod_told& news) { hear(std::move(news.object)); },
        [this](pod_withdrawn) { withdraw(); },
        [this](look_due) { look(); },
        [this](turn_due due) { if (due.number == turns_) turn(); },
        [this](probe_due due) { if (due.number == probe_turns_) probe(); },
        [this](ask_settled& got) { settle_ask(got); },
    };
  }

 private:
  wall_time now() const { return world_->wall->now(); }
  container_memory& of(const std::string& container) { return memory_.containers[container]; }

  void hear(std::shared_ptr<const json> object) {
    auto next = read_pod(std::move(object));
    if (wish_.deleted && !next.deleted) return;   // a deletion is never taken back
    wish_ = std::move(next);
    present_ = dig(*wish_.object, "status");
    overlay();
    turn();
  }
  void withdraw() {
    withdrawn_ = wish_.deleted = true;
    turn();
  }
  /// What we have written last counts, also while the API's news of it is on its way.
  void overlay() {
    if (!sent_.is_object()) return;
    json conditions = dig(present_, "conditions").is_array() ? dig(present_, "conditions") : json::array();
    for (const auto& ours : sent_["conditions"]) {
      bool found = false;
      for (auto& one : conditions)
        if (dig(one, "type") == dig(ours, "type")) one = ours, found = true;
      if (!found) conditions.push_back(ours);
    }
    present_.update(sent_);
    present_["conditions"] = std::move(conditions);
  }

  // --- looking ------------------------------------------------------------------------------------

  template <class Then>
  void perform(cri::request what, Then then) {
    self_->request(runtime_, caf::infinite, cri::perform{std::move(what)})
        .then([then](cri::outcome& got) { then(result<cri::reply>(std::move(got.what))); }, [then](caf::error& why) { then(result<cri::reply>(rt::reason(why))); });
  }

  void look() {
    if (looking_) return void(look_again_ = true);
    looking_ = true;
    perform(cri::look_at_pod{wish_.uid}, [this](result<cri::reply> got) {
      looking_ = false;
      const bool stale = std::exchange(look_again_, false);
      if (got.ok()) see(std::get<port::pod_view>(std::move(*got)));
      else if (!stale) block(got.why());
      if (stale) look();
      else turn();
    });
  }

  void see(port::pod_view view) {
    seen_ = std::move(view);
    looked_ = true;
    for (const auto& c : wish_.containers) adopt(c);
    for (const auto& c : seen_.containers) read_last_words(c);
    std::erase_if(messages_, [&](const auto& one) { return std::none_of(seen_.containers.begin(), seen_.containers.end(), [&](const auto& c) { return c.id == one.first; }); });
    probe();
  }

  struct instance {
    std::string id;
    std::vector<probing> probes;
  };
  /// A new instance of a container begins with fresh probes; what was said of another is forgotten.
  void adopt(const container_wish& c) {
    const auto* last = newest(seen_, c.name);
    auto& known = of(c.name);
    if (!last || last->state != port::container_state::running) {
      instances_.erase(c.name);
      known.started = known.ready = false;
      known.kill_because.clear();
      return;
    }
    auto& at = instances_[c.name];
    if (at.id == last->id) return;
    at = {last->id, {}};
    const bool was_ready = is_known_ready(c.name, last->id);
    if (c.startup) at.probes.emplace_back(probe_kind::startup, *c.startup, last->started_at);
    if (c.liveness) at.probes.emplace_back(probe_kind::liveness, *c.liveness, last->started_at);
    if (c.readiness) at.probes.emplace_back(probe_kind::readiness, *c.readiness, last->started_at);
    known.started = !c.startup || was_ready;
    known.ready = known.started && (!c.readiness || was_ready);
    known.kill_because.clear();
    known.reason.clear();
    known.made_id.clear();
  }
  /// Of a life of ours before this one.
  bool is_known_ready(const std::string& container, const std::string& id) const {
    for (const char* list : {"containerStatuses", "initContainerStatuses"})
      for (const auto& one : dig(present_, list))
        if (text_or(dig(one, "name")) == container) return text_or(dig(one, "containerID")).ends_with(id) && dig(one, "ready") == json(true);
    return false;
  }
  void read_last_words(const port::container& c) {
    if (c.state != port::container_state::exited || messages_.contains(c.id)) return;
    messages_[c.id] = world_->files->read(message_file(config_.setup, wish_.uid, c.name, c.attempt)).value_or("").substr(0, message_bytes_max);
  }

  // --- taking turns -------------------------------------------------------------------------------

  void turn() {
    if (ended_ || !looked_) return;
    std::optional<wall_time> wake = give_up_images();
    const auto sooner = [&](wall_time at) { wake = wake ? std::min(*wake, at) : at; };
    if (now() < blocked_until_) {
      sooner(blocked_until_);
    } else {
      auto next = plan_pod(wish_, seen_, memory_, now());
      for (auto& one : next.now) std::visit([this](auto& what) { act(what); }, one);
      if (next.wake) sooner(*next.wake);
    }
    refresh();
    if (memory_.volumes_ready) sooner(refreshed_at_ + config_.refresh_every);
    write_status();
    self_->send(owner_, pod_seen{wish_.uid, std::make_shared<const port::pod_view>(seen_), shown()});
    ++turns_;
    if (wake) self_->delayed_send(rt::strong<worker_actor>(self_), std::max<duration>(*wake - now(), std::chrono::milliseconds(1)), turn_due{turns_});
  }
  std::shared_ptr<const json> shown() const {
    auto out = std::make_shared<json>(*wish_.object);
    if (sent_.is_object()) (*out)["status"] = present_;
    return out;
  }

  void begin(const std::string& target) { memory_.busy.insert(target); }
  void settle(const std::string& target) {
    memory_.busy.erase(target);
    retry_ = config_.retry_first;
    look();
  }
  /// The runtime refused something that has no wait of its own: not again at once.
  void block(const error& why) {
    log::debug("kubelet.runtime_refused", {{"pod", full_name(wish_)}, {"why", why.text()}});
    blocked_until_ = now() + retry_;
    retry_ = std::min<duration>(retry_ * 2, config_.retry_max);
  }
  void fail(const std::string& target, const error& why) {
    memory_.busy.erase(target);
    block(why);
    look();
  }
  static void slow_down(duration& delay, duration first, duration most) { delay = delay == duration::zero() ? first : std::min(delay * 2, most); }

  // --- volumes and sandbox ------------------------------------------------------------------------

  void act(prepare_volumes&) {
    begin("");
    fetch([this](result<void> went) {
      memory_.busy.erase("");
      if (went.ok()) {
        memory_.volumes_ready = true;
        memory_.volumes_delay = {};
      } else {
        tell(true, "FailedMount", went.why().note);
        slow_down(memory_.volumes_delay, std::chrono::milliseconds(500), std::chrono::minutes(2));
        memory_.volumes_at = now() + memory_.volumes_delay;
      }
      turn();
    });
  }
  void refresh() {
    if (!memory_.volumes_ready || wish_.deleted || refreshing_ || now() < refreshed_at_ + config_.refresh_every) return;
    fetch([](result<void>) {});   // what is there stays when it cannot be brought up to date
  }
  void fetch(std::function<void(result<void>)> then) {
    refreshing_ = true;
    fetch_sources(self_, api_, config_.api_limit, *wish_.object, [this, then](result<pod_sources> got) {
      refreshing_ = false;
      refreshed_at_ = now();
      if (!got.ok()) return then(got.why());
      sources_ = std::move(*got);
      sources_.node = config_.setup.node;
      sources_.node_addresses = config_.setup.addresses;
      sources_.node_cpu_milli = config_.setup.cpu_milli;
      sources_.node_memory_bytes = config_.setup.memory_bytes;
      sources_.pod_addresses = addresses();
      auto planned = plan_volumes(*wish_.object, pod_folder(config_.setup, wish_.uid), sources_);
      if (!planned.ok()) return then(planned.why());
      volumes_ = std::move(*planned);
      then(write_volumes(*world_->files, volumes_));
    });
  }
  std::vector<std::string> addresses() const {
    if (wish_.host_network) return config_.setup.addresses;
    for (const auto& box : seen_.sandboxes)
      if (box.ready) return box.addresses;
    return {};
  }

  void act(start_sandbox& what) {
    begin("");
    box_config_ = make_sandbox_config(wish_, what.attempt, config_.setup);
    perform(cri::run_sandbox{box_config_}, [this](result<cri::reply> got) {
      if (got.ok()) {
        memory_.sandbox_delay = {};
      } else {
        tell(true, "FailedCreatePodSandBox", "Failed to create pod sandbox: " + got.why().note);
        slow_down(memory_.sandbox_delay, std::chrono::seconds(1), std::chrono::seconds(10));
        memory_.sandbox_at = now() + memory_.sandbox_delay;
      }
      settle("");
    });
  }
  void act(end_sandbox& what) {
    begin("");
    perform(cri::stop_sandbox{what.id}, [this, id = what.id](result<cri::reply> got) {
      if (!got.ok()) return fail("", got.why());
      memory_.stopped.insert(id);
      settle("");
    });
  }
  void act(drop_sandbox& what) {
    if (wish_.deleted && writing_) return;   // how it ended is written down before its traces go
    begin("");
    perform(cri::remove_sandbox{what.id}, [this, id = what.id](result<cri::reply> got) {
      if (!got.ok()) return fail("", got.why());
      memory_.stopped.erase(id);
      settle("");
    });
  }

  // --- images -------------------------------------------------------------------------------------

  void act(fetch_image& what) {
    const auto* c = wish_.find(what.container);
    begin(c->name);
    if (c->pull_policy == "Always") return pull(*c);
    perform(cri::find_image{c->image}, [this, name = c->name](result<cri::reply> got) {
      const auto* c = wish_.find(name);
      if (!c) return settle(name);
      if (got.ok()) {
        tell(false, "Pulled", "Container image \"" + c->image + "\" already present on machine", name);
        return have_image(*c, std::get<port::image>(std::move(*got)));
      }
      if (got.code() != errc::not_found) return fail(name, got.why());
      if (c->pull_policy != "Never") return pull(*c);
      image_failed(*c, "ErrImageNeverPull", "Container image \"" + c->image + "\" is not present with pull policy of Never");
    });
  }
  void pull(const container_wish& c) {
    tell(false, "Pulling", "Pulling image \"" + c.image + "\"", c.name);
    perform(cri::pull_image{c.image, {}}, [this, name = c.name](result<cri::reply> got) {
      const auto* c = wish_.find(name);
      if (!c) return settle(name);
      if (!got.ok()) {
        tell(true, "Failed", "Failed to pull image \"" + c->image + "\": " + got.why().note, name);
        return image_failed(*c, "ErrImagePull", got.why().note);
      }
      perform(cri::find_image{c->image}, [this, name](result<cri::reply> found) {
        const auto* c = wish_.find(name);
        if (!c || !found.ok()) return settle(name);
        tell(false, "Pulled", "Successfully pulled image \"" + c->image + "\"", name);
        have_image(*c, std::get<port::image>(std::move(*found)));
      });
    });
  }
  void have_image(const container_wish& c, port::image what) {
    auto& known = of(c.name);
    known.image_id = what.id;
    known.image_delay = {};
    known.reason.clear();
    images_[c.name] = std::move(what);
    settle(c.name);
  }
  void image_failed(const container_wish& c, const std::string& reason, const std::string& why) {
    auto& known = of(c.name);
    slow_down(known.image_delay, backoff_first, backoff_max);
    known.not_before = now() + known.image_delay;
    known.reason = reason;
    known.message = why;
    tell(true, "Failed", "Error: " + reason, c.name);
    image_failed_at_[c.name] = now();
    settle(c.name);
  }
  /// A moment after a failure people are told that it will be tried again. Answers when the next such moment is.
  std::optional<wall_time> give_up_images() {
    std::optional<wall_time> next;
    for (auto& c : wish_.containers) {
      auto& known = of(c.name);
      if (known.reason != "ErrImagePull") continue;
      const auto at = image_failed_at_[c.name] + image_given_up_after;
      if (now() < at) {
        next = at;
        continue;
      }
      known.reason = "ImagePullBackOff";
      known.message = "Back-off pulling image \"" + c.image + "\": ErrImagePull: " + known.message;
      tell(false, "BackOff", "Back-off pulling image \"" + c.image + "\"", c.name);
      tell(true, "Failed", "Error: ImagePullBackOff", c.name);
    }
    return next;
  }

  // --- containers ---------------------------------------------------------------------------------

  void act(make_container& what) {
    const auto* c = wish_.find(what.container);
    begin(c->name);
    if (refreshed_at_ + std::chrono::seconds(1) > now()) return make(*c, what.attempt, what.sandbox);
    // Variables are read when a container is made: what they refer to may have changed since the pod began.
    fetch([this, what](result<void> went) {
      const auto* c = wish_.find(what.container);
      if (!c) return settle(what.container);
      if (!went.ok()) return refuse_config(c->name, "CreateContainerConfigError", went.why().note);
      make(*c, what.attempt, what.sandbox);
    });
  }
  void make(const container_wish& c, std::uint32_t attempt, const std::string& sandbox) {
    sources_.pod_addresses = addresses();
    if (auto put = write_own_files(c, attempt); !put.ok()) return refuse_config(c.name, "CreateContainerConfigError", put.why().note);
    auto config = make_container_config(wish_, c, attempt, images_[c.name], sources_, volumes_, config_.setup);
    if (!config.ok()) return refuse_config(c.name, "CreateContainerConfigError", config.why().note);
    box_config_ = make_sandbox_config(wish_, box_attempt(sandbox), config_.setup);
    perform(cri::create_container{sandbox, std::move(*config), box_config_}, [this, name = c.name](result<cri::reply> got) {
      if (!got.ok() && got.code() == errc::internal) return refuse_config(name, "CreateContainerError", got.why().note);
      if (!got.ok()) return fail(name, got.why());
      auto& known = of(name);
      known.made_id = std::get<std::string>(*got);
      known.reason.clear();
      const auto* c = wish_.find(name);
      if (c && c->pull_policy == "Always") known.image_id.clear();   // the next one asks the registry again
      tell(false, "Created", "Created container: " + name, name);
      settle(name);
    });
  }
  std::uint32_t box_attempt(const std::string& id) const {
    for (const auto& box : seen_.sandboxes)
      if (box.id == id) return box.attempt;
    return 0;
  }
  result<void> write_own_files(const container_wish& c, std::uint32_t attempt) {
    const auto own = wish_.host_network ? world_->files->read("/etc/hosts").value_or("") : std::string();
    if (auto put = world_->files->write(hosts_path(config_.setup, wish_.uid), hosts_text(wish_, addresses(), config_.setup, own), 0644); !put.ok()) return put;
    return world_->files->write(message_file(config_.setup, wish_.uid, c.name, attempt), "", 0666);
  }
  void refuse_config(const std::string& container, const std::string& reason, const std::string& why) {
    auto& known = of(container);
    known.reason = reason;
    known.message = why;
    known.not_before = now() + make_again_after;
    tell(true, "Failed", "Error: " + why, container);
    settle(container);
  }

  void act(begin_container& what) {
    begin(what.container);
    const port::container* before = nullptr;
    for (const auto& c : seen_.containers)
      if (!before && c.name == what.container && c.id != what.id) before = &c;
    count_restart(of(what.container), before, now());
    perform(cri::start_container{what.id}, [this, what](result<cri::reply> got) {
      if (!got.ok() && got.code() != errc::internal) return fail(what.container, got.why());
      if (!got.ok()) {
        auto& known = of(what.container);
        known.reason = "RunContainerError";
        known.message = got.why().note;
        known.not_before = now() + known.restart_delay;
        if (known.restart_delay == duration::zero()) count_restart(known, newest(seen_, what.container), now());
        tell(true, "Failed", "Error: " + got.why().note, what.container);
        return settle(what.container);
      }
      tell(false, "Started", "Started container " + what.container, what.container);
      const auto* c = wish_.find(what.container);
      if (!c || !c->post_start) return settle(what.container);
      run_hook(*c, *c->post_start, what.id, std::chrono::minutes(10), [this, name = what.container](result<void> went) {
        if (!went.ok()) {
          tell(true, "FailedPostStartHook", "PostStartHook failed: " + went.why().note, name);
          settle(name);
          of(name).kill_because = "FailedPostStartHook";
          return;
        }
        settle(name);
      });
    });
  }

  void act(end_container& what) {
    begin(what.container);
    tell(false, "Killing", what.why, what.container);
    const auto* c = wish_.find(what.container);
    const auto stop = [this, what](duration left) {
      perform(cri::stop_container{what.id, left}, [this, name = what.container](result<cri::reply> got) { got.ok() ? settle(name) : fail(name, got.why()); });
    };
    if (!c || !c->pre_stop) return stop(what.grace);
    const auto until = now() + what.grace;
    run_hook(*c, *c->pre_stop, what.id, what.grace, [this, stop, until, name = what.container](result<void> went) {
      if (!went.ok()) tell(true, "FailedPreStopHook", "PreStopHook failed: " + went.why().note, name);
      stop(std::max<duration>(until - now(), std::chrono::seconds(2)));   // upstream's least after a hook
    });
  }
  void act(drop_container& what) {
    begin(what.container);
    perform(cri::remove_container{what.id}, [this, name = what.container](result<cri::reply> got) { got.ok() ? settle(name) : fail(name, got.why()); });
  }
  void act(fail_pod& what) {
    memory_.failure = what.why;
    tell(true, what.why.reason, what.why.message);
    self_->send(rt::strong<worker_actor>(self_), look_due{});
  }

  // --- its end ------------------------------------------------------------------------------------

  void act(pod_gone&) {
    if (writing_) return;
    begin("");
    for (const auto& folder : {pod_folder(config_.setup, wish_.uid), log_folder(config_.setup, wish_)})
      if (auto gone = world_->files->remove_tree(folder); !gone.ok()) log::warn("kubelet.pod_folder_kept", {{"folder", folder}, {"why", gone.why().note}});
    if (withdrawn_ || config_.of_file) return leave();
    const json body{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"gracePeriodSeconds", 0}, {"preconditions", {{"uid", wish_.uid}}}};
    call("DELETE", pod_path(), body, "application/json", [this](const client::api_answer& got) {
      if (got.ok() || got.status == 404 || got.status == 409) return leave();
      fail("", troupe::fail(errc::unavailable, "the pod cannot be deleted: HTTP " + std::to_string(got.status)));
    });
  }
  void leave() {
    ended_ = true;
    self_->send(owner_, pod_ended{wish_.uid});
  }

  // --- hooks and probes ---------------------------------------------------------------------------

  void run_hook(const container_wish& c, const handler_wish& how, const std::string& id, duration limit, std::function<void(result<void>)> then) {
    if (how.what == handler_wish::kind::wait) {
      return wait(std::min(how.wait, limit), std::move(then));
    }
    ask(c, how, id, limit, [then](result<void> went) { then(went); });
  }
  void wait(duration span, std::function<void(result<void>)> then) {
    const auto ticket = ++tickets_;
    asks_[ticket] = std::move(then);
    self_->delayed_send(rt::strong<worker_actor>(self_), span, ask_settled{ticket, true, {}});
  }
  void ask(const container_wish& c, const handler_wish& how, const std::string& id, duration limit, std::function<void(result<void>)> then) {
    if (how.what == handler_wish::kind::exec) {
      return perform(cri::exec_sync{id, how.command, limit}, [then](result<cri::reply> got) {
        if (!got.ok()) return then(got.why());
        const auto& ran = std::get<port::exec_result>(*got);
        if (ran.exit_code == 0) return then({});
        then(troupe::fail(errc::refused, ran.out + ran.err));
      });
    }
    const auto own = addresses();
    const auto number = port_number(c, how.port);
    if (how.what == handler_wish::kind::unsupported || number <= 0 || number > 65535 || (how.host.empty() && own.empty()))
      return then(troupe::fail(errc::invalid, "it cannot be asked: no such port, address or kind of handler"));
    const auto ticket = ++tickets_;
    asks_[ticket] = std::move(then);
    const endpoint at{how.host.empty() ? own.front() : how.host, static_cast<std::uint16_t>(number)};
    ask_over_network(*world_, how, at, limit, [me = rt::strong<worker_actor>(self_), ticket](result<void> went) {
      rt::post(me, ask_settled{ticket, went.ok(), went.ok() ? "" : went.why().note});
    });
  }
  void settle_ask(ask_settled& got) {
    const auto found = asks_.find(got.ticket);
    if (found == asks_.end()) return;
    auto then = std::move(found->second);
    asks_.erase(found);
    then(got.well ? result<void>() : result<void>(troupe::fail(errc::refused, got.why)));
  }

  void probe() {
    std::optional<wall_time> next;
    for (auto& [container, at] : instances_)
      for (std::size_t i = 0; i < at.probes.size(); ++i) {
        auto& p = at.probes[i];
        if (p.asking() || (p.kind() == probe_kind::startup) == of(container).started) continue;   // startup first, then the others
        if (p.due() <= now()) start_probe(container, at, i);
        else if (!next || p.due() < *next) next = p.due();
      }
    ++probe_turns_;
    if (next) self_->delayed_send(rt::strong<worker_actor>(self_), std::max<duration>(*next - now(), std::chrono::milliseconds(1)), probe_due{probe_turns_});
  }
  void start_probe(const std::string& container, instance& at, std::size_t i) {
    const auto* c = wish_.find(container);
    if (!c || memory_.failure) return;
    at.probes[i].begin(now());
    const auto how = at.probes[i].how();
    ask(*c, how.ask, at.id, how.limit, [this, container, id = at.id, i](result<void> went) { settle_probe(container, id, i, went); });
  }
  void settle_probe(const std::string& container, const std::string& id, std::size_t i, const result<void>& went) {
    const auto found = instances_.find(container);
    if (found == instances_.end() || found->second.id != id) return;
    auto& p = found->second.probes[i];
    if (!went.ok() && (went.code() == errc::unavailable || went.code() == errc::outcome_unknown)) p.skip();   // of the runtime, not of the container
    else judge(container, p, went);
    probe();
  }
  void judge(const std::string& container, probing& p, const result<void>& went) {
    if (!went.ok() && !wish_.deleted) tell(true, "Unhealthy", to_string(p.kind()) + " probe failed: " + went.why().note, container);
    if (!p.settle(went.ok(), now())) return;
    auto& known = of(container);
    const auto* c = wish_.find(container);
    if (p.kind() == probe_kind::readiness) known.ready = went.ok();
    else if (!went.ok()) known.kill_because = "Container " + container + " failed " + (p.kind() == probe_kind::startup ? "startup" : "liveness") + " probe, will be restarted", known.kill_grace = p.how().grace;
    else if (p.kind() == probe_kind::startup) known.started = true, known.ready = c && !c->readiness;
    turn();
  }

  // --- telling the API ----------------------------------------------------------------------------

  std::string pod_path() const { return "/api/v1/namespaces/" + wish_.ns + "/pods/" + wish_.name; }
  template <class Then>
  void call(std::string method, std::string path, const json& body, std::string type, Then then) {
    self_->request(api_, config_.api_limit, client::api_call{std::move(method), std::move(path), to_text(body), std::move(type), "", {}})
        .then([then](const client::api_answer& got) { then(got); }, [then](caf::error& why) { then(client::api_answer{0, rt::reason(why).text()}); });
  }
  void tell(bool warning, const std::string& reason, const std::string& message, const std::string& container = {}) {
    if (withdrawn_) return;
    if (auto one = events_.note(warning, reason, message, container, now())) call(one->method, one->path, one->body, one->type, [](const client::api_answer&) {});
  }
  void write_status() {
    if (writing_ || withdrawn_ || now() < write_at_) return;
    host_facts host{config_.setup.addresses, present_, messages_};
    json next = pod_status(wish_, seen_, memory_, host, now());
    if (next == sent_) return;
    writing_ = true;
    sent_ = std::move(next);
    overlay();
    json body{{"status", sent_}};
    if (!config_.of_file) body["metadata"] = {{"uid", wish_.uid}};
    for (const char* list : {"podIPs", "hostIPs"})   // lists that merge: what is not there any more must go
      if (auto& all = body["status"][list]; all.is_array()) all.insert(all.begin(), json{{"$patch", "replace"}});
      else body["status"].erase(list);
    call("PATCH", pod_path() + "/status", body, "application/strategic-merge-patch+json", [this](const client::api_answer& got) {
      writing_ = false;
      if (!got.ok() && got.status != 404 && got.status != 409) sent_ = nullptr, write_at_ = now() + config_.retry_first, blocked_until_ = std::max(blocked_until_, write_at_);
      turn();
    });
  }

  rt::self<worker_actor> self_;
  const rt::world* world_ = nullptr;
  worker_config config_;
  client::api_actor api_;
  cri::runtime_actor runtime_;
  worker_owner_actor owner_;
  pod_wish wish_;
  port::pod_view seen_;
  pod_memory memory_;
  pod_sources sources_;
  std::vector<volume_plan> volumes_;
  port::sandbox_config box_config_;
  event_book events_;
  json present_, sent_;
  std::map<std::string, instance> instances_;
  std::map<std::string, port::image> images_;
  std::map<std::string, wall_time> image_failed_at_;
  std::map<std::string, std::string> messages_;
  std::map<std::uint64_t, std::function<void(result<void>)>> asks_;
  std::uint64_t tickets_ = 0, turns_ = 0, probe_turns_ = 0;
  wall_time blocked_until_{}, refreshed_at_{}, write_at_{};
  duration retry_{};
  bool looked_ = false, looking_ = false, look_again_ = false, writing_ = false, withdrawn_ = false, refreshing_ = false, ended_ = false;
};

}  // namespace

worker_actor make_worker(const rt::world& in, worker_config config, std::shared_ptr<const json> object, client::api_actor api, cri::runtime_actor runtime,
                         worker_owner_actor owner) {
  auto detail = text_or(dig(*object, "metadata", "namespace")) + "/" + text_or(dig(*object, "metadata", "name"));
  return rt::spawn<worker_actor, worker_state>(in, std::move(detail), in, std::move(config), std::move(object), std::move(api), std::move(runtime), std::move(owner));
}

}  // namespace troupe::kubelet
