#include "actors/cri/registries.hpp"

#include <algorithm>
#include <set>

#include "basis/yaml.hpp"

namespace troupe::cri {
namespace {

error no(const std::string& why) { return fail(errc::invalid, why); }

result<void> check_keys(const json& of, const std::string& where, const std::set<std::string>& known) {
  if (!of.is_null() && !of.is_object()) return no((where.empty() ? "registries.yaml" : where) + ": it must be a map");
  if (of.is_null()) return {};
  for (const auto& [key, value] : of.items())
    if (!known.contains(key)) return no((where.empty() ? "" : where + ".") + key + ": there is no such setting");
  return {};
}

std::string host_of(const std::string& url) {
  const auto begin = url.find("://") + 3;
  return url.substr(begin, url.find('/', begin) - begin);
}

result<void> read_mirror(const std::string& host, const json& from, registries& out) {
  const auto where = "mirrors." + host;
  if (auto fits = check_keys(from, where, {"endpoint", "rewrite"}); !fits.ok()) return fits;
  if (!dig(from, "rewrite").is_null()) return no(where + ".rewrite: containerd of this machine cannot rewrite names; K3s brings one of its own that can");
  const auto& list = dig(from, "endpoint");
  if (!list.is_null() && !list.is_array()) return no(where + ".endpoint: it must be a list of URLs");
  auto& to = out.mirrors[host];
  for (const auto& one : list) {
    auto url = text_or(one);
    if (!url.starts_with("http://") && !url.starts_with("https://")) return no(where + ".endpoint: \"" + url + "\" is no URL; write https://HOST");
    while (url.ends_with('/')) url.pop_back();
    to.push_back(std::move(url));
  }
  return {};
}

result<void> read_config(const std::string& host, const json& from, registries& out) {
  const auto where = "configs." + host;
  if (auto fits = check_keys(from, where, {"auth", "tls"}); !fits.ok()) return fits;
  const auto &auth = dig(from, "auth"), &tls = dig(from, "tls");
  if (auto fits = check_keys(auth, where + ".auth", {"username", "password", "auth", "identity_token"}); !fits.ok()) return fits;
  if (auto fits = check_keys(tls, where + ".tls", {"cert_file", "key_file", "ca_file", "insecure_skip_verify"}); !fits.ok()) return fits;
  registry_auth login{text_or(dig(auth, "username")), secret_text(text_or(dig(auth, "password"))), secret_text(text_or(dig(auth, "auth"))), secret_text(text_or(dig(auth, "identity_token")))};
  registry_trust trust{text_or(dig(tls, "ca_file")), text_or(dig(tls, "cert_file")), text_or(dig(tls, "key_file")), dig(tls, "insecure_skip_verify") == json(true)};
  if (trust.certificate.empty() != trust.key.empty()) return no(where + ".tls: cert_file and key_file belong together");
  if (!login.empty()) out.auth.emplace(host, std::move(login));
  if (!trust.empty()) out.trust.emplace(host, std::move(trust));
  return {};
}

std::string trust_lines(const registries& of, const std::string& host, const std::string& indent) {
  const auto found = of.trust.find(host);
  if (found == of.trust.end()) return {};
  const auto& t = found->second;
  std::string out;
  if (!t.ca.empty()) out += indent + "ca = [" + toml_text(t.ca) + "]\n";
  if (!t.certificate.empty()) out += indent + "client = [[" + toml_text(t.certificate) + ", " + toml_text(t.key) + "]]\n";
  if (t.anybody) out += indent + "skip_verify = true\n";
  return out;
}

/// A URL with a path is asked below that path as it stands.
bool has_path(const std::string& url) { return url.find('/', url.find("://") + 3) != std::string::npos; }

std::string file_of(const registries& of, const std::string& host, std::vector<std::string> mirrors) {
  std::string out = "# Written by troupe at each start.\n";
  if (of.never_itself && !mirrors.empty()) {
    out += "server = " + toml_text(mirrors.back()) + "\n" + trust_lines(of, host_of(mirrors.back()), "");
    if (has_path(mirrors.back())) out += "override_path = true\n";
    mirrors.pop_back();
  } else if (host != "*") {
    out += "server = " + toml_text("https://" + (host == "docker.io" ? "registry-1.docker.io" : host)) + "\n" + trust_lines(of, host, "");
  }
  for (const auto& url : mirrors) {
    out += "[host." + toml_text(url) + "]\n  capabilities = [\"pull\", \"resolve\"]\n" + trust_lines(of, host_of(url), "  ");
    if (has_path(url)) out += "  override_path = true\n";
  }
  return out;
}

}  // namespace

std::string toml_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') out += "\\n";
    else out += c;
  }
  return out + "\"";
}

result<registries> read_registries(const std::string& text) {
  auto read = parse_yaml(text);
  if (!read.ok()) return read.why();
  registries out;
  if (auto fits = check_keys(*read, "", {"mirrors", "configs"}); !fits.ok()) return fits.why();
  for (const char* part : {"mirrors", "configs"}) {
    const auto& all = dig(*read, part);
    if (!all.is_null() && !all.is_object()) return no(std::string(part) + ": it must be a map");
    if (all.is_null()) continue;
    for (const auto& [host, one] : all.items()) {
      if (host.empty() || host.find('/') != std::string::npos || host.find("..") != std::string::npos) return no(std::string(part) + ": \"" + host + "\" is no registry; write HOST or HOST:PORT");
      if (auto went = part[0] == 'm' ? read_mirror(host, one, out) : read_config(host, one, out); !went.ok()) return went.why();
    }
  }
  return out;
}

std::map<std::string, std::string> hosts_files(const registries& of) {
  std::map<std::string, std::string> out;
  const auto path = [](const std::string& host) { return (host == "*" ? "_default" : host) + "/hosts.toml"; };
  for (const auto& [host, urls] : of.mirrors) out[path(host)] = file_of(of, host, urls);
  for (const auto& [host, trust] : of.trust)
    if (!of.mirrors.contains(host)) out[path(host)] = file_of(of, host, {});
  return out;
}

std::string auth_section(const registries& of) {
  std::string out;
  for (const auto& [host, a] : of.auth) {
    out += "  [plugins.\"io.containerd.grpc.v1.cri\".registry.configs." + toml_text(host) + ".auth]\n";
    if (!a.user.empty()) out += "    username = " + toml_text(a.user) + "\n    password = " + toml_text(std::string(a.password.reveal())) + "\n";
    if (!a.pair.empty()) out += "    auth = " + toml_text(std::string(a.pair.reveal())) + "\n";
    if (!a.token.empty()) out += "    identitytoken = " + toml_text(std::string(a.token.reveal())) + "\n";
  }
  return out;
}

}  // namespace troupe::cri
