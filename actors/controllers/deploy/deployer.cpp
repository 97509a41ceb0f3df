#include "actors/controllers/deploy/deployer.hpp"

#include <deque>
#include <map>

#include "actors/controllers/calls.hpp"
#include "actors/controllers/deploy/manifests.hpp"
#include "actors/controllers/deploy/merging.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/bytes.hpp"
#include "basis/log.hpp"

//  tick --> scan --> files that changed, one after the other:
//     read --> Addon, created or marked --> each object: get, then create or patch --> what left the file goes --> Addon has the checksum
//  A failure goes to the Addon's events and the log, once for each text; the other objects and files go on.

namespace troupe::controllers {
namespace {

using deployer_actor = rt::handle<void(tick_due)>;
constexpr const char* addons = "/apis/k3s.cattle.io/v1/namespaces/kube-system/addons";

class deployer_state {
 public:
  static constexpr const char* name = "deployer";
  explicit deployer_state(rt::self<deployer_actor> self) : self_(self) {}
  void init(const rt::world& in, deployer_config config, client::api_actor api) {
    world_ = &in;
    config_ = std::move(config);
    api_ = std::move(api);
    self_->send(rt::strong<deployer_actor>(self_), tick_due{});
  }
  deployer_actor::behavior_type make_behavior() {
    return {[this](tick_due) { tick(); }};
  }

 private:
  /// What is known of a file.
  struct track {
    std::uint64_t bytes = 0;
    wall_time written{};
    wall_time not_before{};
    duration delay{};
    bool done = false;
    std::string told;
  };
  /// The one file that is being worked on.
  struct job {
    manifest_file file;
    std::string checksum;
    std::vector<json> objects;
    std::size_t at = 0;
    std::set<std::string> kinds, wanted;       ///< To be looked through for what left; "path" of what stays.
    std::deque<std::string> leaving;           ///< Kinds first, as paths of lists; then paths of objects.
    std::vector<std::string> failures;
  };
  using answer = client::api_answer;

  // --- files --------------------------------------------------------------------------------------

  void tick() {
    self_->delayed_send(rt::strong<deployer_actor>(self_), config_.every, tick_due{});
    if (job_) return;
    std::vector<manifest_file> all;
    walk("", 0, all);
    auto chosen = choose_manifests(std::move(all), config_.disabled);
    std::set<std::string> paths;
    for (const auto& one : chosen) paths.insert(one.path);
    std::erase_if(tracks_, [&](const auto& t) { return !paths.contains(t.first); });
    for (auto& one : chosen) {
      auto& known = tracks_[one.path];
      if (known.written != one.written || known.bytes != one.bytes) known = {one.bytes, one.written, {}, {}, false, known.told};
      if (!known.done && world_->wall->now() >= known.not_before) due_.push_back(std::move(one));
    }
    next();
  }

  void walk(const std::string& below, std::size_t depth, std::vector<manifest_file>& out) const {
    if (depth > config_.depth_max) return;
    for (const auto& one : world_->files->list(config_.folder + below).value_or({})) {
      if (out.size() == config_.files_max) return;
      const auto path = below + "/" + one.name;
      if (one.folder) walk(path, depth + 1, out);
      else out.push_back({path.substr(1), {}, one.bytes, one.written, false});
    }
  }

  void next() {
    job_.reset();
    if (due_.empty()) return;
    job_.emplace();
    job_->file = std::move(due_.front());
    due_.pop_front();
    const auto path = source();
    if (job_->file.disabled) return fetch_addon();
    auto text = job_->file.bytes > config_.file_bytes_max ? result<std::string>(fail(errc::invalid, "it is larger than 4 MiB")) : world_->files->read(path);
    if (!text.ok()) return refuse("ReadManifestFailed", "Read manifest at \"" + path + "\" failed: " + text.why().note);
    job_->checksum = to_hex(world_->issuer->sha256(*text));
    auto objects = read_objects(*text);
    if (!objects.ok()) return refuse("ParseManifestFailed", "Parse manifest at \"" + path + "\" failed: " + objects.why().note);
    job_->objects = std::move(*objects);
    fetch_addon();
  }
  std::string source() const { return config_.folder + "/" + job_->file.path; }

  // --- the Addon ----------------------------------------------------------------------------------

  void fetch_addon() {
    call(self_, api_, "GET", addons + ("/" + job_->file.addon), nullptr, as_json, [this](const answer& got) {
      if (!got.ok() && got.status != 404) return again("Addon: " + reason_of(got));
      const auto addon = parse_json(got.body);
      if (got.ok() && addon.ok()) take_kinds(text_or(dig(*addon, "metadata", "annotations", annotation_kinds)));
      if (job_->file.disabled) return begin_leaving();
      for (const auto& one : job_->objects)
        if (const auto at = place_of(one); at.ok()) job_->kinds.insert(at->kind), job_->wanted.insert(at->path());
      write_addon(got.ok(), "", [this] { apply(); });
    });
  }
  void take_kinds(const std::string& listed) {
    for (std::size_t at = 0; at < listed.size();) {
      const auto end = std::min(listed.find(';', at), listed.size());
      job_->kinds.insert(listed.substr(at, end - at));
      at = end + 1;
    }
  }
  /// With all kinds that something may have been made of, before it is made.
  void write_addon(bool exists, const std::string& checksum, std::function<void()> then) {
    std::string kinds;
    for (const auto& k : job_->kinds) kinds += (kinds.empty() ? "" : ";") + k;
    json body{{"metadata", {{"annotations", {{annotation_kinds, kinds}}}}}, {"spec", {{"source", source()}, {"checksum", checksum}}}};
    if (!exists) body["apiVersion"] = "k3s.cattle.io/v1", body["kind"] = "Addon", body["metadata"]["name"] = job_->file.addon;
    call(self_, api_, exists ? "PATCH" : "POST", exists ? addons + ("/" + job_->file.addon) : addons, body, exists ? as_merge : as_json, [this, then](const answer& got) {
      if (!got.ok()) return again("Addon: " + reason_of(got));
      then();
    });
  }

  // --- objects ------------------------------------------------------------------------------------

  void apply() {
    if (job_->at == job_->objects.size()) return job_->failures.empty() ? begin_leaving() : again(joined(job_->failures));
    const auto at = place_of(job_->objects[job_->at]);
    if (!at.ok()) return settle_object(at.why().note);
    call(self_, api_, "GET", at->path(), nullptr, as_json, [this, at = *at](const answer& got) {
      if (got.status == 404) return write_object("POST", at.collection, at, as_json, wanted_object(at), true);
      const auto present = parse_json(got.body);
      if (!got.ok() || !present.ok()) return settle_object(label(at) + reason_of(got));
      const auto before = parse_json(text_or(dig(*present, "metadata", "annotations", annotation_applied), "null")).value_or(nullptr);
      const auto patch = merge_patch(before, wanted_object(at), *present);
      if (patch.empty()) return settle_object("");
      write_object("PATCH", at.path(), at, as_merge, patch, true);
    });
  }
  json wanted_object(const object_place& at) const {
    json out = marked(job_->objects[job_->at], job_->file.addon);
    if (!at.ns.empty()) out["metadata"]["namespace"] = at.ns;
    return out;
  }
  static std::string label(const object_place& at) { return at.kind.substr(at.kind.rfind('=') + 1) + " " + (at.ns.empty() ? "" : at.ns + "/") + at.name + ": "; }

  /// First strictly: a field that does not exist is told, and left out as K3s does.
  void write_object(const std::string& method, const std::string& path, const object_place& at, const char* type, const json& body, bool strict) {
    call(self_, api_, method, path + "?fieldValidation=" + (strict ? "Strict" : "Ignore"), body, type, [this, method, path, at, type, body, strict](const answer& got) {
      const auto why = got.ok() ? std::string() : reason_of(got);
      if (strict && (why.find("unknown field") != std::string::npos || why.find("duplicate field") != std::string::npos)) {
        tell("UnknownField", "Manifest at \"" + source() + "\": " + label(at) + why + "; it is left out");
        return write_object(method, path, at, type, body, false);
      }
      settle_object(why.empty() ? "" : label(at) + why);
    });
  }
  void settle_object(const std::string& failure) {
    if (!failure.empty()) job_->failures.push_back(failure);
    ++job_->at;
    apply();
  }

  // --- what left the file -------------------------------------------------------------------------

  void begin_leaving() {
    for (const auto& kind : job_->kinds)
      if (auto path = path_of_kind(kind); !path.empty()) job_->leaving.push_back(std::move(path));
    seek();
  }
  void seek() {
    if (job_->leaving.empty()) return remove();
    const auto path = job_->leaving.front();
    job_->leaving.pop_front();
    call(self_, api_, "GET", path + "?labelSelector=objectset.rio.cattle.io%2Fhash%3D" + set_of(job_->file.addon), nullptr, as_json, [this](const answer& got) {
      const auto list = parse_json(got.body);
      if (!got.ok() || !list.ok()) return again("list: " + reason_of(got));
      const auto kind = text_or(dig(*list, "kind"));
      for (auto one : dig(*list, "items")) {
        one["apiVersion"] = dig(*list, "apiVersion");
        one["kind"] = kind.substr(0, kind.size() - 4);   // "ConfigMapList"
        if (const auto at = place_of(one); at.ok() && is_of(one, job_->file.addon) && !job_->wanted.contains(at->path())) gone_.push_back(at->path());
      }
      seek();
    });
  }
  void remove() {
    if (gone_.empty()) return finish();
    const auto path = gone_.front();
    gone_.pop_front();
    const json body{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"propagationPolicy", "Background"}};
    call(self_, api_, "DELETE", path, body, as_json, [this, path](const answer& got) {
      if (!got.ok() && got.status != 404) return again("delete " + path + ": " + reason_of(got));
      log::info("controllers.manifest_object_removed", {{"object", path}, {"addon", job_->file.addon}});
      remove();
    });
  }

  void finish() {
    if (job_->file.disabled) return finish_disabled();
    std::set<std::string> kinds;
    for (const auto& one : job_->objects)
      if (const auto at = place_of(one); at.ok()) kinds.insert(at->kind);
    job_->kinds = std::move(kinds);
    write_addon(true, job_->checksum, [this] {
      auto& known = tracks_[job_->file.path];
      known.done = true;
      known.told.clear();
      log::info("controllers.manifest_applied", {{"file", source()}, {"objects", std::to_string(job_->objects.size())}});
      event("Normal", "AppliedManifest", "Applied manifest at \"" + source() + "\"");
      next();
    });
  }
  void finish_disabled() {
    call(self_, api_, "DELETE", addons + ("/" + job_->file.addon), nullptr, as_json, [this](const answer& got) {
      if (!got.ok() && got.status != 404) return again("Addon: " + reason_of(got));
      if (auto done = world_->files->remove(source()); !done.ok()) return again(done.why().note);
      log::info("controllers.manifest_disabled", {{"file", source()}});
      next();
    });
  }

  // --- what goes wrong ----------------------------------------------------------------------------

  /// Cannot become better by itself: the file has to change.
  void refuse(const std::string& reason, const std::string& message) {
    tracks_[job_->file.path].done = true;
    tell(reason, message);
    next();
  }
  void again(const std::string& why) {
    auto& known = tracks_[job_->file.path];
    known.delay = known.delay == duration::zero() ? config_.retry_first : std::min(known.delay * 2, config_.retry_max);
    known.not_before = world_->wall->now() + known.delay;
    gone_.clear();
    tell(job_->file.disabled ? "DeleteManifestFailed" : "ApplyManifestFailed", (job_->file.disabled ? "Delete manifest at \"" : "Apply manifest at \"") + source() + "\" failed: " + why);
    next();
  }
  /// The same words once.
  void tell(const std::string& reason, const std::string& message) {
    auto& told = tracks_[job_->file.path].told;
    if (told.find(message) != std::string::npos) return;
    told = told.size() > 4096 ? message : told + message;
    log::warn("controllers.manifest_refused", {{"file", source()}, {"why", message}});
    event("Warning", reason, message);
  }
  void event(const char* type, const std::string& reason, const std::string& message) {
    const json body{{"apiVersion", "v1"}, {"kind", "Event"}, {"metadata", {{"generateName", job_->file.addon + "."}, {"namespace", "kube-system"}}},
                    {"involvedObject", {{"apiVersion", "k3s.cattle.io/v1"}, {"kind", "Addon"}, {"namespace", "kube-system"}, {"name", job_->file.addon}}},
                    {"type", type}, {"reason", reason}, {"message", message.substr(0, 1024)}, {"source", {{"component", "deploy"}}},
                    {"firstTimestamp", to_rfc3339(world_->wall->now())}, {"lastTimestamp", to_rfc3339(world_->wall->now())}, {"count", 1}};
    call(self_, api_, "POST", "/api/v1/namespaces/kube-system/events", body, as_json, [](const answer&) {});
  }
  static std::string reason_of(const answer& got) {
    const auto said = parse_json(got.body);
    return said.ok() ? text_or(dig(*said, "message"), "HTTP " + std::to_string(got.status)) : got.body;
  }
  static std::string joined(const std::vector<std::string>& all) {
    std::string out;
    for (const auto& one : all) out += (out.empty() ? "" : "; ") + one;
    return out;
  }

  rt::self<deployer_actor> self_;
  const rt::world* world_ = nullptr;
  deployer_config config_;
  client::api_actor api_;
  std::map<std::string, track> tracks_;      // by path
  std::deque<manifest_file> due_;
  std::deque<std::string> gone_;             // paths of objects that left the file at work
  std::optional<job> job_;
};

}  // namespace

rt::handle<void(tick_due)> make_deployer(const rt::world& in, deployer_config config, client::api_actor api) {
  return rt::spawn<deployer_actor, deployer_state>(in, "", in, std::move(config), std::move(api));
}

}  // namespace troupe::controllers
