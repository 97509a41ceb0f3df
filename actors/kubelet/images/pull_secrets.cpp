#include "actors/kubelet/images/pull_secrets.hpp"

#include <algorithm>

#include "basis/bytes.hpp"

namespace troupe::kubelet {
namespace {

constexpr const char* public_registry = "index.docker.io";

std::string host_of(const std::string& repository) { return repository.substr(0, repository.find('/')); }

/// What a login is for: "https://index.docker.io/v1/" is the public registry, the rest a host with or without a path.
std::string place_of(std::string key) {
  for (const char* scheme : {"https://", "http://"})
    if (key.starts_with(scheme)) key.erase(0, std::string(scheme).size());
  while (key.ends_with('/')) key.pop_back();
  for (const char* end : {"/v1", "/v2"})
    if (key.ends_with(end)) key.resize(key.size() - 3);
  if (key == "docker.io" || key == "registry-1.docker.io") return public_registry;
  return key;
}

std::vector<std::string> parts(const std::string& text) {
  std::vector<std::string> out(1);
  for (const char c : text) c == '.' ? void(out.emplace_back()) : out.back().push_back(c);
  return out;
}
/// One part of a name; '*' stands for any letters in it.
bool fits(const std::string& pattern, const std::string& text) {
  const auto star = pattern.find('*');
  if (star == std::string::npos) return pattern == text;
  const auto head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  if (!text.starts_with(head)) return false;
  for (std::size_t at = head.size(); at <= text.size(); ++at)
    if (fits(tail, text.substr(at))) return true;
  return false;
}
bool is_for(const std::string& place, const std::string& repository) {
  const auto wanted = host_of(place), has = host_of(repository);
  const auto port = [](const std::string& host) { const auto at = host.find(':'); return at == std::string::npos ? std::string() : host.substr(at); };
  if (port(wanted) != port(has)) return false;
  const auto a = parts(wanted.substr(0, wanted.find(':'))), b = parts(has.substr(0, has.find(':')));
  if (a.size() != b.size() || !std::equal(a.begin(), a.end(), b.begin(), fits)) return false;
  const auto path = place.substr(std::min(place.size(), wanted.size())), below = repository.substr(std::min(repository.size(), has.size()));
  return path.empty() || below == path || below.starts_with(path + "/");
}

bool read_login(const json& entry, net::cri::registry_login& out) {
  out.user = text_or(dig(entry, "username"));
  out.password = secret_text(text_or(dig(entry, "password")));
  out.token = secret_text(text_or(dig(entry, "identitytoken")));
  std::string plain;
  if (out.user.empty() && from_base64(text_or(dig(entry, "auth")), plain)) {
    const auto colon = plain.find(':');
    if (colon != std::string::npos) out.user = plain.substr(0, colon), out.password = secret_text(plain.substr(colon + 1));
  }
  return !out.user.empty() || !out.token.empty();
}

}  // namespace

std::string repository_of(const std::string& image) {
  auto out = image.substr(0, image.find('@'));
  if (const auto colon = out.rfind(':'); colon != std::string::npos && out.find('/', colon) == std::string::npos) out.resize(colon);
  const auto first = out.substr(0, out.find('/'));
  const bool host = out.find('/') != std::string::npos && (first.find_first_of(".:") != std::string::npos || first == "localhost");
  if (!host) return std::string(public_registry) + (out.find('/') == std::string::npos ? "/library/" : "/") + out;
  if (first == "docker.io") return public_registry + out.substr(first.size());
  return out;
}

pull_logins logins_for(const std::string& image, const json& pod, const pod_sources& from) {
  static const json nothing;
  pull_logins out;
  const auto repository = repository_of(image);
  std::vector<std::pair<std::string, net::cri::registry_login>> found;
  for (const auto& ref : dig(pod, "spec", "imagePullSecrets")) {
    const auto name = text_or(dig(ref, "name"));
    const auto secret = from.secrets.find(name);
    std::string text;
    const bool modern = secret != from.secrets.end() && value_of(secret->second, ".dockerconfigjson", text);
    const bool any = modern || (secret != from.secrets.end() && value_of(secret->second, ".dockercfg", text));
    const auto config = any ? parse_json(text) : result<json>(fail(errc::not_found, ""));
    const json& all = modern && config.ok() ? dig(*config, "auths") : config.ok() ? *config : nothing;
    if (!all.is_object()) {
      out.missing.push_back(name);
      continue;
    }
    for (const auto& [key, entry] : all.items()) {
      net::cri::registry_login one;
      const auto place = place_of(key);
      if (!is_for(place, repository) || !read_login(entry, one)) continue;
      // The runtime shows a login to this host only, not to a mirror.
      const auto host = host_of(repository);
      one.server = "https://" + (host == public_registry ? "registry-1.docker.io" : host);
      found.emplace_back(place, std::move(one));
    }
  }
  // What names the image more closely comes first.
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  for (auto& [place, one] : found) out.logins.push_back(std::move(one));
  return out;
}

}  // namespace troupe::kubelet
