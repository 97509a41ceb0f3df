#include "actors/node/upkeep/mover.hpp"

#include "actors/node/upkeep/stores.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"
#include "storage/copy.hpp"

namespace troupe::node {
namespace {

// There from before etcd's first start until the old store has its new name.
std::string mark_of(const std::string& folder) { return folder + "/db/moving-to-etcd"; }

store old_store(const net::files& files, const std::string& folder) {
  return has_store(files, folder, store::sqlite) ? store::sqlite : store::rocksdb;
}

class mover_state {
 public:
  static constexpr const char* name = "mover";
  explicit mover_state(rt::self<mover_actor> self) : self_(self) {}

  void init(const rt::world& in, std::string folder, std::unique_ptr<storage::engine> into, moved_actor owner) {
    world_ = &in;
    folder_ = std::move(folder);
    into_ = std::move(into);
    owner_ = std::move(owner);
    self_->send(rt::strong<mover_actor>(self_), move_due{});
  }
  mover_actor::behavior_type make_behavior() {
    return {[this](move_due) { move(); }};
  }

 private:
  void move() {
    store_moved out;
    if (auto done = copy(); done.ok()) out.what = *done;
    else out.why = "the objects could not be moved to etcd: " + done.why().note + "; the old datastore is as it was: start without --cluster-init to use it";
    out.engine = std::make_shared<std::unique_ptr<storage::engine>>(std::move(into_));
    self_->send(owner_, std::move(out));
    self_->quit();
  }

  result<std::string> copy() {
    auto& files = *world_->files;
    const auto kind = old_store(files, folder_);
    const auto path = store_path(folder_, kind);
    storage::copy_report report;
    {
      auto source = world_->open_engine(engine_name(kind), path);
      if (!source.ok()) return source.why();
      auto copied = storage::copy_engine(**source, *into_);
      if (!copied.ok()) return copied.why();
      report = *copied;
    }
    if (auto moved = move_store(files, kind, path, path + ".migrated"); !moved.ok()) return moved.why();
    if (auto gone = files.remove(mark_of(folder_)); !gone.ok()) return gone.why();
    log::info("node.store_moved", {{"from", engine_name(kind)}, {"keys", report.keys}, {"head", report.head}, {"target_head", report.target_head}});
    return std::to_string(report.keys) + " keys moved from " + engine_name(kind) + " to etcd and compared; revisions go on at " + std::to_string(report.target_head);
  }

  rt::self<mover_actor> self_;
  const rt::world* world_ = nullptr;
  std::string folder_;
  std::unique_ptr<storage::engine> into_;
  moved_actor owner_;
};

}  // namespace

result<void> undo_half_move(net::files& files, const std::string& folder) {
  if (!files.exists(mark_of(folder))) return {};
  if (has_store(files, folder, store::sqlite) || has_store(files, folder, store::rocksdb)) {
    const auto path = store_path(folder, store::embedded_etcd);
    if (files.in_use(path + "/member/snap/db")) return fail(errc::already_exists, path + " is in use: another server of this data directory runs");
    if (auto gone = files.remove_tree(path); !gone.ok()) return gone;
    log::warn("node.half_move_undone", {{"why", "the server ended while its objects were moved to etcd; they are still in the old datastore"}});
  }
  return files.remove(mark_of(folder));
}

result<bool> begin_move(const rt::world& in, const ground& on) {
  const bool sqlite = has_store(*in.files, on.folder, store::sqlite), rocks = has_store(*in.files, on.folder, store::rocksdb);
  const bool begins = on.kept_in == store::embedded_etcd && on.config.server.host.empty() && !in.files->exists(store_path(on.folder, store::embedded_etcd) + "/member");
  if (!begins || (!sqlite && !rocks)) return false;
  if (sqlite && rocks)
    return fail(errc::conflict, "there are two datastores, " + store_path(on.folder, store::sqlite) + " and " + store_path(on.folder, store::rocksdb) +
                                    ": move away the one whose objects shall not be taken into etcd");
  if (auto idle = ensure_idle(in, on.folder, sqlite ? store::sqlite : store::rocksdb); !idle.ok()) return idle.why();
  if (auto marked = in.files->write(mark_of(on.folder), "", 0600); !marked.ok()) return marked.why();
  return true;
}

mover_actor make_mover(const rt::world& in, std::string folder, std::unique_ptr<storage::engine> into, moved_actor owner) {
  return rt::spawn_slow<mover_actor, mover_state>(in, "", in, std::move(folder), std::move(into), std::move(owner));
}

}  // namespace troupe::node
