#include "actors/membership/bootstrap.hpp"

#include <array>

#include "basis/bytes.hpp"
#include "basis/clock.hpp"

namespace troupe::membership {
namespace {

constexpr auto newer_by = std::chrono::seconds(3);

constexpr std::array<bootstrap_file, 17> files{{
    {"ETCDServerCA", "tls/etcd/server-ca.crt"}, {"ETCDServerCAKey", "tls/etcd/server-ca.key"},
    {"ETCDPeerCA", "tls/etcd/peer-ca.crt"}, {"ETCDPeerCAKey", "tls/etcd/peer-ca.key"},
    {"ServerCA", "tls/server-ca.crt"}, {"ServerCAKey", "tls/server-ca.key"},
    {"ClientCA", "tls/client-ca.crt"}, {"ClientCAKey", "tls/client-ca.key"},
    {"ServiceKey", "tls/service.key"}, {"PasswdFile", "cred/passwd"},
    {"RequestHeaderCA", "tls/request-header-ca.crt"}, {"RequestHeaderCAKey", "tls/request-header-ca.key"},
    {"EncryptionConfig", "cred/encryption-config.json", true}, {"EncryptionHash", "cred/encryption-state.json", true},
    {"EtcdTimers", "cred/etcd-timers.json"},   // ours: members must agree on them
    // Ours, after `certificate rotate-ca`: how often that was, and what records of servers were sealed by before.
    {"AuthoritiesGeneration", "cred/authorities-generation"}, {"FormerServerCAKey", "cred/former-server-ca.key"},
}};

}  // namespace

std::span<const bootstrap_file> bootstrap_files() noexcept { return files; }

result<json> gather_bootstrap(const net::files& from, const std::string& folder) {
  json out = json::object();
  for (const auto& file : files) {
    const auto path = folder + "/" + std::string(file.path);
    auto text = from.read(path);
    if (!text.ok() && text.code() == errc::not_found) continue;
    if (!text.ok()) return text.why();
    const auto at = from.written_at(path);
    out[std::string(file.field)] = {{"Timestamp", to_rfc3339(at.ok() ? *at : wall_time{})}, {"Content", to_base64(*text)}};
  }
  return out;
}

namespace {
struct change { std::string path, text; };

/// What applying would write.
result<std::vector<change>> changes_for(const net::files& to, const std::string& folder, const json& data) {
  if (!data.is_object()) return fail(errc::invalid, "the server's bootstrap data is no object");
  std::vector<change> changes;
  std::string newer;
  for (const auto& file : files) {
    const auto found = data.find(std::string(file.field));
    if (found == data.end()) continue;
    std::string text;
    // Older K3s wrote the content alone, without a time.
    const auto& content = found->is_object() ? dig(*found, "Content") : *found;
    if (!content.is_string() || !from_base64(text_or(content), text))
      return fail(errc::invalid, "the field " + std::string(file.field) + " of the bootstrap data cannot be read");
    const auto path = folder + "/" + std::string(file.path);
    const auto present = to.read(path);
    if (!present.ok() && present.code() != errc::not_found) return present.why();
    if (present.ok() && *present == text) continue;
    const auto stamp = parse_rfc3339(found->is_object() ? text_or(dig(*found, "Timestamp")) : std::string());
    const auto written = to.written_at(path);
    if (present.ok() && stamp.ok() && written.ok() && *written >= *stamp + newer_by) {
      if (file.changes) continue;
      newer += (newer.empty() ? "" : ", ") + path;
    }
    changes.push_back({path, std::move(text)});
  }
  if (!newer.empty())
    return fail(errc::conflict, newer + " differ from the cluster's and are newer; remove them to take the cluster's, or restore the ones this server had");
  return changes;
}
}  // namespace

result<void> check_bootstrap(const net::files& to, const std::string& folder, const json& data) {
  const auto changes = changes_for(to, folder, data);
  return changes.ok() ? result<void>() : changes.why();
}

result<void> apply_bootstrap(net::files& to, const std::string& folder, const json& data) {
  const auto changes = changes_for(to, folder, data);
  if (!changes.ok()) return changes.why();
  for (const auto& each : *changes)
    if (auto done = to.write(each.path, each.text, 0600); !done.ok()) return done.why();
  return {};
}

std::string bootstrap_key(std::string_view sha256) { return "/bootstrap/" + to_hex(sha256).substr(0, 12); }

}  // namespace troupe::membership
