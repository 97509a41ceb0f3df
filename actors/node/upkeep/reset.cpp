#include "actors/node/upkeep/reset.hpp"

#include "actors/membership/bootstrap.hpp"
#include "actors/node/upkeep/authorities.hpp"
#include "actors/node/upkeep/stores.hpp"
#include "actors/registration/token.hpp"
#include "basis/bytes.hpp"
#include "net/tls/sealing.hpp"
#include "storage/copy.hpp"
#include "storage/etcd_wal.hpp"

namespace troupe::node {
namespace {

constexpr const char* reset_flag = "/db/reset-flag";

result<secret_text> token_of(const rt::world& in, const ground& on) {
  auto text = std::string(on.config.token.reveal());
  if (text.empty()) {
    auto kept = in.files->read(on.folder + "/token");
    if (!kept.ok()) return fail(errc::invalid, "the snapshot is sealed under its cluster's token, and " + on.folder + "/token is not there: give it with --token");
    text = std::move(*kept);
    while (!text.empty() && text.back() == '\n') text.pop_back();
  }
  auto token = registration::parse_token(text);
  if (!token.ok()) return fail(errc::invalid, "--token: " + token.why().note);
  if (token->is_bootstrap()) return fail(errc::invalid, "--token: a bootstrap token opens no snapshot; the cluster's own is needed");
  return token->password;
}

struct checked_snapshot {
  snapshots::manifest what;
  json bootstrap;
  store kind = store::sqlite;
};

result<store> kind_for(const rt::world& in, const ground& on, const snapshots::manifest& of, const std::string& path) {
  const auto kind = of.engine == "sqlite" ? store::sqlite : of.engine == "rocksdb" ? store::rocksdb : store::embedded_etcd;
  if (on.kept_in == store::external_etcd) return fail(errc::unsupported, "a snapshot cannot be restored into an etcd of others (--datastore-endpoint): use etcd's own tools there");
  // A new machine that was told nothing takes what the snapshot is of; etcd's data then decides by itself.
  const bool blank = !has_store(*in.files, on.folder, store::sqlite) && on.kept_in == store::sqlite && on.config.datastore_endpoint.empty();
  if (kind == on.kept_in || (blank && kind == store::embedded_etcd)) return kind;
  return fail(errc::invalid, path + " is a snapshot of " + of.engine + ", and this server keeps its objects in " + engine_name(on.kept_in) + ": nothing was touched" +
                                 (kind == store::rocksdb ? "; did you mean --datastore-endpoint=rocksdb?" : ""));
}

/// Reads and judges; changes nothing.
result<checked_snapshot> check_snapshot(const rt::world& in, const ground& on) {
  const auto& path = on.config.restore_path;
  auto& files = *in.files;
  if (!files.exists(path)) return fail(errc::not_found, "there is no snapshot " + path);
  const auto text = files.read(path + ".json");
  if (!text.ok()) return fail(errc::invalid, path + ".json cannot be read: it is saved beside every snapshot and belongs to it (" + text.why().note + ")");
  auto read = snapshots::parse_manifest(*text);
  if (!read.ok()) return fail(errc::invalid, path + ".json: " + read.why().note);
  checked_snapshot out;
  out.what = std::move(*read);
  auto kind = kind_for(in, on, out.what, path);
  if (!kind.ok()) return kind.why();
  out.kind = *kind;
  const auto sum = files.sha256(path);
  if (!sum.ok()) return sum.why();
  if (to_hex(*sum) != out.what.sha256) return fail(errc::corrupt, path + " is cut off or altered: it does not fit the digest in " + path + ".json; nothing was touched");
  if (const auto own = files.read(on.folder + "/tls/server-ca.crt"); own.ok() && in.issuer->ca_digest(*own) != out.what.cluster)
    return fail(errc::untrusted, path + " is a snapshot of another cluster, or of this one before `troupe certificate rotate-ca` (its CA's digest is " + out.what.cluster +
                                     "): nothing was touched. To go back to that one with the authorities it had, move " + on.folder + "/tls and " + on.folder + "/cred/authorities-generation away first");
  auto token = token_of(in, on);
  if (!token.ok()) return token.why();
  const auto plain = net::tls::unseal(*token, out.what.bootstrap);
  if (!plain.ok()) return fail(errc::untrusted, path + " cannot be opened with this token: it is of another cluster, or the cluster's token was another then; nothing was touched");
  auto data = parse_json(*plain);
  if (!data.ok()) return fail(errc::corrupt, path + ".json: its bootstrap data cannot be read; nothing was touched");
  if (auto fits = membership::check_bootstrap(files, on.folder, *data); !fits.ok()) return fail(fits.code(), fits.why().note + "; nothing was touched");
  out.bootstrap = std::move(*data);
  return out;
}

class resetter {
 public:
  resetter(const rt::world& in, ground on, const observer& tell) : in_(in), on_(std::move(on)), tell_(tell) {
    stamp_ = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(in.wall->now().time_since_epoch()).count());
  }

  result<reset_report> run() {
    if (auto idle = idle_all(); !idle.ok()) return idle.why();
    auto done = on_.config.restore_path.empty() ? reset() : restore();
    if (!done.ok()) return done.why();
    if (auto flagged = in_.files->write(on_.folder + reset_flag, "", 0600); !flagged.ok()) return flagged.why();
    return std::move(report_);
  }

 private:
  void did(std::string what) {
    if (tell_.on_step) tell_.on_step(what);
    report_.done.push_back(std::move(what));
  }
  result<void> idle_all() {
    for (const auto kind : {store::sqlite, store::rocksdb, store::embedded_etcd})
      if (auto idle = ensure_idle(in_, on_.folder, kind); !idle.ok()) return idle;
    return {};
  }
  result<server_keys> keys() {
    auto out = settle_keys(in_, on_);
    if (out.ok()) did("certificates and tokens ready");
    return out;
  }
  std::string next_start() const { return "start this server again without --cluster-reset"; }

  // --- one member of what is there -------------------------------------------------------------

  result<void> reset() {
    if (on_.kept_in != store::embedded_etcd || !has_store(*in_.files, on_.folder, store::embedded_etcd))
      return fail(errc::invalid, "there is nothing to reset: this server has no etcd of its own in " + on_.folder + "/db/etcd");
    if (in_.files->exists(on_.folder + reset_flag))
      return fail(errc::conflict, "the cluster was reset already: " + next_start() + ", or remove " + on_.folder + reset_flag + " to reset it again");
    const auto path = store_path(on_.folder, store::embedded_etcd);
    auto name = in_.files->read(path + "/name");
    if (!name.ok()) return name.why();
    while (!name->empty() && name->back() == '\n') name->pop_back();
    auto made = keys();
    if (!made.ok()) return made.why();
    if (auto all = commit_all(path + "/member/wal"); !all.ok()) return all;
    if (auto done = settle_etcd(*made, path, *name, membership::lone_etcd::begins::without_fellows, 0); !done.ok()) return done;
    if (auto gone = in_.files->remove(path + "/tombstone"); !gone.ok()) return gone;
    did("this server is the only member of its etcd");
    tell_others();
    return {};
  }
  /// An etcd that was killed has not noted its last writes as committed yet; without that the reset would drop them.
  result<void> commit_all(const std::string& folder) {
    const auto there = in_.files->list(folder);
    if (!there.ok()) return there.why();
    std::string last;   // "0000000000000001-00000000000003e9.wal": number, index of the first entry
    for (const auto& one : *there)
      if (one.name.size() == 37 && one.name.ends_with(".wal")) last = std::max(last, one.name);
    if (last.empty()) return fail(errc::corrupt, folder + " holds no log of etcd");
    const auto path = folder + "/" + last;
    auto text = in_.files->read(path);
    if (!text.ok()) return text.why();
    const auto whole = storage::with_all_committed(*text, std::strtoull(last.c_str() + 17, nullptr, 16));
    if (!whole.ok()) return fail(whole.code(), path + ": " + whole.why().note);
    if (*whole == *text) return {};
    if (auto done = in_.files->write(path, *whole, 0600); !done.ok()) return done;
    did("writes that etcd had not noted as committed when it was killed are kept");
    return {};
  }
  void tell_others() {
    report_.next.push_back(next_start());
    report_.next.push_back("on every other server: stop it, move " + on_.folder + "/db/etcd away, start it with --server https://" + to_string(on_.advertised()));
  }

  /// No revision that anybody may have seen comes again.
  result<void> settle_etcd(const server_keys& with, const std::string& path, const std::string& name, membership::lone_etcd::begins how, storage::revision least) {
    auto etcd = membership::lone_etcd::start(in_, member_config(in_, on_, with, path), name, how);
    if (!etcd.ok()) return etcd.why();
    auto& engine = (*etcd)->engine();
    const auto head = storage::await<result<storage::revision>>([&](storage::engine::head_done done) { engine.read_head(std::move(done)); });
    if (!head.ok()) return head.why();
    const auto to = std::max(*head, least) + storage::copy_margin_revisions;
    if (auto raised = raise_and_verify(engine, to); !raised.ok()) return raised;
    did("revisions go on at " + std::to_string(to));
    return {};
  }

  // --- a snapshot ------------------------------------------------------------------------------

  result<void> restore() {
    auto checked = check_snapshot(in_, on_);
    if (!checked.ok()) return checked.why();
    const auto& what = checked->what;
    did("snapshot of " + to_rfc3339(what.taken) + " at revision " + std::to_string(what.head) + " is whole");
    on_.kept_in = checked->kind;
    const auto aside = store_path(on_.folder, checked->kind) + "-old-" + stamp_;
    const auto fresh = on_.folder + "/db/restoring";
    if (auto gone = in_.files->remove_tree(fresh); !gone.ok()) return gone;
    if (auto made = in_.files->make_folder(fresh, 0700); !made.ok()) return made;
    auto done = checked->kind == store::embedded_etcd ? restore_etcd(*checked, aside) : restore_log(*checked, fresh, aside);
    if (auto gone = in_.files->remove_tree(fresh); !gone.ok()) return gone;
    if (!done.ok()) return done;
    if (checked->kind == store::embedded_etcd) tell_others();
    else report_.next.push_back(next_start());
    return {};
  }

  result<void> apply_files(const checked_snapshot& from) {
    if (in_.files->exists(on_.folder + "/tls"))
      if (auto kept = in_.files->copy(on_.folder + "/tls", on_.folder + "/tls-" + stamp_); !kept.ok()) return kept;
    if (auto done = forget_staged(*in_.files, on_.folder); !done.ok()) return done;
    return membership::apply_bootstrap(*in_.files, on_.folder, from.bootstrap);
  }

  /// What stands there now keeps its data under another name.
  result<void> put_aside(store kind, const std::string& aside) {
    const auto path = store_path(on_.folder, kind);
    if (!in_.files->exists(path)) return {};
    if (auto moved = move_store(*in_.files, kind, path, aside); !moved.ok()) return moved;
    did("the data of before is in " + aside);
    return {};
  }

  result<void> restore_log(const checked_snapshot& from, const std::string& fresh, const std::string& aside) {
    const auto copy = fresh + "/store";
    if (auto copied = in_.files->copy(on_.config.restore_path, copy); !copied.ok()) return copied;
    {
      auto engine = in_.open_engine(from.what.engine, copy);
      if (!engine.ok()) return engine.why();
      const auto to = std::max((*engine)->status().head, from.what.head + storage::copy_margin_revisions);
      if (auto raised = raise_and_verify(**engine, to); !raised.ok()) return raised;
      did(std::to_string((*engine)->status().keys) + " keys verified; revisions go on at " + std::to_string(to));
    }
    if (auto applied = apply_files(from); !applied.ok()) return applied;
    if (auto moved = put_aside(from.kind, aside); !moved.ok()) return moved;
    if (auto moved = move_store(*in_.files, from.kind, copy, store_path(on_.folder, from.kind)); !moved.ok()) return moved;
    auto made = keys();
    return made.ok() ? result<void>() : made.why();
  }

  result<void> restore_etcd(const checked_snapshot& from, const std::string& aside) {
    const auto name = on_.node.text + "-" + to_hex(in_.chance->draw(4));
    const auto at = on_.folder + "/db/restoring/etcd";
    const auto peer = membership::etcd_url(on_.address, on_.config.etcd_peer_port);
    net::process_order order;
    order.arguments = {"etcdctl", "snapshot", "restore", on_.config.restore_path, "--name=" + name, "--initial-cluster=" + name + "=" + peer,
                       "--initial-advertise-peer-urls=" + peer, "--data-dir=" + at};
    order.environment = {"ETCDCTL_API=3"};
    auto ended = membership::run_to_end(in_, std::move(order));
    if (!ended.ok() && ended.code() == errc::not_found) return fail(errc::not_found, "restoring etcd needs the program etcdctl, and there is none in PATH; on Debian: apt-get install etcd-client");
    if (!ended.ok()) return ended.why();
    if (ended->status != 0 || ended->signal != 0) return fail(errc::internal, "etcdctl snapshot restore failed: " + (ended->last_lines.empty() ? "" : ended->last_lines.back()));
    if (auto named = in_.files->write(at + "/name", name, 0600); !named.ok()) return named;
    if (auto applied = apply_files(from); !applied.ok()) return applied;
    auto made = keys();
    if (!made.ok()) return made.why();
    if (auto done = settle_etcd(*made, at, name, membership::lone_etcd::begins::with_its_data, from.what.head); !done.ok()) return done;
    if (auto moved = put_aside(store::embedded_etcd, aside); !moved.ok()) return moved;
    return in_.files->rename(at, store_path(on_.folder, store::embedded_etcd));
  }

  const rt::world& in_;
  ground on_;
  const observer& tell_;
  reset_report report_;
  std::string stamp_;
};

}  // namespace

result<reset_report> reset_server(const rt::world& in, server_config config, const observer& tell) {
  auto on = settle_ground(in, std::move(config));
  if (!on.ok()) return on.why();
  return resetter(in, std::move(*on), tell).run();
}

result<void> forget_reset(net::files& files, const std::string& folder) { return files.remove(folder + reset_flag); }

}  // namespace troupe::node
