#include "actors/node/upkeep/migrate.hpp"

#include "actors/node/upkeep/stores.hpp"
#include "basis/bytes.hpp"
#include "storage/copy.hpp"

namespace troupe::node {
namespace {

result<store> kind_of(const std::string& text, const char* flag) {
  if (text == "sqlite") return store::sqlite;
  if (text == "rocksdb") return store::rocksdb;
  if (text == "etcd") return store::embedded_etcd;
  if (text.starts_with("https://") || text.starts_with("http://")) return store::external_etcd;
  return fail(errc::invalid, std::string(flag) + " must be sqlite, rocksdb, etcd or URLs of an etcd as https://HOST:2379");
}

class migration {
 public:
  migration(const rt::world& in, ground on, const observer& tell) : in_(in), on_(std::move(on)), tell_(tell), work_(on_.folder + "/db/migrating") {}

  result<reset_report> run(store from, store to, const std::string& from_url, const std::string& to_url) {
    if (auto clear = may_begin(from, to); !clear.ok()) return clear.why();
    if (auto gone = in_.files->remove_tree(work_); !gone.ok()) return gone.why();
    if (auto made = in_.files->make_folder(work_, 0700); !made.ok()) return made.why();
    auto done = copy(from, to, from_url, to_url);
    if (done.ok() && to != store::external_etcd) done = move_store(*in_.files, to, work_ + "/target", store_path(on_.folder, to));
    if (auto gone = in_.files->remove_tree(work_); done.ok() && !gone.ok()) done = gone;
    if (!done.ok()) return done.why();
    tell_next(from, to, to_url);
    return std::move(report_);
  }

 private:
  void did(std::string what) {
    if (tell_.on_step) tell_.on_step(what);
    report_.done.push_back(std::move(what));
  }
  result<void> may_begin(store from, store to) {
    for (const auto kind : {store::sqlite, store::rocksdb, store::embedded_etcd})
      if (auto idle = ensure_idle(in_, on_.folder, kind); !idle.ok()) return idle;
    if (from != store::external_etcd && !has_store(*in_.files, on_.folder, from))
      return fail(errc::not_found, "there is no " + std::string(engine_name(from)) + " datastore in " + store_path(on_.folder, from));
    if (to != store::external_etcd && in_.files->exists(store_path(on_.folder, to)))
      return fail(errc::already_exists, store_path(on_.folder, to) + " is there already: move it away first, nothing was touched");
    return {};
  }

  result<server_keys> keys() {
    auto on = on_;
    on.kept_in = store::embedded_etcd;   // makes etcd's certificates when there are none yet
    return settle_keys(in_, on);
  }

  result<opened_store> open_log(store kind, const std::string& path) {
    auto engine = in_.open_engine(engine_name(kind), path);
    if (!engine.ok()) return engine.why();
    return opened_store{nullptr, std::move(*engine)};
  }
  result<opened_store> open_external(const std::string& urls) {
    auto config = on_.config;
    config.datastore_endpoint = urls;
    auto access = external_access(in_, config);
    if (!access.ok()) return access.why();
    auto engine = in_.open_etcd(*access);
    if (!engine.ok()) return engine.why();
    return opened_store{nullptr, std::move(*engine)};
  }
  result<opened_store> open_member(const std::string& path, const std::string& name, membership::lone_etcd::begins how) {
    auto with = keys();
    if (!with.ok()) return with.why();
    auto etcd = membership::lone_etcd::start(in_, member_config(in_, on_, *with, path), name, how);
    if (!etcd.ok()) return etcd.why();
    return opened_store{std::move(*etcd), nullptr};
  }

  result<opened_store> open_source(store from, const std::string& urls) {
    if (from == store::external_etcd) return open_external(urls);
    const auto path = store_path(on_.folder, from);
    if (from == store::sqlite) return open_log(from, path);
    // Even a look writes to RocksDB's and etcd's logs (and of several members one alone could not look); so a copy is asked.
    const auto copy = work_ + "/source";
    if (auto copied = in_.files->copy(path, copy); !copied.ok()) return copied.why();
    if (from == store::rocksdb) return open_log(from, copy);
    return open_member(copy, "migrating", membership::lone_etcd::begins::without_fellows);
  }
  result<opened_store> open_target(store to, const std::string& urls) {
    if (to == store::external_etcd) return open_external(urls);
    const auto path = work_ + "/target";
    if (to != store::embedded_etcd) return open_log(to, path);
    const auto name = on_.node.text + "-" + to_hex(in_.chance->draw(4));
    if (auto made = in_.files->write(path + "/name", name, 0600); !made.ok()) return made.why();
    return open_member(path, name, membership::lone_etcd::begins::empty);
  }

  result<void> copy(store from, store to, const std::string& from_url, const std::string& to_url) {
    auto source = open_source(from, from_url);
    if (!source.ok()) return source.why();
    auto target = open_target(to, to_url);
    if (!target.ok()) return target.why();
    const auto copied = storage::copy_engine(source->engine(), target->engine());
    if (!copied.ok()) return fail(copied.why().code, copied.why().note + "; the source is as it was");
    did(std::to_string(copied->keys) + " keys (" + std::to_string(copied->bytes) + " bytes) from " + engine_name(from) + " to " + engine_name(to) +
        ", compared byte by byte");
    did("revisions go on at " + std::to_string(copied->target_head) + " (the source stood at " + std::to_string(copied->head) + ")");
    return {};
  }

  void tell_next(store from, store to, const std::string& to_url) {
    const auto old = store_path(on_.folder, from);
    // etcd's data decides over every flag, so it must be out of the way; the others do not disturb.
    if (from == store::embedded_etcd) report_.next.push_back("mv " + old + " " + old + ".migrated");
    report_.next.push_back("start this server with " + (to == store::external_etcd   ? "--datastore-endpoint=" + to_url
                                                        : to == store::embedded_etcd ? std::string("--cluster-init")
                                                                                     : "--datastore-endpoint=" + std::string(engine_name(to))));
    if (from != store::external_etcd) report_.next.push_back("the old data is still in " + old + ": remove it when you are content");
  }

  const rt::world& in_;
  ground on_;
  const observer& tell_;
  const std::string work_;
  reset_report report_;
};

}  // namespace

result<reset_report> migrate_store(const rt::world& in, server_config config, const std::string& from, const std::string& to, const observer& tell) {
  auto source = kind_of(from, "--from");
  if (!source.ok()) return source.why();
  auto target = kind_of(to, "--to");
  if (!target.ok()) return target.why();
  if (*source == *target) return fail(errc::invalid, "--from and --to name the same kind of datastore");
  auto on = settle_ground(in, std::move(config));
  if (!on.ok()) return on.why();
  return migration(in, std::move(*on), tell).run(*source, *target, from, to);
}

}  // namespace troupe::node
