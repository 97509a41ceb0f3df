#include "actors/snapshots/keeper.hpp"

#include <algorithm>

#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "actors/snapshots/cron.hpp"
#include "basis/bytes.hpp"
#include "basis/log.hpp"

// A snapshot comes to be in three steps: the engine writes a copy under a name that begins with a dot, the manifest is
// created beside its place (which also claims the name), the copy takes its name. Whoever finds name and manifest finds a
// whole copy; what a dead process left is swept before the next one.

namespace troupe::snapshots {
namespace {

using promise = caf::typed_response_promise<snapshot_changes>;
constexpr duration look_max = std::chrono::minutes(1);   // a calendar may be set while we wait

class keeper_state {
 public:
  static constexpr const char* name = "snapshots";
  explicit keeper_state(rt::self<keeper_actor> self) : self_(self) {}

  void init(const rt::world& in, keeper_config config, datastore::backup_actor store) {
    world_ = &in;
    config_ = std::move(config);
    store_ = std::move(store);
    dice_ = in.dice.fork("snapshots");
    if (config_.own_folder)
      if (auto made = files().make_folder(config_.folder, 0700); !made.ok()) log::error("snapshots.folder_failed", {{"error", made.why().note}});
    if (config_.schedule.empty()) return;
    auto read = schedule::parse(config_.schedule);
    CHECK_THAT(read.ok());
    schedule_ = *read;
    plan();
  }

  keeper_actor::behavior_type make_behavior() {
    return {
        [this](list_snapshots& ask) { return list(ask.folder); },
        [this](save_snapshot& ask) { return save_on_demand(std::move(ask)); },
        [this](delete_snapshots& ask) { return erase(ask); },
        [this](prune_snapshots& ask) { return prune_on_demand(ask); },
        [this](schedule_due) { look_at_schedule(); },
    };
  }

 private:
  struct order {
    std::string folder, part;
    manifest what;
    promise answer;         ///< Pending only when somebody asked.
    bool scheduled = false;
  };
  net::files& files() const { return *world_->files; }
  const std::string& place(const std::string& folder) const { return folder.empty() ? config_.folder : folder; }

  // --- by schedule -----------------------------------------------------------------------------

  void plan() {
    due_ = schedule_->next(world_->wall->now());
    if (!schedule_->is_interval()) due_ += duration(dice_.below(static_cast<std::uint64_t>(config_.jitter_max.count())));
    wait();
  }
  void wait() {
    const auto left = std::clamp<duration>(due_ - world_->wall->now(), std::chrono::milliseconds(1), look_max);
    self_->delayed_send(rt::strong<keeper_actor>(self_), left, schedule_due{});
  }
  void look_at_schedule() {
    if (world_->wall->now() < due_) return wait();
    if (busy_) log::warn("snapshots.skipped", {{"why", "another one is being taken"}});
    else if (auto ready = prepare(config_.name, ""); ready.ok()) ready->scheduled = true, take(std::move(*ready));
    else log::error("snapshots.failed", {{"error", ready.why().note}});
    plan();
  }

  // --- taking one ------------------------------------------------------------------------------

  caf::result<snapshot_changes> save_on_demand(save_snapshot ask) {
    if (busy_) return rt::refuse(errc::overloaded, "a snapshot is being taken: try again when it is done");
    auto ready = prepare(ask.name.empty() ? config_.demand_name : ask.name, ask.folder);
    if (!ready.ok()) return rt::refuse(ready.why());
    ready->answer = self_->make_response_promise<snapshot_changes>();
    auto answer = ready->answer;
    take(std::move(*ready));
    return answer;
  }

  result<order> prepare(const std::string& prefix, const std::string& folder) {
    order out;
    out.folder = place(folder);
    if (!is_good_name(prefix)) return fail(errc::invalid, "a snapshot's name is made of letters, digits, '.', '-' and '_'");
    if (out.folder.empty() || out.folder[0] != '/') return fail(errc::invalid, "the folder of a snapshot must be a full path");
    if (!files().exists(out.folder)) return fail(errc::not_found, "there is no folder " + out.folder + ": make it first");
    out.what.taken = std::chrono::floor<std::chrono::seconds>(world_->wall->now());
    out.what.name = snapshot_name(prefix, config_.node, out.what.taken);
    if (!is_good_name(out.what.name)) return fail(errc::invalid, "the name " + out.what.name + " is too long");
    if (files().exists(path_of(out)) || files().exists(path_of(out) + ".json"))
      return fail(errc::already_exists, "there is a snapshot " + out.what.name + " already: names differ by the second, so try again");
    out.part = out.folder + "/." + out.what.name + ".part";
    sweep(out.folder);
    return out;
  }
  static std::string path_of(const order& of) { return of.folder + "/" + of.what.name; }
  static bool is_part(const std::string& name) { return name.starts_with(".") && name.find(".part") != std::string::npos; }
  /// Ours alone: other servers may use the folder as well.
  void sweep(const std::string& folder) {
    const auto there = files().list(folder);
    if (!there.ok()) return;
    for (const auto& one : *there)
      if (is_part(one.name) && one.name.find("-" + config_.node + "-") != std::string::npos)
        if (auto gone = files().remove_tree(folder + "/" + one.name); gone.ok()) log::info("snapshots.swept", {{"file", one.name}});
  }

  void take(order what) {
    busy_ = true;
    auto shared = std::make_shared<order>(std::move(what));
    self_->request(store_, caf::infinite, datastore::write_backup{shared->part})
        .then([this, shared](storage::revision head) { shared->what.head = head, settle(*shared, publish(*shared)); },
              [this, shared](caf::error& why) { settle(*shared, rt::reason(why)); });
  }

  result<void> publish(order& of) {
    const auto sum = files().sha256(of.part);
    if (!sum.ok()) return sum.why();
    of.what.sha256 = to_hex(*sum);
    const auto there = files().list(of.folder);
    if (!there.ok()) return there.why();
    for (const auto& one : *there)
      if (of.folder + "/" + one.name == of.part) of.what.bytes = one.bytes;
    of.what.node = config_.node;
    of.what.engine = config_.engine;
    of.what.version = config_.version;
    of.what.cluster = config_.cluster;
    auto sealed = config_.seal_bootstrap();
    if (!sealed.ok()) return sealed.why();
    of.what.bootstrap = std::move(*sealed);
    const auto beside = path_of(of) + ".json";
    if (auto claimed = files().create(beside, manifest_text(of.what), 0600); !claimed.ok()) return claimed;
    auto moved = files().rename(of.part, path_of(of));
    if (!moved.ok())
      if (auto undone = files().remove(beside); !undone.ok()) return undone;
    return moved;
  }

  void settle(order& of, const result<void>& how) {
    busy_ = false;
    if (!how.ok()) {
      log::error("snapshots.failed", {{"name", of.what.name}, {"error", how.why().text()}});
      if (auto gone = files().remove_tree(of.part); !gone.ok()) log::error("snapshots.rest_stays", {{"error", gone.why().note}});
      if (!of.scheduled) of.answer.deliver(rt::refuse(how.why().code, "the snapshot failed and nothing of it is left: " + how.why().note));
      return;
    }
    log::info("snapshots.saved", {{"path", path_of(of)}, {"bytes", of.what.bytes}, {"head", of.what.head}});
    if (!of.scheduled) of.answer.deliver(snapshot_changes{{of.what.name}, {}});
    if (!of.scheduled || config_.keep == 0) return;
    if (auto done = prune(config_.name, of.folder, config_.keep); !done.ok()) log::error("snapshots.prune_failed", {{"error", done.why().note}});
  }

  // --- what there is ---------------------------------------------------------------------------

  result<snapshot_list> gather(const std::string& folder) const {
    const auto there = files().list(folder);
    if (!there.ok()) return there.why();
    snapshot_list out;
    for (const auto& one : *there) {
      if (!is_good_name(one.name)) continue;
      snapshot next;
      next.path = folder + "/" + one.name;
      next.what.name = one.name;
      next.what.bytes = one.bytes;
      next.what.taken = one.written;
      const auto beside = files().read(next.path + ".json");
      if (const auto read = beside.ok() ? parse_manifest(*beside) : result<manifest>(beside.why()); read.ok()) {
        next.what = *read;
        next.what.name = one.name;   // it may have been given another
        next.described = true;
      }
      out.snapshots.push_back(std::move(next));
    }
    std::stable_sort(out.snapshots.begin(), out.snapshots.end(), [](const auto& a, const auto& b) { return a.what.taken < b.what.taken; });
    return out;
  }
  caf::result<snapshot_list> list(const std::string& folder) const {
    auto out = gather(place(folder));
    if (!out.ok()) return rt::refuse(out.why());
    return std::move(*out);
  }

  result<void> remove_one(const std::string& folder, const std::string& name) {
    // The copy first: a manifest without one is nothing to anybody.
    if (auto gone = files().remove_tree(folder + "/" + name); !gone.ok()) return gone;
    if (auto gone = files().remove(folder + "/" + name + ".json"); !gone.ok()) return gone;
    log::info("snapshots.deleted", {{"path", folder + "/" + name}});
    return {};
  }
  caf::result<snapshot_changes> erase(const delete_snapshots& ask) {
    const auto& folder = place(ask.folder);
    const auto there = gather(folder);
    if (!there.ok()) return rt::refuse(there.why());
    snapshot_changes out;
    for (const auto& name : ask.names) {
      const auto same = [&](const snapshot& one) { return one.what.name == name; };
      if (std::none_of(there->snapshots.begin(), there->snapshots.end(), same)) return rt::refuse(errc::not_found, "there is no snapshot " + name.substr(0, name_bytes_max) + " in " + folder);
    }
    for (const auto& name : ask.names) {
      if (auto gone = remove_one(folder, name); !gone.ok()) return rt::refuse(gone.why());
      out.deleted.push_back(name);
    }
    return out;
  }

  result<snapshot_changes> prune(const std::string& prefix, const std::string& folder, unsigned keep) {
    const auto there = gather(folder);
    if (!there.ok()) return there.why();
    std::vector<std::pair<std::int64_t, std::string>> ours;
    for (const auto& one : there->snapshots)
      if (const auto at = seconds_of(one.what.name, prefix, config_.node); at >= 0) ours.emplace_back(at, one.what.name);
    std::sort(ours.begin(), ours.end());
    snapshot_changes out;
    for (std::size_t i = 0; i + keep < ours.size(); ++i) {
      if (auto gone = remove_one(folder, ours[i].second); !gone.ok()) return gone.why();
      out.deleted.push_back(ours[i].second);
    }
    return out;
  }
  caf::result<snapshot_changes> prune_on_demand(const prune_snapshots& ask) {
    const auto& prefix = ask.name.empty() ? config_.demand_name : ask.name;
    auto done = prune(prefix, place(ask.folder), ask.keep);
    if (!done.ok()) return rt::refuse(done.why());
    return std::move(*done);
  }

  rt::self<keeper_actor> self_;
  const rt::world* world_ = nullptr;
  keeper_config config_;
  datastore::backup_actor store_;
  std::optional<schedule> schedule_;
  rng dice_{0};
  wall_time due_{};
  bool busy_ = false;
};

}  // namespace

keeper_actor make_keeper(const rt::world& in, keeper_config config, datastore::backup_actor store) {
  return rt::spawn_slow<keeper_actor, keeper_state>(in, "snapshots", in, std::move(config), std::move(store));
}

}  // namespace troupe::snapshots
