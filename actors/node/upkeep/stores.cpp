#include "actors/node/upkeep/stores.hpp"

#include "actors/membership/bootstrap.hpp"
#include "net/tls/sealing.hpp"
#include "storage/await.hpp"

namespace troupe::node {

const char* engine_name(store kept_in) {
  switch (kept_in) {
    case store::sqlite: return "sqlite";
    case store::rocksdb: return "rocksdb";
    case store::embedded_etcd:
    case store::external_etcd: break;
  }
  return "etcd";
}

result<snapshots::keeper_config> snapshots_for(const rt::world& in, const ground& on, const server_keys& keys) {
  const auto& c = on.config;
  const endpoint at{on.binds_all() ? "127.0.0.1" : c.bind_address, c.https_port};
  if (auto told = in.files->write(on.folder + "/url", "https://" + to_string(at) + "\n", 0600); !told.ok()) return told.why();
  snapshots::keeper_config out;
  out.own_folder = c.snapshot_folder.empty();
  out.folder = out.own_folder ? on.folder + "/db/snapshots" : c.snapshot_folder;
  out.node = on.node.text;
  out.engine = engine_name(on.kept_in);
  out.version = c.version;
  out.cluster = in.issuer->ca_digest(keys.pki.server_ca.certificates);
  // Only when one is taken: stretching the password costs milliseconds of a start.
  out.seal_bootstrap = [files = in.files, folder = on.folder, chance = in.chance]() -> result<std::string> {
    const auto password = server_password(*files, folder);
    if (!password.ok()) return password.why();
    auto data = membership::gather_bootstrap(*files, folder);
    if (!data.ok()) return data.why();
    return net::tls::seal(*password, to_text(*data), chance->draw(net::tls::sealing_salt_bytes), chance->draw(net::tls::sealing_nonce_bytes));
  };
  out.schedule = c.disable_snapshots ? "" : c.snapshot_schedule;
  out.name = c.snapshot_name;
  out.keep = c.snapshots_kept;
  return out;
}

std::string store_path(const std::string& folder, store kind) {
  return folder + "/db/" + (kind == store::sqlite ? "state.db" : kind == store::rocksdb ? "rocks" : "etcd");
}

bool has_store(const net::files& files, const std::string& folder, store kind) {
  const auto path = store_path(folder, kind);
  return files.exists(kind == store::embedded_etcd ? path + "/member/snap/db" : path);
}

result<void> ensure_idle(const rt::world& in, const std::string& folder, store kind) {
  if (!has_store(*in.files, folder, kind)) return {};
  const auto path = store_path(folder, kind);
  const char* lock = kind == store::embedded_etcd ? "/member/snap/db" : kind == store::rocksdb ? "/LOCK" : "";
  if (in.files->in_use(path + lock)) return fail(errc::already_exists, path + " is in use: stop the server of this data directory first");
  return {};
}

result<void> move_store(net::files& files, store kind, const std::string& from, const std::string& to) {
  // The log first: without its database it is nothing, and a database without its log would be an older one.
  if (kind == store::sqlite && files.exists(from + "-wal"))
    if (auto moved = files.rename(from + "-wal", to + "-wal"); !moved.ok()) return moved;
  return files.rename(from, to);
}

membership::keeper_config member_config(const rt::world& in, const ground& on, const server_keys& keys, const std::string& path) {
  membership::keeper_config out;
  out.folder = path;
  out.tls_folder = on.folder + "/tls/etcd";
  out.node = on.node;
  out.address = on.address;
  out.client_port = on.config.etcd_client_port;
  out.peer_port = on.config.etcd_peer_port;
  out.access = {{}, keys.etcd.server_ca, std::string(keys.etcd.client.certificates), std::string(keys.etcd.client.key.reveal())};
  if (const auto kept = in.files->read(on.folder + "/cred/etcd-timers.json"); kept.ok())
    if (const auto read = membership::parse_timers(*kept); read.ok()) out.timers = *read;
  return out;
}

result<void> raise_and_verify(storage::engine& engine, storage::revision to) {
  using done = result<void>;
  const auto raised = storage::await<done>([&](storage::engine::done finished) { engine.raise_revision(to, std::move(finished)); });
  if (!raised.ok()) return raised;
  return storage::await<done>([&](storage::engine::done finished) { engine.verify(std::move(finished)); });
}

}  // namespace troupe::node
