#include "actors/kubelet/roll.hpp"

#include <algorithm>
#include <deque>

#include "actors/client/clients.hpp"
#include "actors/kubelet/serving/answers.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::kubelet {
namespace {

namespace port = net::cri;
constexpr duration stream_limit = std::chrono::seconds(10);
constexpr std::size_t sweepers_max = 16;   // processes that remove the cgroup folders of pods that went
// Hierarchies of version 1, and the root of version 2.
constexpr const char* hierarchies[] = {"", "/unified", "/systemd", "/memory", "/cpu", "/cpuacct", "/cpu,cpuacct", "/cpuset", "/pids", "/devices", "/freezer",
                                       "/blkio", "/net_cls", "/net_prio", "/net_cls,net_prio", "/perf_event", "/hugetlb", "/rdma", "/misc"};

class roll_state {
 public:
  static constexpr const char* name = "roll";
  explicit roll_state(rt::self<roll_actor> self) : self_(self) {}

  void init(const rt::world& in, roll_config config, client::api_actor api, cri::runtime_actor runtime, kubelet_actor node) {
    world_ = &in;
    config_ = std::move(config);
    worker_ = std::make_shared<const worker_config>(config_.worker);
    api_ = std::move(api);
    runtime_ = std::move(runtime);
    node_ = std::move(node);
    client::reflector_config follow{"/api/v1/pods", "fieldSelector=spec.nodeName%3D" + config_.worker.setup.node, false, client::keeping::names};
    reflector_ = client::make_reflector(in, std::move(follow), api_, caf::actor_cast<client::reflected_actor>(rt::strong<roll_actor>(self_)));
    filed_ = config_.manifests_folder.empty();
    if (!filed_) {
      static_config files{config_.manifests_folder, config_.worker.setup.node};
      keeper_ = make_static_keeper(in, std::move(files), api_, caf::actor_cast<manifests_owner_actor>(rt::strong<roll_actor>(self_)));
    }
    again();
  }
  ~roll_state() {
    if (keeper_) rt::end(keeper_);
    if (reflector_) rt::end(reflector_);
    for (auto& [uid, one] : pods_) rt::end(one.worker);
  }

  roll_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& news) { see(news); },
        [this](client::object_lost& news) { lose(*news.object); },
        [this](client::kind_synced) { sync(); },
        [this](pod_seen& news) { record(news); },
        [this](pod_ended& who) { strike(who.uid); },
        [this](relist_due) { relist(); },
        [this](cri::runtime_up& news) { rise(news.version); },
        [this](cri::runtime_down& news) { fall(news.why); },
        [this](manifests_read& news) { hear_files(news); },
        [this](find_log& ask) { return find(ask); },
        [this](open_pod_stream& ask) { return open(ask); },
        [this](list_pods) { return list(); },
        [this](read_stats) { return stats(); },
    };
  }

 private:
  struct entry {
    std::string key() const { return known.ns + "/" + known.name; }
    worker_actor worker;
    pod_record known;
    bool of_file = false;    ///< A static pod.
    std::string trace;       ///< Of what the runtime had of it: who is told to look when it changes.
  };
  template <class Then>
  void perform(cri::request what, Then then) {
    self_->request(runtime_, caf::infinite, cri::perform{std::move(what)})
        .then([then](cri::outcome& got) { then(result<cri::reply>(std::move(got.what))); }, [then](caf::error& why) { then(result<cri::reply>(rt::reason(why))); });
  }
  static std::string uid_of(const json& object) { return text_or(dig(object, "metadata", "uid")); }

  // --- who is there -------------------------------------------------------------------------------

  void see(client::object_seen& news) {
    const auto uid = uid_of(*news.object);
    if (is_mirror(*news.object)) return see_mirror(news.object);
    // One name, another pod: the former one ends by itself.
    for (auto& [other, one] : pods_)
      if (other != uid && !one.of_file && one.key() == news.key) self_->send(one.worker, pod_withdrawn{});
    if (const auto found = pods_.find(uid); found != pods_.end()) {
      auto& known = found->second.known;
      known.object = model::packed(*news.object);
      known.deleted = is_deleted(*news.object);
      return self_->send(found->second.worker, pod_told{known.object});
    }
    admit(uid, *news.object);
  }
  static bool is_deleted(const json& object) { return dig(object, "metadata", "deletionTimestamp").is_string(); }
  entry& admit(const std::string& uid, const json& object, bool of_file = false) {
    const auto ns = text_or(dig(object, "metadata", "namespace")), pod = text_or(dig(object, "metadata", "name"));
    const model::packed kept(object);
    auto worker = make_worker(*world_, worker_, ns + "/" + pod, of_file, kept, api_, runtime_, caf::actor_cast<worker_owner_actor>(rt::strong<roll_actor>(self_)));
    return pods_.emplace(uid, entry{std::move(worker), {uid, ns, pod, is_deleted(object), kept, nullptr}, of_file, {}}).first->second;
  }
  // --- static pods: what files ask for, and their mirrors in the API --------------------------------

  static bool is_mirror(const json& object) { return dig(object, "metadata", "annotations", annotation_mirror).is_string(); }
  static std::string hash_of(const json& mirror) { return text_or(dig(mirror, "metadata", "annotations", annotation_mirror)); }
  void see_mirror(const std::shared_ptr<const json>& mirror) {
    if (keeper_) self_->send(keeper_, mirror_seen{mirror});
    auto& known = mirrors_[hash_of(*mirror)];
    const bool fresh = !known || uid_of(*known) != uid_of(*mirror);
    known = mirror;
    if (const auto found = pods_.find(hash_of(*mirror)); fresh && found != pods_.end() && found->second.of_file) self_->send(found->second.worker, mirror_told{mirror});
  }
  void lose_mirror(const json& mirror) {
    if (const auto found = mirrors_.find(hash_of(mirror)); found != mirrors_.end() && uid_of(*found->second) == uid_of(mirror)) mirrors_.erase(found);
    if (keeper_) self_->send(keeper_, mirror_lost{std::make_shared<const json>(mirror)});
  }
  void hear_files(manifests_read& news) {
    filed_ = true;
    files_.clear();
    for (auto& pod : news.pods) files_[uid_of(*pod)] = std::move(pod);
    for (auto& [uid, one] : pods_) {
      if (!one.of_file || files_.contains(uid)) continue;
      auto ending = one.known.object.read();   // as a pod of the API that was deleted
      ending["metadata"]["deletionTimestamp"] = to_rfc3339(world_->wall->now());
      one.known.deleted = true;
      self_->send(one.worker, pod_told{model::packed(ending)});
    }
    admit_files();
  }
  /// A changed file is another pod of the same name: it begins when nothing is left of the former.
  void admit_files() {
    for (const auto& [uid, object] : files_) {
      const auto key = pod_key(*object);
      if (pods_.contains(uid) || std::any_of(pods_.begin(), pods_.end(), [&](const auto& p) { return p.second.key() == key; })) continue;
      const auto& made = admit(uid, *object, true);
      if (const auto mirror = mirrors_.find(uid); mirror != mirrors_.end()) self_->send(made.worker, mirror_told{mirror->second});
    }
  }

  void lose(const json& object) {
    if (is_mirror(object)) return lose_mirror(object);
    if (const auto found = pods_.find(uid_of(object)); found != pods_.end()) self_->send(found->second.worker, pod_withdrawn{});
  }
  void record(pod_seen& news) {
    const auto found = pods_.find(news.uid);
    if (found == pods_.end()) return;
    found->second.known.view = std::move(news.view);
    found->second.known.object = std::move(news.object);
  }
  void strike(const std::string& uid) {
    const auto found = pods_.find(uid);
    if (found == pods_.end()) return;
    rt::end(found->second.worker);
    const bool of_file = found->second.of_file;
    pods_.erase(found);
    drop_cgroups(uid);
    if (of_file) self_->send(keeper_, static_pod_ended{uid});
    admit_files();
  }
  /// The runtime removes what it made, and leaves the pod's own folders, which were asked for as a parent.
  void drop_cgroups(const std::string& uid) {
    if (!world_->processes) return;
    net::process_order order;
    order.arguments = {"rmdir", "--ignore-fail-on-non-empty"};
    for (const char* at : hierarchies)
      for (const char* quality : {"", "/burstable", "/besteffort"}) {
        const auto path = std::string("/sys/fs/cgroup") + at + config_.worker.setup.cgroup_root + quality + "/pod" + uid;
        if (world_->files->exists(path)) order.arguments.push_back(path);
      }
    if (order.arguments.size() == 2) return;
    auto begun = world_->processes->start(std::move(order), [](std::string) {}, [](net::process_end) {});
    if (begun.ok()) sweepers_.push_back(std::move(*begun));
    if (sweepers_.size() > sweepers_max) sweepers_.pop_front();
  }
  void sync() {
    if (keeper_) self_->send(keeper_, mirrors_known{});
    if (std::exchange(synced_, true)) return;
    // Folders of pods that went while we did not look.
    for (const auto& one : world_->files->list(config_.worker.setup.pods_folder).value_or({}))
      if (one.folder && !pods_.contains(one.name)) leftover_.push_back(one.name);
  }

  // --- what the runtime has -----------------------------------------------------------------------

  void again() { self_->delayed_send(rt::strong<roll_actor>(self_), config_.look_every, relist_due{}); }

  void relist() {
    again();
    look_soon();
  }
  void look_soon() {
    if (!up_ || listing_) return;
    const auto now = world_->shard->now();
    if (now >= standing_at_) look_at_standing(now);
    if (now >= images_at_) look_at_images(now);
    if (now >= logs_at_) rotate_logs(now);
    listing_ = true;
    perform(cri::list_all{}, [this](result<cri::reply> got) {
      listing_ = false;
      if (got.ok()) compare(std::get<port::pod_view>(*got));
    });
  }

  void compare(const port::pod_view& all) {
    std::map<std::string, std::string> traces;
    struct pod_name { std::string name, ns; };
    std::map<std::string, pod_name> orphans;   // by uid
    for (const auto& box : all.sandboxes) {
      traces[box.uid] += box.id + (box.ready ? "+" : "-");
      if (!pods_.contains(box.uid)) orphans[box.uid] = {box.name, box.ns};
    }
    for (const auto& c : all.containers)
      if (const auto of = c.labels.find(port::label_pod_uid); of != c.labels.end()) {
        traces[of->second] += c.id + std::to_string(static_cast<int>(c.state));
        const auto text = [&](const char* label) { const auto found = c.labels.find(label); return found == c.labels.end() ? std::string() : found->second; };
        if (!pods_.contains(of->second)) orphans.try_emplace(of->second, text(port::label_pod_name), text(port::label_pod_namespace));
      }
    compared_ = true;
    images_used_.clear();
    for (const auto& c : all.containers) images_used_.insert(c.image), images_used_.insert(c.image_ref);
    for (auto& [uid, one] : pods_) {
      auto& now = traces[uid];
      if (now == one.trace) continue;
      one.trace = now;
      self_->send(one.worker, look_due{});
    }
    if (!synced_ || !filed_) return;
    for (const auto& [uid, who] : orphans)
      if (!uid.empty()) end_orphan(uid, who.name, who.ns);
    for (const auto& uid : std::exchange(leftover_, {}))
      if (!pods_.contains(uid)) end_orphan(uid, "gone", "gone");
  }
  /// What belongs to no pod of this node ends as a deleted pod does.
  void end_orphan(const std::string& uid, const std::string& pod, const std::string& ns) {
    log::info("kubelet.orphan_found", {{"uid", uid}, {"pod", pod}});
    const json object{{"metadata", {{"name", pod}, {"namespace", ns}, {"uid", uid}}}, {"spec", {{"containers", json::array()}, {"enableServiceLinks", false}}}};
    self_->send(admit(uid, object).worker, pod_withdrawn{});
  }

  void rise(const std::string& version) {
    version_ = version;
    up_ = true;
    standing_at_ = images_at_ = {};
    for (auto& [uid, one] : pods_) self_->send(one.worker, look_due{});
    look_soon();
  }
  void fall(const std::string& why) {
    up_ = false;
    tell(false, "container runtime is down: " + why);
  }
  void tell(bool ready, const std::string& why) {
    runtime_news news{version_, ready, ready ? "" : why, to_text(images_)};
    const auto whole = news.version + (ready ? "+" : "-") + news.why + news.images;
    if (whole == std::exchange(told_, whole)) return;
    self_->send(node_, std::move(news));
  }
  void look_at_standing(mono_time now) {
    standing_at_ = now + config_.standing_every;
    perform(cri::ask_standing{}, [this](result<cri::reply> got) {
      if (!up_) return;
      if (!got.ok()) return tell(false, "container runtime is down: " + got.why().note);
      const auto& is = std::get<port::standing>(*got);
      if (!is.runtime_ready) return tell(false, "container runtime not ready: RuntimeReady=false " + is.runtime_why);
      if (!is.network_ready) return tell(false, "container runtime network not ready: NetworkReady=false " + is.network_why);
      tell(true, "");
    });
  }
  void look_at_images(mono_time now) {
    images_at_ = now + config_.images_every;
    perform(cri::list_images{}, [this](result<cri::reply> got) {
      if (!got.ok()) return;
      const auto& all = std::get<std::vector<port::image>>(*got);
      images_ = images_status(all, config_.images_told_max);
      standing_at_ = {};
      make_room(all);
    });
  }
  void rotate_logs(mono_time now) {
    logs_at_ = now + config_.logs_every;
    for (const auto& [uid, one] : pods_) {
      if (!one.known.view) continue;
      const auto folder = log_folder(config_.worker.setup, one.known.ns, one.known.name, uid);
      for (const auto& c : one.known.view->containers)
        if (c.state == port::container_state::running) rotate(c.id, c.log_path.starts_with('/') ? c.log_path : folder + "/" + c.name + "/" + std::to_string(c.attempt) + ".log");
    }
  }
  void rotate(const std::string& id, const std::string& path) {
    const auto to = rotate_log(*world_->files, path, config_.logs, world_->wall->now());
    if (!to.ok()) return log::warn("kubelet.log_not_rotated", {{"log", path}, {"why", to.why().note}});
    if (to->empty()) return;
    perform(cri::reopen_log{id}, [this, path, to = *to](result<cri::reply> got) {
      if (got.ok() || world_->files->exists(path)) return;
      if (world_->files->rename(to, path).ok()) log::debug("kubelet.log_not_rotated", {{"log", path}, {"why", got.why().note}});
    });
  }
  /// The images that have been there for a while; at our beginning all have.
  std::vector<port::image> settled(const std::vector<port::image>& all, mono_time now) {
    std::map<std::string, mono_time> seen;
    std::vector<port::image> out;
    for (const auto& one : all) {
      const auto known = images_seen_.find(one.id);
      const auto since = known != images_seen_.end() ? known->second : images_known_ ? now : now - config_.image_age_min;
      seen[one.id] = since;
      if (now - since >= config_.image_age_min) out.push_back(one);
    }
    images_known_ = true;
    images_seen_ = std::move(seen);
    return out;
  }
  /// A disk that fills up loses images that nobody uses, one in each look.
  void make_room(const std::vector<port::image>& all) {
    const auto old = settled(all, world_->shard->now());
    if (!compared_) return;   // which are used is not known yet
    const auto disk = world_->machine->facts(config_.data_folder);
    if (disk.disk_bytes == 0) return;
    const auto used = 100 - disk.disk_free_bytes * 100 / disk.disk_bytes;
    clearing_ = used >= config_.disk_percent_high || (clearing_ && used > config_.disk_percent_low);
    const auto unused = clearing_ ? unused_images(old, images_used_) : std::vector<port::image>();
    if (unused.empty()) return;
    log::info("kubelet.image_removed", {{"image", unused.front().tags.empty() ? unused.front().id : unused.front().tags.front()}, {"disk_percent", used}});
    perform(cri::remove_image{unused.front().id}, [this](result<cri::reply> got) { if (got.ok()) images_at_ = {}; });
  }

  // --- answers ------------------------------------------------------------------------------------

  const pod_record* pod_called(const std::string& ns, const std::string& pod) const {
    const pod_record* out = nullptr;
    for (const auto& [uid, one] : pods_)
      if (one.known.ns == ns && one.known.name == pod && (!out || !one.known.deleted)) out = &one.known;
    return out;
  }
  static error nobody(const std::string& pod) { return fail(errc::not_found, "pods \"" + pod + "\" not found"); }

  caf::result<log_place> find(const find_log& ask) {
    const auto* pod = pod_called(ask.ns, ask.pod);
    if (!pod) return rt::refuse(nobody(ask.pod));
    auto got = log_of(*pod, ask.container, ask.previous, config_.worker.setup);
    if (!got.ok()) return rt::refuse(got.why());
    return log_place{got->path, got->ended};
  }

  caf::result<stream_place> open(const open_pod_stream& ask) {
    const auto* pod = pod_called(ask.ns, ask.pod);
    if (!pod) return rt::refuse(nobody(ask.pod));
    auto id = ask.what == pod_stream::port_forward ? running_sandbox(*pod) : running_container(*pod, ask.container);
    if (!id.ok()) return rt::refuse(id.why());
    const port::stream_wish with{ask.in, ask.out, ask.err, ask.terminal};
    cri::request what = ask.what == pod_stream::exec     ? cri::request(cri::open_exec{*id, ask.command, with})
                        : ask.what == pod_stream::attach ? cri::request(cri::open_attach{*id, with})
                                                         : cri::request(cri::open_forward{*id});
    auto promise = self_->make_response_promise<stream_place>();
    self_->request(runtime_, stream_limit, cri::perform{std::move(what)})
        .then([promise](cri::outcome& got) mutable {
          const auto place = place_of(std::get<std::string>(got.what));
          if (place.ok()) promise.deliver(*place);
          else promise.deliver(rt::refuse(place.why()));
        }, [promise](caf::error& why) mutable { promise.deliver(why); });
    return promise;
  }
  static result<stream_place> place_of(const std::string& url) {
    constexpr std::string_view scheme = "http://";
    if (!url.starts_with(scheme)) return fail(errc::internal, "the runtime's streaming server has a strange address");
    const auto slash = url.find('/', scheme.size());
    auto at = parse_endpoint(std::string_view(url).substr(scheme.size(), slash - scheme.size()), 0);
    if (!at.ok()) return at.why();
    return stream_place{*at, slash == std::string::npos ? "/" : url.substr(slash)};
  }

  std::string list() const {
    std::string out = R"({"apiVersion":"v1","items":[)";
    for (const auto& [uid, one] : pods_) out.append(out.back() == '[' ? "" : ",").append(one.known.object.text());
    return out + R"(],"kind":"PodList","metadata":{}})" + "\n";
  }
  caf::result<std::string> stats() {
    auto promise = self_->make_response_promise<std::string>();
    self_->request(runtime_, stream_limit, cri::perform{cri::ask_usage{}})
        .then([this, promise](cri::outcome& got) mutable {
          std::vector<pod_record> all;
          for (const auto& [uid, one] : pods_) all.push_back(one.known);
          promise.deliver(to_text(stats_summary(config_.worker.setup.node, all, std::get<std::vector<port::usage>>(got.what), world_->wall->now())) + "\n");
        }, [promise](caf::error& why) mutable { promise.deliver(why); });
    return promise;
  }

  rt::self<roll_actor> self_;
  const rt::world* world_ = nullptr;
  roll_config config_;
  std::shared_ptr<const worker_config> worker_;
  client::api_actor api_;
  cri::runtime_actor runtime_;
  kubelet_actor node_;
  rt::handle<void(client::watch_event)> reflector_;
  static_keeper_actor keeper_;
  std::map<std::string, entry> pods_;            // by uid
  std::map<std::string, std::shared_ptr<const json>> files_, mirrors_;   // static pods by uid, which their mirrors have as hash
  std::vector<std::string> leftover_;
  std::deque<std::unique_ptr<net::process>> sweepers_;
  std::set<std::string> images_used_;            // by containers, as they name them
  std::map<std::string, mono_time> images_seen_; // by id: since when they are known
  std::string version_, told_;
  json images_ = json::array();
  mono_time standing_at_{}, images_at_{}, logs_at_{};
  bool synced_ = false, up_ = false, listing_ = false, clearing_ = false, filed_ = false, compared_ = false, images_known_ = false;
};

}  // namespace

roll_actor make_roll(const rt::world& in, roll_config config, client::api_actor api, cri::runtime_actor runtime, kubelet_actor node) {
  return rt::spawn<roll_actor, roll_state>(in, "", in, std::move(config), std::move(api), std::move(runtime), std::move(node));
}

}  // namespace troupe::kubelet
