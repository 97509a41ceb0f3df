#include "actors/node/prepare.hpp"

#include "actors/membership/bootstrap.hpp"
#include "actors/node/upkeep/authorities.hpp"
#include "actors/node/upkeep/mover.hpp"
#include "actors/node/upkeep/reset.hpp"
#include "actors/node/upkeep/stores.hpp"
#include "basis/log.hpp"

namespace troupe::node {

namespace {

/// When this server last wrote anything, by the clock it had then: the datastore's files are the newest there are.
wall_time last_written(const net::files& from, const std::string& folder) {
  wall_time out{};
  for (const char* below : {"", "/cred", "/db", "/db/rocks", "/db/etcd", "/db/etcd/member/snap", "/db/etcd/member/wal"})
    if (const auto names = from.list(folder + below); names.ok())
      for (const auto& one : *names)
        if (!one.folder) out = std::max(out, one.written);
  return out;
}

}  // namespace

std::optional<std::string> clock_trouble(const rt::world& in, const server_config& config, duration waited) {
  const auto folder = config.data_folder + "/server";
  const auto text = in.files->read(folder + "/tls/server-ca.crt");
  if (!text.ok()) return std::nullopt;
  const auto facts = in.issuer->read(*text);
  if (!facts.ok()) return std::nullopt;
  const auto now = in.wall->now();
  const std::string shows = "the clock: it shows " + to_rfc3339(now) + ", and this ", right = "set it right (`timedatectl`), the start goes on by itself";
  if (facts->not_before > now) return shows + "cluster's authority began " + to_rfc3339(facts->not_before) + "; " + right;
  // What waits for this start may be there because of that.
  if (facts->not_after <= now && staged_authorities(*in.files, folder).is_null())
    return shows + "cluster's authority ended " + to_rfc3339(facts->not_after) + "; if it is ahead, " + right + "; if it is right, other authorities are needed: docs/operations/certificates.md";
  const auto last = last_written(*in.files, folder);
  if (last == wall_time{} || now - last <= clock_absence) return std::nullopt;
  if (waited < clock_patience)
    return shows + "server last wrote anything " + to_rfc3339(last) + "; if it is ahead, " + right + "; if it is right, wait ten minutes, or `touch " + folder + "/url`";
  log::warn("node.clock_doubted", {{"clock", to_rfc3339(now)}, {"last_written", to_rfc3339(last)}, {"next", "the server starts all the same; what it signs by a clock that is ahead it signs anew once that is right"}});
  return std::nullopt;
}

result<std::shared_ptr<prepared_server>> prepare(const rt::world& in, server_config config, const observer& tell) {
  const auto step = [&](const std::string& text) { if (tell.on_step) tell.on_step(text); };
  auto out = std::make_shared<prepared_server>();
  if (auto undone = undo_half_move(*in.files, config.data_folder + "/server"); !undone.ok()) return undone.why();
  auto on = settle_ground(in, std::move(config));
  if (!on.ok()) return on.why();
  out->on = std::move(*on);
  if (auto forgotten = forget_reset(*in.files, out->on.folder); !forgotten.ok()) return forgotten.why();
  auto moves = begin_move(in, out->on);
  if (!moves.ok()) return moves.why();
  out->moves = *moves;
  const bool rocks = out->on.kept_in == store::rocksdb;
  if (!rocks && out->on.kept_in != store::sqlite) {   // what follows needs answers from elsewhere
    if (out->on.kept_in == store::external_etcd)
      if (auto access = external_access(in, out->on.config); !access.ok()) return access.why();
    return out;
  }
  // First, because only one process can hold it: a second server must not touch the first one's files.
  auto engine = rocks ? in.open_engine("rocksdb", out->on.folder + "/db/rocks") : in.open_engine("sqlite", out->on.folder + "/db/state.db");
  if (!engine.ok()) return engine.why();
  out->engine = std::move(*engine);
  step("datastore open at revision " + std::to_string(out->engine->status().head));
  if (auto adopted = adopt_authorities(in, out->on.folder); !adopted.ok()) return adopted.why();
  auto keys = settle_keys(in, out->on);
  if (!keys.ok()) return keys.why();
  out->keys = std::move(*keys);
  step("certificates and tokens ready");
  return out;
}

apiserver::guard_config guard_of(const ground& on, const server_keys& keys) {
  apiserver::guard_config out;
  out.bearer_server = keys.passwords.server;
  out.bearer_agent = keys.passwords.agent;
  // K3s's audiences; the first is a token's when nobody asks for another.
  out.tokens.issuer = "https://kubernetes.default.svc." + on.config.cluster_domain;
  out.tokens.audiences = {out.tokens.issuer, "k3s"};
  out.tokens.keys = keys.pki.service_key;
  return out;
}

secrets::keys_config keys_config_of(const rt::world& in, const ground& on, const server_keys& keys) {
  secrets::keys_config out;
  out.folder = on.folder;
  out.node = on.node;
  out.now = keys.encryption;
  out.seal = secrets::keys_seal(*in.issuer, keys.pki.server_ca.key);
  out.others = seals_beside(in, on.folder, secrets::keys_seal);
  return out;
}

supervisor::gate_config edge_of(const rt::world& in, const ground& on, const server_keys& keys) {
  supervisor::gate_config out;
  out.server_ca = keys.pki.server_ca.certificates;
  out.client_ca = keys.pki.client_ca.certificates;
  out.server_password = keys.passwords.server;
  out.agent_password = keys.passwords.agent;
  out.config = agent_view(on.config);
  out.servers = {to_string(on.advertised())};
  if (on.kept_in != store::embedded_etcd) return out;
  out.bootstrap = [files = in.files, folder = on.folder]() -> result<std::string> {
    auto data = membership::gather_bootstrap(*files, folder);
    if (!data.ok()) return data.why();
    return to_text(*data);
  };
  return out;
}

controllers::presence_config presence_of(const rt::world& in, const ground& on, bool member) {
  controllers::presence_config alive;
  alive.node = on.node;
  alive.advertised = on.advertised();
  if (on.config.disable_agent) return alive;
  alive.marks["labels"]["node-role.kubernetes.io/control-plane"] = "true";
  if (!member) return alive;
  alive.member = true;
  const auto name = in.files->read(on.folder + "/db/etcd/name");
  alive.marks["labels"]["node-role.kubernetes.io/etcd"] = "true";
  alive.marks["annotations"] = {{"etcd.k3s.cattle.io/node-name", name.ok() ? *name : std::string()}, {"etcd.k3s.cattle.io/node-address", on.address}};
  return alive;
}

}  // namespace troupe::node
