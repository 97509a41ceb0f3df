#include "actors/kubelet/pod_worker_state.hpp"

#include <algorithm>

#include "actors/kubelet/cgroups/cgroups.hpp"
#include "actors/kubelet/fetch.hpp"
#include "actors/kubelet/images/pull_secrets.hpp"
#include "actors/kubelet/logs/rotation.hpp"
#include "actors/kubelet/volumes/writer.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::kubelet {
namespace {
constexpr duration image_given_up_after = std::chrono::seconds(1);   // from ErrImagePull to ImagePullBackOff
constexpr duration make_again_after = std::chrono::seconds(10);
constexpr duration sources_kept = std::chrono::seconds(1);

void slow_down(duration& delay, duration first, duration most) { delay = delay == duration::zero() ? first : std::min(delay * 2, most); }
}  // namespace

// --- volumes and sandbox ---------------------------------------------------------------------------------

void worker_state::act(prepare_volumes&) {
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

void worker_state::refresh() {
  if (!memory_.volumes_ready || wish_.deleted || refreshing_ || now() < refreshed_at_ + config_->refresh_every) return;
  fetch([this](result<void>) {   // what is there stays when it cannot be brought up to date
    if (memory_.busy.empty()) sources_.reset();
    turn();
  }, false);
}

void worker_state::fetch(std::function<void(result<void>)> then, bool services) {
  refreshing_ = true;
  result<pod_sources> nothing{pod_sources{}};
  if (of_file_) return take_sources(nothing, then);   // it refers to nothing, and no server may be there
  fetch_sources(self_, api_, config_->api_limit, wish_.object.read(), {tokens_.good(now()), services}, [this, then](result<pod_sources> got) { take_sources(got, then); });
}

void worker_state::take_sources(result<pod_sources>& got, const std::function<void(result<void>)>& then) {
  refreshing_ = false;
  refreshed_at_ = now();
  if (wish_.deleted) return then({});   // its folder may be gone already: nothing is put there again
  if (!got.ok()) return then(got.why());
  sources_ = std::move(*got);
  for (const auto& [need, answer] : sources_->granted) tokens_.keep(need, answer, digest_of(wish_.uid), now());
  sources_->granted.clear();
  sources_->node = config_->setup.node;
  sources_->node_addresses = config_->setup.addresses;
  sources_->node_cpu_milli = config_->setup.cpu_milli;
  sources_->node_memory_bytes = config_->setup.memory_bytes;
  sources_->pod_addresses = addresses();
  const auto object = wish_.object.read();
  auto planned = plan_volumes(object, pod_folder(config_->setup, wish_.uid), *sources_);
  if (!planned.ok()) return then(planned.why());
  const auto before = std::exchange(volumes_, std::move(*planned));
  if (auto put = write_volumes(*world_->files, volumes_); !put.ok()) return then(put);
  forget_data(volumes_);
  run_orders(volume_orders(volumes_, before, object, world_->files->read("/proc/self/mountinfo").value_or("")), 0, [this, then](result<void> went) {
    if (!went.ok()) volumes_.clear();   // what was not carried out is ordered again
    then(went.ok() ? went : result<void>(troupe::fail(errc::invalid, "MountVolume.SetUp failed: " + went.why().note)));
  });
}

void worker_state::run_orders(std::vector<command> orders, std::size_t next, std::function<void(result<void>)> then) {
  if (next == orders.size() || !world_->processes) return then({});
  const auto ticket = ++tickets_;
  net::process_order order;
  order.arguments = orders[next];
  const auto program = order.arguments.front();
  auto begun = world_->processes->start(std::move(order), [](std::string) {}, [me = rt::strong<worker_actor>(self_), ticket, program](net::process_end how) {
    const bool well = how.status == 0 && how.signal == 0;
    rt::post(me, ask_settled{ticket, well, well ? "" : how.last_lines.empty() ? program + " failed" : how.last_lines.back()});
  });
  if (!begun.ok()) return then(begun.why());
  asks_[ticket] = [this, orders = std::move(orders), next, then](result<void> went) {
    order_.reset();
    if (!went.ok()) return then(went);
    run_orders(orders, next + 1, then);
  };
  order_ = std::move(*begun);
}

void worker_state::drop_sources(std::optional<wall_time>& wake) {
  if (!sources_ || refreshing_ || !memory_.busy.empty()) return;
  const auto at = refreshed_at_ + sources_kept;
  if (now() >= at) sources_.reset();
  else wake = wake ? std::min(*wake, at) : at;
}

std::vector<std::string> worker_state::addresses() const {
  if (wish_.host_network) return config_->setup.addresses;
  for (const auto& box : seen_->sandboxes)
    if (box.ready) return box.addresses;
  return {};
}

void worker_state::act(start_sandbox& what) {
  begin("");
  // What is less than a pod asks for is not put in its place.
  if (wish_.own_users) return refuse_sandbox("FailedCreatePodSandBox", "Failed to create pod sandbox: this version of troupe has no user namespaces for pods (hostUsers: false)");
  if (wish_.runtime_class.empty()) return run_sandbox(what.attempt, {});
  call("GET", "/apis/node.k8s.io/v1/runtimeclasses/" + wish_.runtime_class, nullptr, "", [this, attempt = what.attempt](const client::api_answer& got) {
    const auto found = parse_json(got.body);
    const auto handler = got.ok() && found.ok() ? text_or(dig(*found, "handler")) : std::string();
    if (!handler.empty()) return run_sandbox(attempt, handler);
    refuse_sandbox("FailedCreatePodSandBox", "Failed to create pod sandbox: " + (got.status == 404 ? "RuntimeClass \"" + wish_.runtime_class + "\" not found"
                                                                                                 : "RuntimeClass \"" + wish_.runtime_class + "\" cannot be read: " + got.body.substr(0, 200)));
  });
}

void worker_state::run_sandbox(std::uint32_t attempt, const std::string& handler) {
  run_orders(cgroup_orders(wish_, config_->setup, look_at_cgroups(*world_->files)), 0, [this, attempt, handler](result<void> went) {
    if (!went.ok()) return refuse_sandbox("FailedCreatePodContainer", "unable to ensure pod container exists: " + went.why().note);
    auto config = make_sandbox_config(wish_, attempt, config_->setup);
    config.handler = handler;
    perform(cri::run_sandbox{std::move(config)}, [this](result<cri::reply> got) {
      if (!got.ok()) return refuse_sandbox("FailedCreatePodSandBox", "Failed to create pod sandbox: " + got.why().note);
      memory_.sandbox_delay = {};
      settle("");
    });
  });
}

void worker_state::refuse_sandbox(const std::string& reason, const std::string& why) {
  tell(true, reason, why);
  slow_down(memory_.sandbox_delay, std::chrono::seconds(1), std::chrono::seconds(10));
  memory_.sandbox_at = now() + memory_.sandbox_delay;
  settle("");
}

void worker_state::act(end_sandbox& what) {
  begin("");
  perform(cri::stop_sandbox{what.id}, [this, id = what.id](result<cri::reply> got) {
    if (!got.ok()) return fail("", got.why());
    memory_.stopped.insert(id);
    settle("");
  });
}

void worker_state::act(drop_sandbox& what) {
  if (wish_.deleted && writing_) return;   // how it ended is written down before its traces go
  begin("");
  perform(cri::remove_sandbox{what.id}, [this, id = what.id](result<cri::reply> got) {
    if (!got.ok()) return fail("", got.why());
    memory_.stopped.erase(id);
    settle("");
  });
}

// --- images ----------------------------------------------------------------------------------------------

void worker_state::act(fetch_image& what) {
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

void worker_state::pull(const container_wish& c) {
  tell(false, "Pulling", "Pulling image \"" + c.image + "\"", c.name);
  if (!dig(wish_.object.read(), "spec", "imagePullSecrets").is_array()) return pull_as(c.name, {}, 0);
  // A secret may have come since the last try.
  fetch([this, name = c.name](result<void>) {
    const auto* c = wish_.find(name);
    if (!c || wish_.deleted) return settle(name);
    auto with = logins_for(c->image, wish_.object.read(), sources_.value_or(pod_sources{}));
    std::string missing;
    for (const auto& one : with.missing) missing += (missing.empty() ? "" : ", ") + one;
    if (!missing.empty()) tell(true, "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (" + missing + "); attempting to pull the image may not succeed.");
    pull_as(name, std::move(with.logins), 0);
  });
}

void worker_state::pull_as(const std::string& container, std::vector<port::registry_login> logins, std::size_t next) {
  const auto* c = wish_.find(container);
  if (!c) return settle(container);
  const auto login = next < logins.size() ? logins[next] : port::registry_login{};
  perform(cri::pull_image{c->image, login}, [this, name = container, logins = std::move(logins), next](result<cri::reply> got) {
    const auto* c = wish_.find(name);
    if (!c) return settle(name);
    if (!got.ok() && next + 1 < logins.size()) return pull_as(name, logins, next + 1);
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

void worker_state::have_image(const container_wish& c, port::image what) {
  auto& known = of(c.name);
  known.image_id = what.id;
  known.image_delay = {};
  known.reason.clear();
  images_[c.name] = std::move(what);
  settle(c.name);
}

void worker_state::image_failed(const container_wish& c, const std::string& reason, const std::string& why) {
  auto& known = of(c.name);
  slow_down(known.image_delay, backoff_first, backoff_max);
  known.not_before = now() + known.image_delay;
  known.reason = reason;
  known.message = why;
  tell(true, "Failed", "Error: " + reason, c.name);
  image_failed_at_[c.name] = now();
  settle(c.name);
}

std::optional<wall_time> worker_state::give_up_images() {
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

// --- containers ------------------------------------------------------------------------------------------

void worker_state::act(make_container& what) {
  const auto* c = wish_.find(what.container);
  begin(c->name);
  if (sources_ && sources_->knows_services && refreshed_at_ + sources_kept > now()) return make(*c, what.attempt, what.sandbox);
  // Variables are read when a container is made: what they refer to may have changed since the pod began.
  fetch([this, what](result<void> went) {
    const auto* c = wish_.find(what.container);
    if (!c || wish_.deleted) return settle(what.container);
    if (!went.ok()) return refuse_config(c->name, "CreateContainerConfigError", went.why().note);
    make(*c, what.attempt, what.sandbox);
  });
}

void worker_state::make(const container_wish& c, std::uint32_t attempt, const std::string& sandbox) {
  sources_->pod_addresses = addresses();
  if (auto put = write_own_files(c, attempt); !put.ok()) return refuse_config(c.name, "CreateContainerConfigError", put.why().note);
  auto config = make_container_config(wish_, c, attempt, images_[c.name], *sources_, volumes_, config_->setup);
  if (!config.ok()) return refuse_config(c.name, "CreateContainerConfigError", config.why().note);
  if (const auto target = text_or(dig(c.spec.read(), "targetContainerName")); !target.empty()) {
    const auto* in = newest(*seen_, target);
    if (!in || in->state != port::container_state::running) return refuse_config(c.name, "CreateContainerConfigError", "container \"" + target + "\", whose processes it shall see, is not running");
    config->with.spaces.pid = port::sharing::target;
    config->with.spaces.target = in->id;
  }
  perform(cri::create_container{sandbox, std::move(*config), make_sandbox_config(wish_, box_attempt(sandbox), config_->setup)}, [this, name = c.name](result<cri::reply> got) {
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

std::uint32_t worker_state::box_attempt(const std::string& id) const {
  for (const auto& box : seen_->sandboxes)
    if (box.id == id) return box.attempt;
  return 0;
}

result<void> worker_state::write_own_files(const container_wish& c, std::uint32_t attempt) {
  const auto own = wish_.host_network ? world_->files->read("/etc/hosts").value_or("") : std::string();
  if (auto put = world_->files->write(hosts_path(config_->setup, wish_.uid), hosts_text(wish_, addresses(), config_->setup, own), 0644); !put.ok()) return put;
  return world_->files->write(message_file(config_->setup, wish_.uid, c.name, attempt), "", 0666);
}

void worker_state::refuse_config(const std::string& container, const std::string& reason, const std::string& why) {
  auto& known = of(container);
  known.reason = reason;
  known.message = why;
  known.not_before = now() + make_again_after;
  known.image_id.clear();   // it may be the image that is gone
  tell(true, "Failed", "Error: " + why, container);
  settle(container);
}

void worker_state::act(begin_container& what) {
  begin(what.container);
  const port::container* before = nullptr;
  for (const auto& c : seen_->containers)
    if (!before && c.name == what.container && c.id != what.id) before = &c;
  count_restart(of(what.container), before, now());
  perform(cri::start_container{what.id}, [this, what](result<cri::reply> got) {
    if (!got.ok() && got.code() != errc::internal) return start_unknown_.insert(what.id), fail(what.container, got.why());
    if (!got.ok()) {
      auto& known = of(what.container);
      known.reason = "RunContainerError";
      known.message = got.why().note;
      known.not_before = now() + known.restart_delay;
      if (known.restart_delay == duration::zero()) count_restart(known, newest(*seen_, what.container), now());
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

void worker_state::act(end_container& what) {
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

void worker_state::act(drop_container& what) {
  begin(what.container);
  std::string log;
  for (const auto& c : seen_->containers)
    if (c.id == what.id) log = log_path(c);
  perform(cri::remove_container{what.id}, [this, name = what.container, log](result<cri::reply> got) {
    if (!got.ok()) return fail(name, got.why());
    if (!log.empty()) remove_logs(*world_->files, log);
    settle(name);
  });
}

void worker_state::act(fail_pod& what) {
  memory_.failure = what.why;
  tell(true, what.why.reason, what.why.message);
  self_->send(rt::strong<worker_actor>(self_), look_due{});
}

// --- its end ---------------------------------------------------------------------------------------------

void worker_state::act(pod_gone&) {
  if (writing_ || (!unsaid_.empty() && unheard_ == 0)) return;   // what was told of it is told before it goes
  begin("");
  std::vector<command> unmount;
  for (const auto& at : mounts_below(world_->files->read("/proc/self/mountinfo").value_or(""), pod_folder(config_->setup, wish_.uid))) unmount.push_back({"umount", at});
  run_orders(std::move(unmount), 0, [this](result<void> went) {
    if (!went.ok()) return fail("", went.why());
    bury();
  });
}

void worker_state::bury() {
  for (const auto& folder : {pod_folder(config_->setup, wish_.uid), log_folder(config_->setup, wish_)})
    if (auto gone = world_->files->remove_tree(folder); !gone.ok()) log::warn("kubelet.pod_folder_kept", {{"folder", folder}, {"why", gone.why().note}});
  if (withdrawn_ || of_file_) return leave();
  const json body{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"gracePeriodSeconds", 0}, {"preconditions", {{"uid", wish_.uid}}}};
  call("DELETE", pod_path(), body, "application/json", [this](const client::api_answer& got) {
    if (got.ok() || got.status == 404 || got.status == 409) return leave();
    fail("", troupe::fail(errc::unavailable, "the pod cannot be deleted: HTTP " + std::to_string(got.status)));
  });
}

void worker_state::leave() {
  ended_ = true;
  self_->send(owner_, pod_ended{wish_.uid});
}

}  // namespace troupe::kubelet
