// `troupe secrets-encrypt` and `troupe token rotate`: questions to a running server.
#include "bin/tools.hpp"

#include <algorithm>
#include <cstdio>

#include "basis/bytes.hpp"
#include "basis/json.hpp"
#include "basis/rng.hpp"
#include "bin/command_line.hpp"
#include "bin/question.hpp"

namespace troupe::bin {
namespace {

struct options {
  std::string folder, server, format = "text", token, new_token;
  bool help = false;
  std::vector<std::string> rest;     ///< The sub-command, and whatever is wrong.
};

options read_options(const std::vector<std::string>& given) {
  const auto home = unprivileged_home();
  options out;
  out.folder = home.empty() ? "/var/lib/rancher/troupe" : home + "/.rancher/troupe";
  const struct { const char* name; const char* letter; std::string& into; } known[] = {
      {"--data-dir", "-d", out.folder}, {"--server", "-s", out.server}, {"--output", "-o", out.format}, {"--token", "-t", out.token}, {"--new-token", "--new-token", out.new_token}};
  for (std::size_t i = 0; i < given.size(); ++i) {
    bool taken = false;
    for (const auto& k : known) {
      if ((given[i] == k.name || given[i] == k.letter) && i + 1 < given.size()) taken = true, k.into = given[++i];
      else if (given[i].starts_with(std::string(k.name) + "=")) taken = true, k.into = given[i].substr(std::string(k.name).size() + 1);
      if (taken) break;
    }
    if (taken) continue;
    if (given[i] == "--help" || given[i] == "-h") out.help = true;
    else out.rest.push_back(given[i]);
  }
  while (out.folder.size() > 1 && out.folder.back() == '/') out.folder.pop_back();
  return out;
}

struct asked {
  std::string method, path, body;
};
result<net::http::response> ask(const options& with, const asked& what) {
  return ask_server({with.folder, with.server, with.token, what.method, what.path, what.body});
}

/// As K3s prints it.
std::string status_text(const json& status) {
  const auto& enabled = dig(status, "enable");
  if (!enabled.is_boolean()) return "Encryption Status: Disabled, no configuration file found\n";
  std::string out = enabled.get<bool>() ? "Encryption Status: Enabled\n" : "Encryption Status: Disabled\n";
  out += "Current Rotation Stage: " + text_or(dig(status, "stage")) + "\n";
  const bool match = dig(status, "hashmatch") == true;
  out += "Server Encryption Hashes: " + (match ? std::string("All hashes match") : text_or(dig(status, "hasherror"))) + "\n\n";
  out += "Active  Key Type  Name\n------  --------  ----\n";
  if (const auto active = text_or(dig(status, "activekey")); !active.empty()) out += " *      AES-CBC   " + active + "\n";
  for (const auto& key : dig(status, "inactivekeys")) out += "        AES-CBC   " + text_or(key) + "\n";
  return out;
}

constexpr const char* encrypt_usage =
    "usage: troupe secrets-encrypt status [-o text|json]\n"
    "       troupe secrets-encrypt enable        store Secrets encrypted from now on, and those there are as well\n"
    "       troupe secrets-encrypt disable       store them plain again\n"
    "       troupe secrets-encrypt rotate-keys   a new key, every Secret stored under it, the old key gone\n"
    "       with --server https://HOST:6443 (default: where the server of the data dir listens), --data-dir DIR, --token TOKEN\n";

constexpr const char* rotate_usage =
    "usage: troupe token rotate --token OLD --new-token NEW\n"
    "       with --server https://HOST:6443 (default: where the server of the data dir listens), --data-dir DIR; without --token the one that the\n"
    "       server has, without --new-token a random one\n";

int complain(const std::string& what) {
  std::fprintf(stderr, "troupe: %s\n", what.c_str());
  return 1;
}

}  // namespace

int run_secrets_encrypt(const std::vector<std::string>& arguments) {
  const auto with = read_options(arguments);
  const std::string command = with.rest.size() == 1 ? with.rest[0] : "";
  for (const auto* other : {"prepare", "rotate", "reencrypt"})
    if (command == other) {
      std::fprintf(stderr, "troupe: `secrets-encrypt %s` is a K3s command that this version of troupe does not have; `secrets-encrypt rotate-keys` does all of it\n", other);
      return 2;
    }
  const struct { const char* name; asked ask; const char* done; } known[] = {
      {"status", {"GET", "/v1-k3s/encrypt/status", ""}, nullptr},
      {"enable", {"PUT", "/v1-k3s/encrypt/config", R"({"enable":true})"}, "secrets-encryption enabled"},
      {"disable", {"PUT", "/v1-k3s/encrypt/config", R"({"enable":false})"}, "secrets-encryption disabled"},
      {"rotate-keys", {"PUT", "/v1-k3s/encrypt/config", R"({"stage":"rotate_keys"})"}, "keys rotated, reencryption finished"},
  };
  const auto found = std::find_if(std::begin(known), std::end(known), [&](const auto& k) { return command == k.name; });
  if (with.help || found == std::end(known) || (with.format != "text" && with.format != "json")) {
    std::fputs(encrypt_usage, with.help ? stdout : stderr);
    return with.help ? 0 : 2;
  }
  const auto got = ask(with, found->ask);
  if (!got.ok()) return complain(got.why().note);
  if (got->status != 200) return complain(sentence_of(*got));
  const auto status = parse_json(got->body.view());
  if (!status.ok()) return complain("the server's answer cannot be read");
  if (found->done != nullptr) std::printf("%s\n", found->done);
  else std::fputs((with.format == "json" ? to_text(*status) + "\n" : status_text(*status)).c_str(), stdout);
  return 0;
}

int run_token_rotate(const std::vector<std::string>& arguments) {
  auto with = read_options(arguments);
  if (with.help || with.rest != std::vector<std::string>{"rotate"}) {
    std::fputs(rotate_usage, with.help ? stdout : stderr);
    return with.help ? 0 : 2;
  }
  if (with.new_token.empty()) with.new_token = to_hex(system_entropy().draw(16));
  const auto got = ask(with, {"PUT", "/v1-k3s/token", to_text(json{{"newToken", with.new_token}})});
  if (!got.ok()) return complain(got.why().note);
  if (got->status != 200) return complain(sentence_of(*got));
  std::printf("Token rotated: agents join with the one in %s/server/token now, those that have joined stay.\n"
              "Start servers with it, or without --token, from now on: started with the old one a single server would accept that again, and one of\n"
              "several would refuse to start.\n", with.folder.c_str());
  return 0;
}

}  // namespace troupe::bin
