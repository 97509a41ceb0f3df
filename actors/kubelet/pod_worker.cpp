#include "actors/kubelet/pod_worker_state.hpp"

#include <algorithm>

#include "actors/kubelet/logs/last_words.hpp"
#include "actors/kubelet/pod/status.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::kubelet {
namespace {
constexpr std::size_t message_bytes_max = 4096;
}

void worker_state::init(const rt::world& in, std::shared_ptr<const worker_config> config, bool of_file, model::packed object, client::api_actor api, cri::runtime_actor runtime, worker_owner_actor owner) {
  world_ = &in;
  config_ = std::move(config);
  of_file_ = of_file;
  api_ = std::move(api);
  runtime_ = std::move(runtime);
  owner_ = std::move(owner);
  retry_ = config_->retry_first;
  const auto pod = object.read();
  events_ = event_book(pod, config_->setup.node);
  wish_ = read_pod(object);
  present_ = model::packed(dig(pod, "status"));
  self_->send(rt::strong<worker_actor>(self_), look_due{});
}

void worker_state::hear(const model::packed& object) {
  auto next = read_pod(object);
  if (wish_.deleted && !next.deleted) return;   // a deletion is never taken back
  wish_ = std::move(next);
  overlay(dig(object.read(), "status"));
  turn();
}

void worker_state::withdraw() {
  withdrawn_ = wish_.deleted = true;
  turn();
}

/// What the API knows of a life before this one of ours is kept; else our own status counts, and is written.
void worker_state::take_mirror(const json& mirror) {
  has_mirror_ = true;
  if (sent_.is_null() && dig(mirror, "status", "startTime").is_string()) {
    auto object = wish_.object.read();
    object["status"] = dig(mirror, "status");
    wish_ = read_pod(model::packed(object));
    present_ = model::packed(object["status"]);
  }
  sent_ = {};
  turn();
}

void worker_state::overlay(json present) {
  if (sent_.is_null()) return void(present_ = model::packed(present));
  const auto sent = sent_.read();
  json conditions = dig(present, "conditions").is_array() ? dig(present, "conditions") : json::array();
  for (const auto& ours : dig(sent, "conditions")) {
    bool found = false;
    for (auto& one : conditions)
      if (dig(one, "type") == dig(ours, "type")) one = ours, found = true;
    if (!found) conditions.push_back(ours);
  }
  present.update(sent);
  present["conditions"] = std::move(conditions);
  present_ = model::packed(present);
  auto object = wish_.object.read();
  if (dig(object, "status") == present) return;
  object["status"] = std::move(present);
  wish_.object = model::packed(object);
}

// --- looking ---------------------------------------------------------------------------------------------

void worker_state::look() {
  if (looking_) return void(look_again_ = true);
  looking_ = true;
  perform(cri::look_at_pod{wish_.uid}, [this](result<cri::reply> got) {
    looking_ = false;
    const bool stale = std::exchange(look_again_, false);
    blind_ = !got.ok();
    if (got.ok()) see(std::get<port::pod_view>(std::move(*got)));
    else if (!stale) block(got.why());
    if (stale) look();
    else turn();
  });
}

void worker_state::see(port::pod_view view) {
  // Names and notes that were given along are many, and nobody asks for them again.
  for (auto& box : view.sandboxes) box.labels.clear(), box.annotations.clear();
  for (auto& c : view.containers) {
    c.labels.clear();
    std::erase_if(c.annotations, [](const auto& one) { return one.first != annotation_container_hash; });
  }
  seen_ = std::make_shared<const port::pod_view>(std::move(view));
  looked_ = true;
  for (const auto& c : wish_.containers) adopt(c);
  settle_starts();
  for (const auto& c : seen_->containers) read_last_words(c);
  std::erase_if(messages_, [&](const auto& one) { return std::none_of(seen_->containers.begin(), seen_->containers.end(), [&](const auto& c) { return c.id == one.first; }); });
  probe();
}

void worker_state::adopt(const container_wish& c) {
  const auto* last = newest(*seen_, c.name);
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

std::string worker_state::log_path(const port::container& c) const {
  return c.log_path.starts_with('/') ? c.log_path : log_folder(config_->setup, wish_) + "/" + c.name + "/" + std::to_string(c.attempt) + ".log";
}

bool worker_state::is_known_ready(const std::string& container, const std::string& id) const {
  const auto present = present_.read();
  for (const char* list : {"containerStatuses", "initContainerStatuses"})
    for (const auto& one : dig(present, list))
      if (text_or(dig(one, "name")) == container) return text_or(dig(one, "containerID")).ends_with(id) && dig(one, "ready") == json(true);
  return false;
}

void worker_state::read_last_words(const port::container& c) {
  if (c.state != port::container_state::exited || messages_.contains(c.id)) return;
  auto& words = messages_[c.id];
  words = world_->files->read(message_file(config_->setup, wish_.uid, c.name, c.attempt)).value_or("").substr(0, message_bytes_max);
  const auto* wanted = wish_.find(c.name);
  if (words.empty() && c.exit_code != 0 && wanted && wanted->tells_by_log) words = last_words_of_log(*world_->files, log_path(c));
}

// --- taking turns ----------------------------------------------------------------------------------------

void worker_state::turn() {
  if (ended_ || looking_) return;   // what is planned on an old look is done twice
  std::optional<wall_time> wake = give_up_images();
  const auto sooner = [&](wall_time at) { wake = wake ? std::min(*wake, at) : at; };
  if (now() < blocked_until_) {
    sooner(blocked_until_);
  } else if (blind_ || !looked_) {
    return look();
  } else {
    auto next = plan_pod(wish_, *seen_, memory_, now());
    for (auto& one : next.now) std::visit([this](auto& what) { act(what); }, one);
    for (const auto& c : wish_.containers) tell_of_backoff(c);
    if (next.wake) sooner(*next.wake);
  }
  refresh();
  if (memory_.volumes_ready && !refreshing_ && !wish_.deleted) sooner(refreshed_at_ + config_->refresh_every);
  drop_sources(wake);
  write_status();
  if (now() < write_at_) sooner(write_at_);   // an API that is away keeps nothing else waiting
  self_->send(owner_, pod_seen{wish_.uid, seen_, wish_.object});
  ++turns_;
  if (wake) self_->delayed_send(rt::strong<worker_actor>(self_), std::max<duration>(*wake - now(), std::chrono::milliseconds(1)), turn_due{turns_});
}

void worker_state::settle(const std::string& target) {
  memory_.busy.erase(target);
  retry_ = config_->retry_first;
  look();
}

void worker_state::block(const error& why) {
  log::debug("kubelet.runtime_refused", {{"pod", full_name(wish_)}, {"why", why.text()}});
  blocked_until_ = now() + retry_;
  retry_ = std::min<duration>(retry_ * 2, config_->retry_max);
}

void worker_state::fail(const std::string& target, const error& why) {
  memory_.busy.erase(target);
  block(why);
  look();
}

// --- telling the API -------------------------------------------------------------------------------------

void worker_state::tell(bool warning, const std::string& reason, const std::string& message, const std::string& container) {
  if (withdrawn_) return;
  auto one = events_.note(warning, reason, message, container, now());
  if (!one) return;
  if (unsaid_.size() >= config_->events_waiting_max) unsaid_.erase(unsaid_.begin() + (speaking_ ? 1 : 0));
  unsaid_.push_back(std::move(*one));
  speak();
}

void worker_state::speak() {
  if (speaking_ || unsaid_.empty()) return;
  speaking_ = true;
  const auto& one = unsaid_.front();
  call(one.method, one.path, one.body, one.type, [this](const client::api_answer& got) {
    const bool nobody = got.status == 0 || got.status == 429 || got.status >= 500;
    if (nobody && ++unheard_ < config_->event_tries_max) {
      wait(config_->event_again_after, [this](result<void>) { speaking_ = false, speak(); });
    } else {
      auto anew = std::move(unsaid_.front().anew);
      auto path = unsaid_.front().path;
      unheard_ = 0;
      speaking_ = false;
      unsaid_.pop_front();
      // Events go an hour after they were said last: one that is counted later is made once more.
      if (got.status == 404 && anew.is_object()) unsaid_.push_front({"POST", path.substr(0, path.rfind('/')), "application/json", std::move(anew)});
      speak();
    }
    if (wish_.deleted) turn();   // its end may have waited for this
  });
}

void worker_state::settle_starts() {
  for (const auto& c : seen_->containers)
    if (c.state != port::container_state::created && start_unknown_.erase(c.id) > 0) tell(false, "Started", "Started container " + c.name, c.name);
}

void worker_state::tell_of_backoff(const container_wish& c) {
  const auto* last = newest(*seen_, c.name);
  if (!last || last->state != port::container_state::exited || wish_.deleted || memory_.failure || !is_restarted(wish_, c, *last)) return;
  if (!restart_due(of(c.name), *last, now()) || std::exchange(backed_off_[c.name], last->id) == last->id) return;
  tell(true, "BackOff", "Back-off restarting failed container " + c.name + " in pod " + full_name(wish_), c.name);
}

void worker_state::write_status() {
  if (!looked_ || writing_ || withdrawn_ || now() < write_at_) return;
  if (of_file_ && !has_mirror_) return;
  const host_facts host{config_->setup.addresses, present_.read(), messages_};
  json next = pod_status(wish_, *seen_, memory_, host, now());
  model::packed text(next);
  if (text == sent_) return;
  writing_ = true;
  sent_ = std::move(text);
  overlay(host.present);
  json body{{"status", std::move(next)}};
  if (!of_file_) body["metadata"] = {{"uid", wish_.uid}};
  for (const char* list : {"podIPs", "hostIPs"})   // lists that merge: what is not there any more must go
    if (auto& all = body["status"][list]; all.is_array()) all.insert(all.begin(), json{{"$patch", "replace"}});
    else body["status"].erase(list);
  call("PATCH", pod_path() + "/status", body, "application/strategic-merge-patch+json", [this](const client::api_answer& got) {
    writing_ = false;
    if (got.status == 404) has_mirror_ = false;
    if (!got.ok() && got.status != 404 && got.status != 409) sent_ = {}, write_at_ = now() + config_->retry_first;
    turn();
  });
}

worker_actor make_worker(const rt::world& in, std::shared_ptr<const worker_config> config, std::string who, bool of_file, model::packed object, client::api_actor api,
                         cri::runtime_actor runtime, worker_owner_actor owner) {
  return rt::spawn<worker_actor, worker_state>(in, std::move(who), in, std::move(config), of_file, std::move(object), std::move(api), std::move(runtime), std::move(owner));
}

}  // namespace troupe::kubelet
