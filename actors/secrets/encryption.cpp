#include "actors/secrets/encryption.hpp"

#include <algorithm>

#include "basis/bytes.hpp"

namespace troupe::secrets {

std::string render_encryption(const encryption& what) {
  json keys = json::array();
  for (const auto& key : what.keys) keys.push_back({{"name", key.name}, {"secret", to_base64(key.key.reveal())}});
  const json cipher{{"aescbc", {{"keys", std::move(keys)}}}}, identity{{"identity", json::object()}};
  json providers = json::array();
  providers.push_back(what.enabled ? cipher : identity);
  providers.push_back(what.enabled ? identity : cipher);
  const json out{{"kind", "EncryptionConfiguration"}, {"apiVersion", "apiserver.config.k8s.io/v1"},
                 {"resources", json::array({{{"resources", json::array({"secrets"})}, {"providers", std::move(providers)}}})}};
  return to_text(out) + "\n";
}

namespace {

result<void> read_keys(const json& provider, encryption& into) {
  const auto& keys = dig(provider, "aescbc", "keys");
  if (!keys.is_array()) return fail(errc::invalid, "its aescbc provider has no keys");
  for (const auto& each : keys) {
    net::tls::named_key key;
    key.name = text_or(dig(each, "name"));
    std::string raw;
    const bool good = from_base64(text_or(dig(each, "secret")), raw) && raw.size() == net::tls::envelope_key_bytes;
    key.key = secret_text(std::move(raw));
    if (key.name.empty() || !good) return fail(errc::invalid, "each of its keys needs a name and 32 bytes of secret in base64");
    const auto twin = std::find_if(into.keys.begin(), into.keys.end(), [&](const auto& k) { return k.name == key.name; });
    if (twin != into.keys.end()) return fail(errc::invalid, "two of its keys have the same name");
    into.keys.push_back(std::move(key));
  }
  return {};
}

}  // namespace

result<encryption> parse_encryption(std::string_view text) {
  const auto read = parse_json(text);
  if (!read.ok() || text_or(dig(*read, "kind")) != "EncryptionConfiguration") return fail(errc::invalid, "it is no EncryptionConfiguration");
  const auto& resources = dig(*read, "resources");
  if (!resources.is_array() || resources.size() != 1 || dig(resources[0], "resources") != json::array({"secrets"}))
    return fail(errc::unsupported, "it must be about the resource \"secrets\" alone");
  const auto& providers = dig(resources[0], "providers");
  if (!providers.is_array() || providers.empty()) return fail(errc::invalid, "it has no providers");
  encryption out;
  out.enabled = !providers[0].contains("identity");
  for (const auto& provider : providers) {
    if (!provider.is_object() || provider.size() != 1) return fail(errc::invalid, "one of its providers cannot be read");
    if (provider.contains("identity")) continue;
    if (!provider.contains("aescbc")) return fail(errc::unsupported, "its provider " + provider.begin().key() + " is none of aescbc and identity");
    if (auto done = read_keys(provider, out); !done.ok()) return done.why();
  }
  if (out.keys.empty() || out.keys.size() > keys_max) return fail(errc::invalid, "it needs one to " + std::to_string(keys_max) + " keys");
  return out;
}

json status_of(const encryption* what) {
  if (!what) return {{"stage", ""}, {"hashmatch", true}};
  json out{{"enable", what->enabled}, {"activekey", what->enabled ? what->keys.front().name : ""}, {"hashmatch", true}};
  for (std::size_t i = what->enabled ? 1 : 0; i < what->keys.size(); ++i) out["inactivekeys"].push_back(what->keys[i].name);
  return out;
}

std::shared_ptr<const net::tls::envelope> envelope_of(const encryption* what) {
  if (what == nullptr) return std::make_shared<const net::tls::envelope>(std::vector<net::tls::named_key>(), true);
  return std::make_shared<const net::tls::envelope>(what->keys, !what->enabled);
}

result<encryption> changed_encryption(const encryption* now, const json& wanted, net::tls::named_key fresh) {
  const auto& enable = dig(wanted, "enable");
  encryption out = now ? *now : encryption{};
  if (text_or(dig(wanted, "stage")) == "rotate_keys") {
    if (!now || !now->enabled) return fail(errc::invalid, "encryption is not enabled: there is no key to replace");
    if (out.keys.size() >= keys_max) return fail(errc::invalid, "there are too many keys already; look at the log for the Secrets that keep them in use");
    const std::string base = fresh.name;
    const auto taken = [&] { return std::any_of(out.keys.begin(), out.keys.end(), [&](const auto& k) { return k.name == fresh.name; }); };
    for (int i = 2; taken(); ++i) fresh.name = base + "-" + std::to_string(i);
    out.keys.insert(out.keys.begin(), std::move(fresh));
    return out;
  }
  if (!enable.is_boolean()) return fail(errc::invalid, "of K3s's requests this version has enable, disable and rotate-keys");
  if (!now && !enable.get<bool>()) return fail(errc::invalid, "encryption was never enabled");
  if (!now) out.keys.push_back({std::string(first_key_name), std::move(fresh.key)});
  out.enabled = enable.get<bool>();
  return out;
}

std::string render_progress(const progress& what) { return what.stage + "-" + what.digest; }

result<progress> parse_progress(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  const auto cut = text.rfind('-');
  if (cut == 0 || cut == std::string_view::npos || text.size() - cut - 1 != 64) return fail(errc::invalid, "it is no <stage>-<SHA-256>");
  return progress{std::string(text.substr(0, cut)), std::string(text.substr(cut + 1))};
}

}  // namespace troupe::secrets
