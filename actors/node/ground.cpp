#include "actors/node/ground.hpp"

#include <algorithm>

#include "actors/membership/bootstrap.hpp"
#include "actors/registration/token.hpp"
#include "actors/snapshots/cron.hpp"
#include "actors/snapshots/manifest.hpp"
#include "actors/node/upkeep/authorities.hpp"
#include "basis/bytes.hpp"
#include "actors/controllers/node_ipam/pool.hpp"
#include "actors/egress/routes.hpp"
#include "actors/flannel/plan.hpp"
#include "basis/log.hpp"
#include "net/tls/sealing.hpp"

namespace troupe::node {

std::vector<std::string> problems(const server_config& config) {
  std::vector<std::string> out;
  if (!config.bind_address.empty() && !is_ip_address(config.bind_address)) out.emplace_back("--bind-address must be an IP address");
  if (!config.advertise_address.empty() && !is_ip_address(config.advertise_address)) out.emplace_back("--advertise-address must be an IP address");
  if (config.https_port == config.balancer_port && !config.disable_agent) out.emplace_back("--https-listen-port and --lb-server-port must differ");
  for (const auto& a : config.node_addresses)
    if (!is_ip_address(a)) out.emplace_back("--node-ip must be an IP address, and \"" + a + "\" is none");
  if (config.service_cidr.find('/') == std::string::npos) out.emplace_back("--service-cidr must be a network, as in 10.43.0.0/16");
  if (const auto pods = controllers::parse_network4(config.cluster_cidr); !pods.ok()) out.push_back("--cluster-cidr: " + pods.why().note);
  if (!flannel::parse_backend(config.flannel_backend))
    out.emplace_back("--flannel-backend is vxlan, host-gw or none, and not \"" + config.flannel_backend + "\" (wireguard-native is a K3s backend that this version of troupe does not have)");
  if (!egress::parse_egress_mode(config.egress_mode))
    out.emplace_back("--egress-selector-mode is agent, cluster, pod or disabled, and not \"" + config.egress_mode + "\"");
  if (config.secrets_encryption_provider != "aescbc")
    out.emplace_back("--secrets-encryption-provider: this version of troupe has aescbc, and not \"" + config.secrets_encryption_provider + "\" (secretbox is a K3s feature that it does not have)");
  if (!config.server.host.empty() && config.token.empty()) out.emplace_back("--server needs --token: take it from <data-dir>/server/token on the server to join");
  if (!config.server.host.empty() && !config.datastore_endpoint.empty()) out.emplace_back("--server joins embedded etcd, and --datastore-endpoint names another datastore: give one of them");
  if (config.cluster_init && !config.datastore_endpoint.empty()) out.emplace_back("--cluster-init begins an embedded etcd, and --datastore-endpoint names another datastore: give one of them");
  if (const auto schedule = snapshots::schedule::parse(config.snapshot_schedule); !schedule.ok()) out.push_back("--etcd-snapshot-schedule-cron: " + schedule.why().note);
  if (!snapshots::is_good_name(config.snapshot_name) || config.snapshot_name.size() > 64) out.emplace_back("--etcd-snapshot-name is made of at most 64 letters, digits, '.', '-' and '_'");
  if (!config.snapshot_folder.empty() && config.snapshot_folder[0] != '/') out.emplace_back("--etcd-snapshot-dir must be a full path");
  if (config.cluster_reset && !config.server.host.empty()) out.emplace_back("--cluster-reset makes a cluster of this server alone, and --server joins another: leave --server out");
  if (!config.restore_path.empty() && !config.cluster_reset) out.emplace_back("--cluster-reset-restore-path needs --cluster-reset");
  return out;
}

result<ground> settle_ground(const rt::world& in, server_config config) {
  ground out;
  auto node = resolve_name(in, config);
  if (!node.ok()) return node.why();
  out.node = *node;
  out.config = std::move(config);
  const auto& c = out.config;
  out.address = !c.node_addresses.empty() ? c.node_addresses.front()
                : !out.binds_all()        ? c.bind_address
                                          : in.machine->facts(c.data_folder).default_address;
  out.folder = c.data_folder + "/server";
  if (auto made = in.files->make_folder(out.folder, 0700); !made.ok())
    return fail(made.why().code, "the data directory " + c.data_folder + " cannot be used: " + made.why().note + "; choose another with --data-dir");
  const bool has_etcd = in.files->exists(out.folder + "/db/etcd/member/wal") || in.files->exists(out.folder + "/db/etcd/tombstone");
  if (has_etcd) {
    out.kept_in = store::embedded_etcd;
    if (!c.datastore_endpoint.empty()) log::warn("node.datastore_flag_ignored", {{"why", "this server has embedded etcd in " + out.folder + "/db/etcd"}});
  } else if (c.datastore_endpoint.empty()) {
    if (c.cluster_init || !c.server.host.empty()) out.kept_in = store::embedded_etcd;
  } else if (c.datastore_endpoint == "rocksdb") {
    out.kept_in = store::rocksdb;
  } else if (c.datastore_endpoint == "sqlite") {
    out.kept_in = store::sqlite;
  } else {
    out.kept_in = store::external_etcd;
  }
  const bool has_data = in.files->exists(out.folder + "/db/etcd/member/wal") && !in.files->exists(out.folder + "/db/etcd/tombstone");
  const bool may_ask = out.kept_in == store::embedded_etcd && !c.server.host.empty();
  const auto had = may_ask && has_data ? server_password(*in.files, out.folder) : result<secret_text>(errc::not_found, "");
  const auto given = registration::parse_token(c.token.reveal());
  out.rejoining = had.ok() && given.ok() && !given->password.empty() && given->password.reveal() != had->reveal();
  out.joining = may_ask && (!has_data || out.rejoining);
  return out;
}

namespace {

/// The keys of Secrets as the files have them, whatever the flags say; made when --secrets-encryption asks for it.
result<std::optional<secrets::encryption>> settle_encryption(const rt::world& in, const ground& on) {
  using found = std::optional<secrets::encryption>;
  const auto path = on.folder + std::string(secrets::config_file);
  auto text = in.files->read(path);
  if (text.ok()) {
    auto read = secrets::parse_encryption(*text);
    if (!read.ok()) return fail(read.code(), path + " cannot be used: " + read.why().note);
    return found(std::move(*read));
  }
  if (text.code() != errc::not_found) return text.why();
  if (in.files->exists(on.folder + std::string(secrets::state_file)))
    return fail(errc::corrupt, path + " is missing, and without the keys in it the cluster's Secrets cannot be read: restore it from a backup, or from another server");
  if (!on.config.secrets_encryption) return found();
  // In a cluster whose servers share a datastore the others would not know the key.
  const bool shared = on.kept_in == store::embedded_etcd || on.kept_in == store::external_etcd;
  if (shared && in.files->exists(on.folder + "/tls/server-ca.key"))
    return fail(errc::invalid, "--secrets-encryption: this server's cluster was begun without it, and its other servers do not know a key that is made here; "
                               "leave the flag out, and switch encryption on with `troupe secrets-encrypt enable` while the servers run");
  auto made = secrets::make_encryption(in, on.folder);
  if (!made.ok()) return made.why();
  return found(std::move(*made));
}

}  // namespace

result<certificates::pki> settle_pki(const rt::world& in, const ground& on) {
  const auto& config = on.config;
  certificates::pki_config pki;
  pki.life = config.certificate_life;
  pki.folder = on.folder + "/tls";
  pki.cluster_domain = config.cluster_domain;
  pki.dns_names = {on.node.text};
  pki.addresses = {on.address, config.service_cidr.substr(0, config.service_cidr.rfind('.')) + ".1"};
  if (!on.binds_all()) pki.addresses.push_back(config.bind_address);
  pki.addresses.insert(pki.addresses.end(), config.node_addresses.begin(), config.node_addresses.end());
  if (!config.advertise_address.empty()) pki.addresses.push_back(config.advertise_address);
  for (const auto& san : config.tls_sans) (is_ip_address(san) ? pki.addresses : pki.dns_names).push_back(san);
  auto keys = certificates::load_or_make(in, pki);
  if (!keys.ok()) return keys.why();
  if (auto written = write_kubeconfig(in, config, *keys); !written.ok())
    return fail(written.why().code, "the admin kubeconfig " + config.kubeconfig_path + " cannot be written: " + written.why().note + "; choose another place with --write-kubeconfig");
  return keys;
}

result<certificates::etcd_pki> settle_etcd_pki(const rt::world& in, const ground& on) {
  return certificates::load_or_make_etcd(in, on.folder + "/tls/etcd", {on.address}, on.node.text, on.config.certificate_life);
}

result<server_keys> settle_keys(const rt::world& in, const ground& on) {
  const auto& config = on.config;
  server_keys out;
  auto encryption = settle_encryption(in, on);   // before there is a certificate authority: that tells whether the cluster is new
  if (!encryption.ok()) return encryption.why();
  out.encryption = std::move(*encryption);
  auto keys = settle_pki(in, on);
  if (!keys.ok()) return keys.why();
  out.pki = std::move(*keys);
  if (on.kept_in == store::embedded_etcd) {
    auto etcd = settle_etcd_pki(in, on);
    if (!etcd.ok()) return etcd.why();
    out.etcd = std::move(*etcd);
  }
  const auto digest = in.issuer->ca_digest(out.pki.server_ca.certificates);
  auto passwords = settle_passwords(in, config, digest, on.kept_in == store::embedded_etcd || on.kept_in == store::external_etcd);
  if (!passwords.ok()) return passwords.why();
  out.passwords = std::move(*passwords);
  out.join_token = secret_text("K10" + digest + "::node:" + std::string(out.passwords.agent.reveal()));
  return out;
}

result<storage::etcd_access> external_access(const rt::world& in, const server_config& config) {
  storage::etcd_access out;
  const std::string& all = config.datastore_endpoint;
  for (std::size_t from = 0; from <= all.size();) {
    const auto comma = std::min(all.find(',', from), all.size());
    const auto one = all.substr(from, comma - from);
    from = comma + 1;
    if (one.starts_with("https://") || one.starts_with("http://")) out.endpoints.push_back(one);
    else
      return fail(errc::invalid, "--datastore-endpoint: \"" + one + "\" is none of sqlite, rocksdb, and URLs of an etcd as https://HOST:2379,https://HOST:2379"
                                 " (mysql, postgres and nats are K3s features that this version of troupe does not have)");
  }
  const struct { const std::string& path; std::string& into; const char* flag; } files[] = {
      {config.datastore_ca, out.ca, "--datastore-cafile"}, {config.datastore_certificate, out.certificate, "--datastore-certfile"},
      {config.datastore_key, out.key, "--datastore-keyfile"}};
  for (const auto& f : files) {
    if (f.path.empty()) continue;
    auto text = in.files->read(f.path);
    if (!text.ok()) return fail(errc::invalid, std::string(f.flag) + ": " + text.why().note);
    f.into = std::move(*text);
  }
  if (out.certificate.empty() != out.key.empty()) return fail(errc::invalid, "--datastore-certfile and --datastore-keyfile belong together");
  if (!out.certificate.empty()) {
    const auto facts = in.issuer->read(out.certificate);
    if (!facts.ok()) return fail(errc::invalid, "--datastore-certfile: " + config.datastore_certificate + " holds no certificate");
    if (facts->not_after < in.wall->now())
      return fail(errc::invalid, "--datastore-certfile: the certificate in " + config.datastore_certificate + " ran out on " + to_rfc3339(facts->not_after) + "; ask whoever runs the etcd for a new one");
  }
  return out;
}

result<membership::etcd_timers> settle_timers(const rt::world& in, const ground& on) {
  const auto path = on.folder + "/cred/etcd-timers.json";
  auto kept = in.files->read(path);
  if (kept.ok()) return membership::parse_timers(*kept);
  if (kept.code() != errc::not_found) return kept.why();
  auto sync = in.files->measure_sync(on.folder);
  if (!sync.ok()) return sync.why();
  const auto chosen = membership::choose_timers(*sync);
  log::info("node.etcd_timers_chosen", {{"sync_p99_us", std::chrono::duration_cast<std::chrono::microseconds>(*sync).count()},
                                        {"heartbeat_ms", chosen.heartbeat_ms}, {"election_ms", chosen.election_ms}});
  if (auto written = in.files->write(path, membership::timers_text(chosen), 0600); !written.ok()) return written.why();
  return chosen;
}

membership::keeper_config member_config(const ground& on, const server_keys& keys, membership::etcd_timers timers) {
  membership::keeper_config out;
  out.folder = on.folder + "/db/etcd";
  out.tls_folder = on.folder + "/tls/etcd";
  out.node = on.node;
  out.address = on.address;
  out.client_port = on.config.etcd_client_port;
  out.peer_port = on.config.etcd_peer_port;
  out.loopback_too = on.binds_all();
  out.join = !on.config.server.host.empty();
  out.access = {{}, keys.etcd.server_ca, keys.etcd.client.certificates, std::string(keys.etcd.client.key.reveal())};
  out.timers = timers;
  out.quota_bytes = on.config.etcd_quota_bytes;
  return out;
}

namespace {

/// As given, else as this server had it before; empty when it is yet to be made.
secret_text kept_token(const rt::world& in, const ground& on) {
  auto text = on.config.token;
  if (text.empty())
    if (auto kept = in.files->read(on.folder + "/token"); kept.ok()) {
      while (!kept->empty() && kept->back() == '\n') kept->pop_back();
      text = secret_text(std::move(*kept));
    }
  if (text.empty()) return {};
  auto token = registration::parse_token(text.reveal());
  return token.ok() ? token->password : secret_text();
}

/// The token that holds by now, for a server that was away when it was changed: only servers can read the record.
secret_text changed_token(const rt::world& in, const ground& on, const std::vector<storage::record>& stored) {
  const auto record = std::ranges::find(stored, secrets::token_key, &storage::record::key);
  const auto ca_key = in.files->read(on.folder + "/tls/server-ca.key");
  if (record == stored.end() || !ca_key.ok()) return {};
  auto token = secrets::open_record(secrets::token_seal(*in.issuer, secret_text(*ca_key)), seals_beside(in, on.folder, secrets::token_seal), record->value.view());
  return token.ok() ? secret_text(std::move(token->text)) : secret_text();
}

/// Newer authorities first, with what goes with them.
result<void> take_files(const rt::world& in, const ground& on, const json& bootstrap) {
  if (auto newer = take_authorities(*in.files, on.folder, bootstrap); !newer.ok()) return newer.why();
  if (auto adopted = adopt_authorities(in, on.folder); !adopted.ok()) return adopted.why();
  return membership::apply_bootstrap(*in.files, on.folder, bootstrap);
}

}  // namespace

result<bool> take_stored_bootstrap(const rt::world& in, const ground& on, const std::vector<storage::record>& stored) {
  auto token = kept_token(in, on);
  const auto under = [&](const secret_text& one) {
    const auto key = one.empty() ? std::string() : membership::bootstrap_key(in.issuer->sha256(one.reveal()));
    return std::find_if(stored.begin(), stored.end(), [&](const auto& r) { return r.key == key; });
  };
  auto found = under(token);
  if (found == stored.end() && on.config.token.empty()) token = changed_token(in, on, stored), found = under(token);
  if (found == stored.end() && stored.empty()) return false;
  if (found == stored.end())
    return fail(errc::untrusted, "bootstrap data already found and encrypted with different token: another cluster, or the same one with another token, "
                                 "uses this datastore; start with its --token");
  auto plain = net::tls::unseal(token, found->value.view());
  const auto read = plain.ok() ? parse_json(*plain) : result<json>(plain.why());
  if (!read.ok()) return fail(errc::untrusted, "the bootstrap data in the datastore cannot be read: " + read.why().note);
  if (auto done = take_files(in, on, *read); !done.ok()) return done.why();
  return true;
}

result<void> take_joined_bootstrap(const rt::world& in, const ground& on, const json& told) {
  if (on.rejoining) {
    if (!shares_authorities(*in.files, on.folder, told))
      return fail(errc::untrusted, "the server at " + to_string(on.config.server) + " is of another cluster: it has no key in common with " + on.folder +
                                       "/tls; to leave this server's cluster for that one, delete its node there and start with an empty --data-dir");
    return take_files(in, on, told);
  }
  if (auto done = forget_staged(*in.files, on.folder); !done.ok()) return done;
  return membership::apply_bootstrap(*in.files, on.folder, told);
}

result<storage::operation> sealed_bootstrap(const rt::world& in, const ground& on, const secret_text& password, json replaced) {
  auto data = membership::gather_bootstrap(*in.files, on.folder);
  if (!data.ok()) return data.why();
  const auto passwd = passwd_with(*in.files, on.folder, password);
  if (!passwd.ok()) return passwd.why();
  (*data)["PasswdFile"]["Content"] = to_base64(*passwd);
  if (replaced.is_null()) replaced = staged_authorities(*in.files, on.folder);
  if (!replaced.is_null()) data->update(replaced);
  auto sealed = net::tls::seal(password, to_text(*data), in.chance->draw(net::tls::sealing_salt_bytes), in.chance->draw(net::tls::sealing_nonce_bytes));
  if (!sealed.ok()) return sealed.why();
  return storage::operation{storage::operation::kind::create, membership::bootstrap_key(in.issuer->sha256(password.reveal())), bytes(std::move(*sealed)), 0};
}

secrets::token_config token_config_of(const rt::world& in, const ground& on, const server_keys& keys,
                                      std::function<result<secrets::passwords_changed>(const secret_text& password)> apply) {
  secrets::token_config out;
  out.now = keys.passwords.server;
  out.seal = secrets::token_seal(*in.issuer, keys.pki.server_ca.key);
  out.check = [world = &in](const secret_text& given) { return check_token(*world, given); };
  out.key = [world = &in](const secret_text& password) { return membership::bootstrap_key(world->issuer->sha256(password.reveal())); };
  out.others = seals_beside(in, on.folder, secrets::token_seal);
  out.bootstrap = [world = &in, on](const secret_text& password, const json& replaced) { return sealed_bootstrap(*world, on, password, replaced); };
  out.judge = [world = &in, folder = on.folder](const json& offered, bool force) { return judge_authorities(*world, folder, offered, force); };
  out.stage = [world = &in, folder = on.folder](const json& replaced) { return stage_authorities(*world->files, folder, replaced); };
  out.take = [world = &in, folder = on.folder](const secret_text& password, std::string_view sealed) -> result<secrets::heard> {
    const auto plain = net::tls::unseal(password, sealed);
    const auto data = plain.ok() ? parse_json(*plain) : result<json>(plain.why());
    if (!data.ok()) return fail(errc::corrupt, "the bootstrap data in the datastore cannot be read: " + data.why().note);
    return take_authorities(*world->files, folder, *data);
  };
  out.apply = std::move(apply);
  return out;
}

json agent_view(const server_config& c) {
  const auto network = [](const std::string& cidr) {
    const auto slash = cidr.find('/');
    const int bits = std::stoi(cidr.substr(slash + 1));
    std::string mask;
    for (int i = 0; i < 4; ++i) {
      const int here = std::clamp(bits - 8 * i, 0, 8);
      mask.push_back(static_cast<char>(0xff << (8 - here)));
    }
    return json{{"IP", cidr.substr(0, slash)}, {"Mask", to_base64(mask)}};
  };
  return {{"ClusterIPRange", network(c.cluster_cidr)}, {"ClusterIPRanges", json::array({network(c.cluster_cidr)})},
          {"ServiceIPRange", network(c.service_cidr)}, {"ServiceIPRanges", json::array({network(c.service_cidr)})},
          {"ServiceNodePortRange", {{"Base", 30000}, {"Size", 2768}}}, {"ClusterDNS", c.cluster_dns},
          {"ClusterDNSs", json::array({c.cluster_dns})}, {"ClusterDomain", c.cluster_domain}, {"DisableCCM", true},
          {"DisableNPC", true}, {"DisableKubeProxy", c.disable_service_proxy}, {"DisableServiceLB", true}, {"EmbeddedRegistry", false},
          {"EgressSelectorMode", c.egress_mode}, {"FlannelBackend", c.flannel_backend}, {"FlannelIPv6Masq", false},
          {"FlannelExternalIP", false}, {"HTTPSPort", c.https_port}, {"SupervisorPort", c.https_port},
          {"SupervisorMetrics", false}, {"IPSECPSK", ""}, {"MinTLSVersion", ""}, {"CipherSuites", nullptr},
          {"SystemDefaultRegistry", ""}};
}

std::vector<std::pair<std::string, std::string>> critical_flags() {
  return {{"ClusterIPRange", "cluster-cidr"}, {"ServiceIPRange", "service-cidr"}, {"ClusterDNS", "cluster-dns"}, {"ClusterDomain", "cluster-domain"},
          {"EgressSelectorMode", "egress-selector-mode"}, {"FlannelBackend", "flannel-backend"}};
}

}  // namespace troupe::node
