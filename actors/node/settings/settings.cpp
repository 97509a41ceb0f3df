#include "actors/node/settings/settings.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "basis/yaml.hpp"

namespace troupe::node {
namespace {

/// The values of one flag and where they came from, for sentences about them.
struct values {
  std::vector<std::string> texts;
  std::string where;
};
using value_map = std::map<std::string_view, values>;   // by the flag's name

/// The line on which a top-level key stands; 0 when it cannot be found.
std::size_t line_of(std::string_view text, std::string_view key) {
  std::size_t number = 1;
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    if (!line.empty() && (line[0] == '"' || line[0] == '\'')) line.remove_prefix(1);
    if (line.substr(0, key.size()) == key) {
      line.remove_prefix(key.size());
      if (const auto next = line.find_first_not_of("\"' "); next != line.npos && line[next] == ':') return number;
    }
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
    ++number;
  }
  return 0;
}

std::string place(const config_file& file, std::string_view key) {
  const auto line = line_of(file.text, key);
  return line ? file.path + ", line " + std::to_string(line) : file.path;
}

class merger {
 public:
  explicit merger(const settings_input& from) : in_(from) {}

  settings run() {
    // Weakest first; whoever comes later replaces.
    read_environment("K3S_", true);
    read_environment("TROUPE_", false);
    read_files();
    read_arguments();
    if (out_.errors.empty()) fill();
    return std::move(out_);
  }

 private:
  void complain(std::string what) { out_.errors.push_back(std::move(what)); }

  void read_environment(const std::string& prefix, bool only_known_to_k3s) {
    for (const auto& f : flags()) {
      if (!f.is_for(in_.what) || (only_known_to_k3s && f.env.empty())) continue;
      const auto variable = prefix + variable_of(f);
      const auto found = in_.environment.find(variable);
      if (found == in_.environment.end() || found->second.empty()) continue;
      if (!f.built) complain(variable + " stands for --" + std::string(f.name) + ", a K3s flag that this version of troupe does not have yet");
      else put(f, {found->second}, variable);
    }
  }

  void read_files() {
    value_map from_files;
    for (const auto& file : in_.files) read_file(file, from_files);
    for (auto& [name, v] : from_files) put(*find_flag(name), std::move(v.texts), v.where);
  }

  void read_file(const config_file& file, value_map& into) {
    const auto parsed = parse_yaml(file.text, yaml_scalars::as_text);
    if (!parsed.ok()) return complain(file.path + ", " + parsed.why().note);
    if (parsed->is_null()) return;
    if (!parsed->is_object()) return complain(file.path + ": must hold `flag: value` lines");
    for (const auto& [key, value] : parsed->items()) {
      const bool append = key.ends_with('+');
      const std::string name = append ? key.substr(0, key.size() - 1) : key;
      const flag* f = find_flag(name);
      if (!f || !f->built || !f->is_for(in_.what)) {
        // One file may serve several commands: a server skips what only others know.
        if (f && f->built && in_.what == command::server) out_.warnings.push_back(place(file, key) + ": " + refusal(in_.what, name, name) + "; skipped");
        else complain(place(file, key) + ": " + refusal(in_.what, name, name));
        continue;
      }
      if (f->name == "config") {
        complain(place(file, key) + ": a configuration file cannot name another");
        continue;
      }
      std::vector<std::string> texts;
      if (!texts_of(value, texts)) {
        complain(place(file, key) + ": " + name + " takes a value or a list of values, and not a nested map or list");
        continue;
      }
      auto& present = into[f->name];
      if (!append) present.texts.clear();
      present.texts.insert(present.texts.end(), texts.begin(), texts.end());
      present.where = place(file, key);
    }
  }

  static bool texts_of(const json& value, std::vector<std::string>& out) {
    if (value.is_null()) return true;
    if (value.is_string()) return out.push_back(value.get<std::string>()), true;
    if (!value.is_array()) return false;
    return std::all_of(value.begin(), value.end(), [&](const json& v) { return v.is_string() && (out.push_back(v.get<std::string>()), true); });
  }

  void read_arguments() {
    value_map from_line;
    for (const auto& a : in_.arguments) {
      const flag* f = find_flag(a.name);
      if (!f || !f->built || !f->is_for(in_.what)) {
        complain(refusal(in_.what, a.name, "--" + a.name));
        continue;
      }
      auto& present = from_line[f->name];
      present.texts.push_back(a.value);
      present.where = "--" + std::string(f->name);
    }
    for (auto& [name, v] : from_line) put(*find_flag(name), std::move(v.texts), v.where);
  }

  void put(const flag& f, std::vector<std::string> texts, std::string where) {
    if (f.takes_commas || (f.kind == flag_kind::list && !where.starts_with("--") && in_.environment.contains(where))) {
      std::vector<std::string> parts;
      for (const auto& t : texts) {
        std::size_t from = 0;
        while (from <= t.size()) {
          const auto to = std::min(t.find(',', from), t.size());
          if (to > from) parts.push_back(t.substr(from, to - from));
          from = to + 1;
        }
      }
      texts = std::move(parts);
    }
    if (texts.empty()) merged_.erase(f.name);
    else merged_[f.name] = {std::move(texts), std::move(where)};
  }

  // --- typed reading -------------------------------------------------------------------------------------------

  const values* find(std::string_view name) const {
    const auto found = merged_.find(name);
    return found == merged_.end() ? nullptr : &found->second;
  }
  void text(std::string_view name, std::string& into) const {
    if (const auto* v = find(name)) into = v->texts.back();
  }
  void texts(std::string_view name, std::vector<std::string>& into) const {
    if (const auto* v = find(name)) into = v->texts;
  }
  void toggle(std::string_view name, bool& into) {
    const auto* v = find(name);
    if (!v) return;
    const auto& t = v->texts.back();
    if (t == "true" || t == "1" || t == "yes" || t == "True" || t == "TRUE") into = true;
    else if (t == "false" || t == "0" || t == "no" || t == "False" || t == "FALSE") into = false;
    else complain(v->where + ": must be true or false");
  }
  void port(std::string_view name, std::uint16_t& into) {
    const auto* v = find(name);
    if (!v) return;
    const auto& t = v->texts.back();
    std::uint16_t number = 0;
    const auto [at, bad] = std::from_chars(t.data(), t.data() + t.size(), number);
    if (bad != std::errc() || at != t.data() + t.size() || number == 0) complain(v->where + ": must be a port from 1 to 65535");
    else into = number;
  }
  void span(std::string_view name, duration& into) {
    const auto* v = find(name);
    if (!v) return;
    if (auto d = parse_duration(v->texts.back()); d.ok() && *d > duration::zero()) into = *d;
    else complain(v->where + ": must be a duration above zero, as 10s or 250ms");
  }
  /// A secret given in place, else the one in the file that is named (K3s has the same order).
  void secret(const std::string& name, secret_text& into) {
    if (const auto* v = find(name)) {
      into = secret_text(v->texts.back());
      return;
    }
    const auto* file = find(name + "-file");
    if (!file) return;
    auto read = in_.read_file ? in_.read_file(file->texts.back()) : result<std::string>(errc::not_found, "no such file");
    if (!read.ok()) return complain(file->where + ": " + read.why().note);
    auto found = std::move(*read);
    while (!found.empty() && (found.back() == '\n' || found.back() == '\r' || found.back() == ' ')) found.pop_back();
    if (found.empty()) return complain(file->where + ": " + file->texts.back() + " is empty");
    into = secret_text(std::move(found));
  }
  void single(std::string_view name, std::string& into) {
    const auto* v = find(name);
    if (!v) return;
    if (v->texts.size() > 1) complain(v->where + ": two address families are a K3s feature that this version of troupe does not have yet");
    into = v->texts.back();
  }

  // --- the configuration ---------------------------------------------------------------------------------------

  void fill() {
    if (in_.what == command::server) {
      fill_common(out_.server);
      fill_server(out_.server);
    } else {
      fill_common(out_.agent);
      fill_agent(out_.agent);
    }
    toggle("debug", out_.debug);
    if (const auto* v = find("log-format")) {
      const auto& t = v->texts.back();
      if (t != "json" && t != "logfmt") complain(v->where + ": must be logfmt or json");
      out_.json_log = t == "json";
    }
  }

  void fill_common(common_config& c) {
    if (!in_.home.empty()) c.data_folder = in_.home + "/.rancher/troupe";
    text("data-dir", c.data_folder);
    while (c.data_folder.size() > 1 && c.data_folder.back() == '/') c.data_folder.pop_back();
    if (!in_.home.empty()) c.identity_folder = c.data_folder + "/node";
    text("identity-dir", c.identity_folder);
    out_.admin_socket = c.data_folder + "/admin.sock";
    text("admin-socket", out_.admin_socket);
    fill_name(c);
    toggle("with-node-id", c.with_node_id);
    texts("node-ip", c.node_addresses);
    text("bind-address", c.bind_address);
    port("lb-server-port", c.balancer_port);
    port("kubelet-port", c.kubelet_port);
    span("node-lease-interval", c.heartbeat_every);
    span("node-status-interval", c.status_every);
    toggle("disable-runtime", c.disable_runtime);
    text("container-runtime-endpoint", c.container_runtime_endpoint);
    text("cgroup-root", c.cgroup_root);
    toggle("network-alone", c.network_alone);
    text("private-registry", c.private_registry);
    toggle("disable-default-registry-endpoint", c.disable_default_registry);
    text("flannel-iface", c.flannel_interface);
    text("resolv-conf", c.resolver_file);
    fill_labels(c);
    fill_taints(c);
  }
  void fill_name(common_config& c) {
    const auto* v = find("node-name");
    if (!v) return;
    if (auto name = parse_node_name(v->texts.back()); name.ok()) c.node_name = name->text;
    else complain(v->where + ": " + name.why().note);
  }
  void fill_labels(common_config& c) {
    const auto* v = find("node-label");
    if (!v) return;
    for (const auto& t : v->texts) {
      const auto cut = t.find('=');
      if (cut == t.npos || cut == 0) complain(v->where + ": \"" + t + "\" is no label; write key=value");
      else c.node_labels[t.substr(0, cut)] = t.substr(cut + 1);
    }
  }
  void fill_taints(common_config& c) {
    const auto* v = find("node-taint");
    if (!v) return;
    for (const auto& t : v->texts) {
      const auto colon = t.rfind(':');
      const auto effect = colon == t.npos ? std::string() : t.substr(colon + 1);
      const auto cut = t.substr(0, colon == t.npos ? 0 : colon).find('=');
      const auto key = t.substr(0, std::min(cut, colon == t.npos ? 0 : colon));
      if (key.empty() || (effect != "NoSchedule" && effect != "PreferNoSchedule" && effect != "NoExecute")) {
        complain(v->where + ": \"" + t + "\" is no taint; write key=value:Effect, with NoSchedule, PreferNoSchedule or NoExecute");
        continue;
      }
      json taint{{"key", key}, {"effect", effect}};
      if (cut != std::string::npos && cut + 1 < colon) taint["value"] = t.substr(cut + 1, colon - cut - 1);
      c.node_taints.push_back(std::move(taint));
    }
  }

  void fill_server(server_config& c) {
    if (const auto* v = find("server")) {
      if (auto at = parse_server_url(v->texts.back()); at.ok()) c.server = *at;
      else complain(v->where + ": " + at.why().note);
    }
    toggle("cluster-init", c.cluster_init);
    text("datastore-endpoint", c.datastore_endpoint);
    if (const auto* v = find("datastore-endpoint")) {
      const auto& t = v->texts.back();
      const auto known = t.empty() || t == "sqlite" || t == "rocksdb" || t.starts_with("https://") || t.starts_with("http://");
      if (!known) complain(v->where + ": must be sqlite, rocksdb, or the URLs of an etcd as https://HOST:2379,https://HOST:2379; other databases are K3s features that this version of troupe does not have");
    }
    text("datastore-cafile", c.datastore_ca);
    text("datastore-certfile", c.datastore_certificate);
    text("datastore-keyfile", c.datastore_key);
    if (!in_.home.empty()) c.kubeconfig_path = c.data_folder + "/troupe.yaml";
    text("write-kubeconfig", c.kubeconfig_path);
    if (const auto* v = find("write-kubeconfig-mode")) {
      const auto& t = v->texts.back();
      const auto [at, bad] = std::from_chars(t.data(), t.data() + t.size(), c.kubeconfig_mode, 8);
      if (bad != std::errc() || at != t.data() + t.size() || c.kubeconfig_mode > 0777) complain(v->where + ": must be an octal mode, as 0600");
    }
    port("https-listen-port", c.https_port);
    text("advertise-address", c.advertise_address);
    texts("tls-san", c.tls_sans);
    secret("token", c.token);
    secret("agent-token", c.agent_token);
    fill_networks(c);
    text("cluster-domain", c.cluster_domain);
    fill_disabled(c);
    text("egress-selector-mode", c.egress_mode);
    text("flannel-backend", c.flannel_backend);
    toggle("disable-kube-proxy", c.disable_service_proxy);
    toggle("disable-agent", c.disable_agent);
    fill_snapshots(c);
    toggle("secrets-encryption", c.secrets_encryption);
    text("secrets-encryption-provider", c.secrets_encryption_provider);
    span("certificate-life", c.certificate_life);
    span("node-grace", c.node_grace);
    span("node-check-interval", c.node_check_every);
    if (const auto* v = find("etcd-quota-bytes")) {
      const auto& t = v->texts.back();
      const auto [at, bad] = std::from_chars(t.data(), t.data() + t.size(), c.etcd_quota_bytes);
      if (t.empty() || bad != std::errc() || at != t.data() + t.size() || c.etcd_quota_bytes < 1u << 20)
        complain(v->where + ": must be a number of bytes, 1048576 or more");
    }
  }
  /// Packaged things that are built in have a switch; the rest are names of files (K3s's other packaged ones among them).
  void fill_disabled(server_config& c) {
    texts("disable", c.disabled_manifests);
    const auto is_named = [&](const char* what) { return std::find(c.disabled_manifests.begin(), c.disabled_manifests.end(), what) != c.disabled_manifests.end(); };
    c.disable_dns = is_named("coredns");
    c.disable_service_lb = is_named("servicelb");
  }
  void fill_snapshots(server_config& c) {
    toggle("etcd-disable-snapshots", c.disable_snapshots);
    text("etcd-snapshot-name", c.snapshot_name);
    text("etcd-snapshot-schedule-cron", c.snapshot_schedule);
    text("etcd-snapshot-dir", c.snapshot_folder);
    while (c.snapshot_folder.size() > 1 && c.snapshot_folder.back() == '/') c.snapshot_folder.pop_back();
    if (const auto* v = find("etcd-snapshot-retention")) {
      const auto& t = v->texts.back();
      const auto [at, bad] = std::from_chars(t.data(), t.data() + t.size(), c.snapshots_kept);
      if (t.empty() || bad != std::errc() || at != t.data() + t.size()) complain(v->where + ": must be a number of snapshots, 0 or more");
    }
    toggle("cluster-reset", c.cluster_reset);
    text("cluster-reset-restore-path", c.restore_path);
  }
  void fill_networks(server_config& c) {
    single("cluster-cidr", c.cluster_cidr);
    single("service-cidr", c.service_cidr);
    // The tenth address of the service network, as long as that network begins with a plain IPv4 address.
    if (const auto cut = c.service_cidr.find_last_of("./"); cut != std::string::npos && is_ip_address(c.service_cidr.substr(0, c.service_cidr.find('/')))) {
      const auto base = c.service_cidr.substr(0, c.service_cidr.find('/'));
      if (const auto dot = base.rfind('.'); dot != std::string::npos) {
        unsigned last = 0;
        std::from_chars(base.data() + dot + 1, base.data() + base.size(), last);
        if (last + 10 < 256) c.cluster_dns = base.substr(0, dot + 1) + std::to_string(last + 10);
      }
    }
    single("cluster-dns", c.cluster_dns);
  }

  void fill_agent(agent_config& c) {
    secret("token", c.token);
    if (c.token.empty() && out_.errors.empty()) complain("an agent needs --token or --token-file; a server keeps its token in <data-dir>/server/node-token");
    const auto* v = find("server");
    if (!v) return complain("an agent needs --server https://HOST:6443");
    if (auto at = parse_server_url(v->texts.back()); at.ok()) c.server = *at;
    else complain(v->where + ": " + at.why().note);
  }

  const settings_input& in_;
  settings out_;
  value_map merged_;
};

}  // namespace

result<duration> parse_duration(std::string_view text) {
  if (text.empty()) return fail(errc::invalid, "a duration is a number with ms, s, m or h");
  duration sum{};
  while (!text.empty()) {
    std::uint32_t number = 0;
    const auto [at, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (bad != std::errc() || number > 10000000) return fail(errc::invalid, "a duration is a number with ms, s, m or h");
    text.remove_prefix(static_cast<std::size_t>(at - text.data()));
    if (text.starts_with("ms")) sum += std::chrono::milliseconds(number), text.remove_prefix(2);
    else if (text.starts_with('s')) sum += std::chrono::seconds(number), text.remove_prefix(1);
    else if (text.starts_with('m')) sum += std::chrono::minutes(number), text.remove_prefix(1);
    else if (text.starts_with('h') && number <= 100000) sum += std::chrono::hours(number), text.remove_prefix(1);
    else return fail(errc::invalid, "a duration is a number with ms, s, m or h");
  }
  return sum;
}

settings merge_settings(const settings_input& from) { return merger(from).run(); }

}  // namespace troupe::node
