#include "actors/kubelet/static_pods/keeper.hpp"

#include <algorithm>

#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::kubelet {
namespace {

constexpr duration young = std::chrono::seconds(3);   // a file may be written twice within one tick of its disk's clock

class static_keeper_state {
 public:
  static constexpr const char* name = "static_keeper";
  explicit static_keeper_state(rt::self<static_keeper_actor> self) : self_(self) {}

  void init(const rt::world& in, static_config config, client::api_actor api, manifests_owner_actor owner) {
    world_ = &in;
    config_ = std::move(config);
    api_ = std::move(api);
    owner_ = std::move(owner);
    self_->send(rt::strong<static_keeper_actor>(self_), scan_due{});
  }

  static_keeper_actor::behavior_type make_behavior() {
    return {
        [this](mirror_seen& news) { mirrors_[pod_key(*news.object)] = news.object, mend(); },
        [this](mirror_lost& news) { forget(*news.object), mend(); },
        [this](mirrors_known) { known_ = true, mend(); },
        [this](static_pod_ended& who) { living_.erase(who.uid), mend(); },
        [this](scan_due) { scan(); },
        [this](mend_due) { waiting_ = false, mend(); },
    };
  }

 private:
  struct sheet {
    std::uint64_t bytes = 0;
    wall_time written{};
    std::string text;
    std::shared_ptr<const json> pod;   ///< The last that could be read: what runs is not ended by half a file.
  };

  // --- files --------------------------------------------------------------------------------------

  void scan() {
    self_->delayed_send(rt::strong<static_keeper_actor>(self_), config_.scan_every, scan_due{});
    const auto present = world_->files->list(config_.folder).value_or({});
    std::set<std::string> names;
    bool changed = !std::exchange(scanned_, true);
    for (const auto& one : present) {
      if (one.folder || one.name.starts_with('.') || names.size() == config_.files_max) continue;
      names.insert(one.name);
      changed = read(one) || changed;
    }
    changed = std::erase_if(sheets_, [&](const auto& s) { return !names.contains(s.first); }) > 0 || changed;
    if (changed) publish();
  }

  /// True when the file asks for something else than before.
  bool read(const net::file_entry& one) {
    auto& sheet = sheets_[one.name];
    const bool settled = sheet.written == one.written && sheet.bytes == one.bytes && world_->wall->now() - one.written > young;
    if (settled && !sheet.text.empty()) return false;
    sheet.bytes = one.bytes, sheet.written = one.written;
    auto text = one.bytes > config_.file_bytes_max ? result<std::string>(fail(errc::invalid, "it is larger than 1 MiB")) : world_->files->read(config_.folder + "/" + one.name);
    if (text.ok() && *text == sheet.text) return false;
    if (text.ok()) sheet.text = *text;
    auto pod = text.ok() ? read_manifest(one.name, *text, config_.node, world_->wall->now()) : result<json>(text.why());
    if (!pod.ok()) return log::warn("kubelet.manifest_refused", {{"file", config_.folder + "/" + one.name}, {"why", pod.why().note}}), false;
    if (sheet.pod && dig(*sheet.pod, "metadata", "uid") == dig(*pod, "metadata", "uid")) return false;
    sheet.pod = std::make_shared<const json>(std::move(*pod));
    return true;
  }

  void publish() {
    wanted_.clear();
    manifests_read all;
    for (const auto& [file, sheet] : sheets_) {
      if (!sheet.pod) continue;
      const auto key = pod_key(*sheet.pod);
      if (!wanted_.emplace(key, sheet.pod).second) {
        log::warn("kubelet.manifest_refused", {{"file", config_.folder + "/" + file}, {"why", "another file already asks for the pod " + key}});
        continue;
      }
      living_.insert(text_or(dig(*sheet.pod, "metadata", "uid")));
      all.pods.push_back(sheet.pod);
    }
    self_->send(owner_, std::move(all));
    mend();
  }

  // --- mirrors ------------------------------------------------------------------------------------

  void forget(const json& object) {
    const auto found = mirrors_.find(pod_key(object));
    if (found != mirrors_.end() && dig(*found->second, "metadata", "uid") == dig(object, "metadata", "uid")) mirrors_.erase(found);
  }

  /// One call at a time; what it has come to is planned anew.
  void mend() {
    if (!known_ || busy_ || waiting_) return;
    const auto steps = plan_mirrors(wanted_, mirrors_, living_);
    if (steps.empty()) return;
    busy_ = true;
    const auto step = steps.front();
    step.what == mirror_step::kind::remove ? remove(step) : create(step);
  }

  template <class Then>
  void call(std::string method, std::string path, const json& body, Then then) {
    self_->request(api_, config_.api_limit, client::api_call{std::move(method), std::move(path), body.is_null() ? "" : to_text(body), "application/json", "", {}})
        .then([then](const client::api_answer& got) { then(got); }, [then](caf::error& why) { then(client::api_answer{0, rt::reason(why).text()}); });
  }

  void remove(const mirror_step& step) {
    const json body{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"gracePeriodSeconds", 0}, {"preconditions", {{"uid", dig(*step.object, "metadata", "uid")}}}};
    call("DELETE", path_of(*step.object, true), body, [this, step](const client::api_answer& got) {
      if (!got.ok() && got.status != 404 && got.status != 409) return settle("delete the mirror of", step.key, got);
      forget(*step.object);
      settle("", step.key, got);
    });
  }

  void create(const mirror_step& step) {
    call("GET", "/api/v1/nodes/" + config_.node, nullptr, [this, step](const client::api_answer& got) {
      const auto node = parse_json(got.body);
      if (!got.ok() || !node.ok()) return settle("make a mirror of", step.key, got);
      const auto mirror = make_mirror(*step.object, config_.node, text_or(dig(*node, "metadata", "uid")));
      call("POST", path_of(*step.object, false), mirror, [this, step](const client::api_answer& made) {
        auto object = parse_json(made.body);
        if (made.ok() && object.ok()) mirrors_[step.key] = std::make_shared<const json>(std::move(*object));
        settle(made.ok() ? "" : "make a mirror of", step.key, made);
      });
    });
  }

  static std::string path_of(const json& object, bool whole) {
    return "/api/v1/namespaces/" + text_or(dig(object, "metadata", "namespace")) + "/pods" + (whole ? "/" + text_or(dig(object, "metadata", "name")) : std::string());
  }

  /// `what` could not be done, unless it is empty.
  void settle(const std::string& what, const std::string& key, const client::api_answer& got) {
    busy_ = false;
    if (what.empty()) return told_.clear(), mend();
    const auto said = parse_json(got.body);
    const auto why = said.ok() ? text_or(dig(*said, "message"), "HTTP " + std::to_string(got.status)) : got.body;
    if (got.status != 0 && std::exchange(told_, key + why) != told_) log::warn("kubelet.mirror_missing", {{"pod", key}, {"why", "cannot " + what + " it: " + why}});
    waiting_ = true;
    self_->delayed_send(rt::strong<static_keeper_actor>(self_), config_.retry_after, mend_due{});
  }

  rt::self<static_keeper_actor> self_;
  const rt::world* world_ = nullptr;
  static_config config_;
  client::api_actor api_;
  manifests_owner_actor owner_;
  std::map<std::string, sheet> sheets_;   // by file
  pod_map wanted_, mirrors_;              // by namespace/name
  std::set<std::string> living_;          // uids that the roll may still have
  std::string told_;
  bool known_ = false, busy_ = false, waiting_ = false, scanned_ = false;
};

}  // namespace

static_keeper_actor make_static_keeper(const rt::world& in, static_config config, client::api_actor api, manifests_owner_actor owner) {
  return rt::spawn<static_keeper_actor, static_keeper_state>(in, "", in, std::move(config), std::move(api), std::move(owner));
}

}  // namespace troupe::kubelet
