// Who may come in: `troupe token create|list|delete|generate` and `troupe node revoke|admit|list`. Questions to a running
// server, as its administrator.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <thread>

#include "actors/registration/bootstrap_token.hpp"
#include "actors/registration/token.hpp"
#include "actors/revocation/revoked.hpp"
#include "basis/bytes.hpp"
#include "basis/clock.hpp"
#include "basis/json.hpp"
#include "basis/rng.hpp"
#include "basis/yaml.hpp"
#include "bin/command_line.hpp"
#include "bin/question.hpp"
#include "bin/tools.hpp"

namespace troupe::bin {
namespace {

constexpr const char* secrets_path = "/api/v1/namespaces/kube-system/secrets";
constexpr const char* maps_path = "/api/v1/namespaces/kube-system/configmaps";
constexpr int wrong_use = 2;

struct options {
  std::string folder, server, format = "text", description, groups = "system:bootstrappers:k3s:default-node-token", ttl = "24h", usages = "signing,authentication", kubeconfig;
  bool help = false;
  std::vector<std::string> words;
  std::string unknown;
};

options read_options(const std::vector<std::string>& given) {
  const auto home = unprivileged_home();
  options out;
  out.folder = home.empty() ? "/var/lib/rancher/troupe" : home + "/.rancher/troupe";
  const struct { const char* name; const char* letter; std::string& into; } known[] = {
      {"--data-dir", "-d", out.folder}, {"--server", "-s", out.server}, {"--output", "-o", out.format}, {"--description", "", out.description},
      {"--groups", "", out.groups}, {"--ttl", "", out.ttl}, {"--usages", "", out.usages}, {"--kubeconfig", "", out.kubeconfig}};
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto& word = given[i];
    const auto of = [&](const auto& k) {
      if ((word == k.name || (*k.letter && word == k.letter)) && i + 1 < given.size()) return k.into = given[++i], true;
      if (word.starts_with(std::string(k.name) + "=")) return k.into = word.substr(std::string(k.name).size() + 1), true;
      return false;
    };
    if (std::any_of(std::begin(known), std::end(known), of)) continue;
    if (word == "--help" || word == "-h") out.help = true;
    else if (word.starts_with("-")) out.unknown = word;
    else out.words.push_back(word);
  }
  while (out.folder.size() > 1 && out.folder.back() == '/') out.folder.pop_back();
  return out;
}

int complain(const std::string& what) {
  std::fprintf(stderr, "troupe: %s\n", what.c_str());
  return 1;
}
int misused(const std::string& what, const char* command) {
  std::fprintf(stderr, "troupe: %s\n`troupe %s --help` lists what there is\n", what.c_str(), command);
  return wrong_use;
}

result<net::http::response> ask(const options& with, std::string method, std::string path, std::string body = {}, std::string type = "application/json") {
  question what{with.folder, with.server, {}, std::move(method), std::move(path), std::move(body)};
  what.as_admin = true;
  what.body_type = std::move(type);
  what.patience = std::chrono::seconds(30);
  return ask_server(what);
}

// --- bootstrap tokens --------------------------------------------------------------------------

constexpr const char* token_usage =
    "usage: troupe token create [TOKEN] [--ttl 24h] [--description TEXT] [--groups LIST] [--usages LIST]   for agents, and only for a time\n"
    "       troupe token list [-o text|json|yaml]\n"
    "       troupe token delete ID|TOKEN ...\n"
    "       troupe token generate                                one that nobody knows yet\n"
    "       troupe token rotate --token OLD --new-token NEW      the cluster's own\n"
    "       with --server https://HOST:6443 (default: where the server of the data dir listens), --data-dir DIR\n"
    "       a server keeps the token that does not end in <data-dir>/server/node-token\n";

/// "24h", "1h30m", "90s", "0".
std::optional<std::chrono::seconds> parse_span(std::string_view text) {
  std::chrono::seconds out{0};
  if (text == "0") return out;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    std::int64_t n = -1;
    const auto [at, bad] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (bad != std::errc() || n < 0 || n > 1'000'000 || at == text.data() + text.size()) return std::nullopt;
    const char unit = *at;
    if (unit != 'h' && unit != 'm' && unit != 's') return std::nullopt;
    out += std::chrono::seconds(n * (unit == 'h' ? 3600 : unit == 'm' ? 60 : 1));
    text.remove_prefix(static_cast<std::size_t>(at - text.data()) + 1);
  }
  return out;
}

std::string span_text(std::chrono::seconds left) {
  const auto n = left.count();
  if (n <= 0) return "<expired>";
  if (n >= 3600) return std::to_string(n / 3600) + "h";
  return n >= 60 ? std::to_string(n / 60) + "m" : std::to_string(n) + "s";
}

std::string secret_name(const std::string& id) { return std::string(registration::bootstrap_prefix) + id; }

/// K10<digest of the server's CA>::<token>, as agents take it.
std::string full_form(const options& with, const std::string& token) {
  const auto digest = authority_digest(with.folder);
  return digest.ok() ? "K10" + *digest + "::" + token : token;
}

int create_token(const options& with) {
  if (with.words.size() > 2) return misused("one token at a time", "token");
  const auto token = with.words.size() == 2 ? with.words[1] : random_bootstrap_token();
  if (!registration::is_bootstrap_token(token)) return misused("a bootstrap token is six letters or digits, a dot, and sixteen more, in lower case", "token");
  const auto life = parse_span(with.ttl);
  if (!life) return misused("--ttl is a time as 24h, 90m or 0 (for ever), and not \"" + with.ttl + "\"", "token");
  json data{{"token-id", token.substr(0, 6)}, {"token-secret", token.substr(7)}};
  if (!with.description.empty()) data["description"] = with.description;
  if (life->count() > 0) data["expiration"] = to_rfc3339(system_wall_clock().now() + *life);
  if (!with.groups.empty()) data["auth-extra-groups"] = with.groups;
  for (const auto* usage : {"signing", "authentication"})
    if (("," + with.usages + ",").find(std::string(",") + usage + ",") != std::string::npos) data[std::string("usage-bootstrap-") + usage] = "true";
  const json secret{{"apiVersion", "v1"}, {"kind", "Secret"}, {"metadata", {{"name", secret_name(token.substr(0, 6))}, {"namespace", "kube-system"}}},
                    {"type", registration::bootstrap_type}, {"stringData", data}};
  const auto got = ask(with, "POST", secrets_path, to_text(secret));
  if (!got.ok()) return complain(got.why().note);
  if (got->status == 409) return complain("there is a token of the id " + token.substr(0, 6) + " already: troupe token delete " + token.substr(0, 6));
  if (got->status != 201) return complain(sentence_of(*got));
  std::printf("%s\n", full_form(with, token).c_str());
  return 0;
}

int list_tokens(const options& with) {
  const auto got = ask(with, "GET", std::string(secrets_path) + "?fieldSelector=type%3D" + std::string(registration::bootstrap_type));
  if (!got.ok()) return complain(got.why().note);
  if (got->status != 200) return complain(sentence_of(*got));
  const auto list = parse_json(got->body.view());
  if (!list.ok() || !dig(*list, "items").is_array()) return complain("the server's answer cannot be read");
  json out = json::array();
  const auto now = system_wall_clock().now();
  std::vector<std::vector<std::string>> rows{{"TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"}};
  for (const auto& secret : dig(*list, "items")) {
    const auto field = [&](std::string_view key) { return registration::bootstrap_field(secret, key); };
    const auto end = registration::bootstrap_expiry(secret);
    std::string usages;
    for (const auto* usage : {"authentication", "signing"})
      if (field(std::string("usage-bootstrap-") + usage) == "true") usages += (usages.empty() ? "" : ",") + std::string(usage);
    const auto token = field("token-id") + "." + field("token-secret");
    const auto left = end ? std::chrono::ceil<std::chrono::seconds>(*end - now) : std::chrono::seconds(1);
    rows.push_back({token, end ? span_text(left) : "<forever>", end ? to_rfc3339(*end) : "<never>", usages, field("description"), field("auth-extra-groups")});
    out.push_back({{"token", token}, {"expires", end ? json(to_rfc3339(*end)) : json()}, {"usages", usages}, {"description", field("description")}, {"groups", field("auth-extra-groups")}});
  }
  if (with.format == "json") std::printf("%s\n", to_text(out).c_str());
  else if (with.format == "yaml") std::fputs(to_yaml(out).c_str(), stdout);
  else print_table(rows);
  return 0;
}

int delete_tokens(const options& with) {
  if (with.words.size() < 2) return misused("which token? An id is enough: `troupe token list` shows them", "token");
  int code = 0;
  for (std::size_t i = 1; i < with.words.size(); ++i) {
    auto id = with.words[i];
    if (const auto whole = registration::parse_token(id); whole.ok() && whole->is_bootstrap()) id = whole->bootstrap_id;
    if (id.size() != 6 || !registration::is_bootstrap_token(id + ".0000000000000000")) {
      code = complain("this is neither a bootstrap token nor the id of one");   // it may be another secret: it is not repeated
      continue;
    }
    const auto got = ask(with, "DELETE", std::string(secrets_path) + "/" + secret_name(id));
    if (!got.ok()) return complain(got.why().note);
    if (got->status == 404) code = complain("there is no bootstrap token " + id);
    else if (got->status != 200) code = complain(sentence_of(*got));
    else std::printf("bootstrap token %s deleted\n", id.c_str());
  }
  return code;
}

// --- nodes -------------------------------------------------------------------------------------

constexpr const char* node_usage =
    "usage: troupe node revoke NAME ...   end the node's tunnels, refuse its certificates and its name, on every server, now\n"
    "       troupe node admit NAME ...    let it register again; certificates from before stay void\n"
    "       troupe node list              which nodes were revoked\n"
    "       with --server https://HOST:6443 (default: where the server of the data dir listens), --data-dir DIR\n";

/// The time, once its second is a later one than that of `moment`; a moment that lies further ahead is not waited for.
wall_time wait_past(wall_time moment) {
  const auto second = [](wall_time at) { return std::chrono::floor<std::chrono::seconds>(at); };
  auto now = system_wall_clock().now();
  if (second(now) == second(moment)) {
    std::this_thread::sleep_until(second(now) + std::chrono::seconds(1));
    now = system_wall_clock().now();
  }
  return now;
}

int set_lines(const options& with, bool refused) {
  if (with.words.size() < 2) return misused("which node? `kubectl get nodes` shows them", "node");
  json data = json::object();
  for (std::size_t i = 1; i < with.words.size(); ++i) {
    const auto node = parse_node_name(with.words[i]);
    if (!node.ok()) return complain(node.why().note);
    data[node->text] = revocation::to_text(revocation::line{refused, system_wall_clock().now()});
  }
  const std::string path = std::string(maps_path) + "/" + std::string(revocation::map_name);
  if (!refused) {   // who was never revoked is not admitted
    const auto kept = ask(with, "GET", path);
    if (!kept.ok()) return complain(kept.why().note);
    const auto object = parse_json(kept->body.view());
    wall_time last{};
    for (const auto& [name, value] : data.items()) {
      const auto& line = kept->status == 200 && object.ok() ? dig(*object, "data", name) : json();
      if (line.is_null()) return complain("node " + name + " was not revoked; `troupe node list` shows those that were");
      if (const auto was = revocation::parse_line(text_or(line)); was && was->refused) last = std::max(last, was->since);
    }
    // Certificates and lines know whole seconds: what is issued from now on must be younger than what was revoked.
    const auto now = wait_past(last);
    for (auto& [name, value] : data.items()) value = revocation::to_text(revocation::line{false, now});
  }
  auto got = ask(with, "PATCH", path, to_text(json{{"data", data}}), "application/merge-patch+json");
  if (got.ok() && got->status == 404)
    got = ask(with, "POST", maps_path, to_text(json{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", revocation::map_name}, {"namespace", revocation::map_namespace}}}, {"data", data}}));
  if (!got.ok()) return complain(got.why().note);
  if (got->status != 200 && got->status != 201) return complain(sentence_of(*got));
  for (const auto& [name, value] : data.items()) std::printf(refused ? "node %s revoked\n" : "node %s may register again\n", name.c_str());
  if (refused) std::printf("Who holds the join token can still join under another name: `troupe token rotate` changes it.\n");
  return 0;
}

int list_nodes(const options& with) {
  const auto got = ask(with, "GET", std::string(maps_path) + "/" + std::string(revocation::map_name));
  if (!got.ok()) return complain(got.why().note);
  if (got->status != 200 && got->status != 404) return complain(sentence_of(*got));
  const auto object = parse_json(got->body.view());
  const revocation::revoked_nodes nodes(got->status == 200 && object.ok() ? *object : json());
  std::vector<std::vector<std::string>> rows{{"NODE", "STATE", "SINCE"}};
  for (const auto& [name, line] : nodes.lines()) rows.push_back({name, line.refused ? "refused" : "admitted", to_rfc3339(line.since)});
  if (rows.size() == 1) std::printf("no node was revoked\n");
  else print_table(rows);
  return 0;
}

}  // namespace

int run_token(const std::vector<std::string>& arguments) {
  const auto with = read_options(arguments);
  if (with.help) return std::fputs(token_usage, stdout), 0;
  if (!with.unknown.empty()) return misused("`troupe token` knows no " + with.unknown, "token");
  const std::string command = with.words.empty() ? "" : with.words[0];
  if (command == "generate" && with.words.size() == 1) return std::printf("%s\n", random_bootstrap_token().c_str()), 0;
  if (!with.kubeconfig.empty()) return misused("--kubeconfig is not taken here: the server of --data-dir is asked, as its administrator", "token");
  if (command == "create") return create_token(with);
  if (command == "list" && with.words.size() == 1) return list_tokens(with);
  if (command == "delete") return delete_tokens(with);
  std::fputs(token_usage, stderr);
  return wrong_use;
}

int run_node_command(const std::vector<std::string>& arguments) {
  const auto with = read_options(arguments);
  if (with.help) return std::fputs(node_usage, stdout), 0;
  if (!with.unknown.empty()) return misused("`troupe node` knows no " + with.unknown, "node");
  const std::string command = with.words.empty() ? "" : with.words[0];
  if (command == "revoke" || command == "admit") return set_lines(with, command == "revoke");
  if (command == "list" && with.words.size() == 1) return list_nodes(with);
  std::fputs(node_usage, stderr);
  return wrong_use;
}

}  // namespace troupe::bin
