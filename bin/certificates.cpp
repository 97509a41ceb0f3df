// `troupe certificate check`: which certificates a node keeps and when they end. Reads files, asks nobody.
#include <algorithm>
#include <cstdio>

#include "basis/clock.hpp"
#include "basis/json.hpp"
#include "bin/command_line.hpp"
#include "bin/tools.hpp"
#include "net/host/real.hpp"
#include "net/tls/openssl.hpp"

namespace troupe::bin {
namespace {

constexpr const char* usage =
    "usage: troupe certificate check [-o table|json] [--data-dir DIR]    every certificate of this node, and when it ends\n"
    "       exit code 1 when one has ended or cannot be read; renewal needs no command, a running node does it at half of their life\n";

struct found {
  std::string file, subject, status;
  wall_time end{};
  std::int64_t days = 0;
};

void look(const net::files& on, net::tls::issuer& issuer, const std::string& folder, wall_time now, std::vector<found>& into) {
  const auto names = on.list(folder);
  if (!names.ok()) return;
  for (const auto& entry : *names) {
    const auto& name = entry.name;
    if (!name.ends_with(".crt")) continue;
    found one;
    one.file = folder + "/" + name;
    const auto text = on.read(one.file);
    const auto facts = text.ok() ? issuer.read(*text) : result<net::tls::certificate_facts>(text.why());
    if (!facts.ok()) {
      one.status = "UNREADABLE";
    } else {
      one.subject = facts->common_name;
      one.end = facts->not_after;
      one.days = std::chrono::floor<std::chrono::hours>(one.end - now).count() / 24;
      one.status = one.end <= now ? "EXPIRED" : facts->not_before > now ? "NOT YET VALID" : "OK";
    }
    into.push_back(std::move(one));
  }
}

}  // namespace

int run_certificate(const std::vector<std::string>& arguments) {
  const auto home = unprivileged_home();
  std::string folder = home.empty() ? "/var/lib/rancher/troupe" : home + "/.rancher/troupe", format = "table", command;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& word = arguments[i];
    if ((word == "--data-dir" || word == "-d") && i + 1 < arguments.size()) folder = arguments[++i];
    else if (word.starts_with("--data-dir=")) folder = word.substr(11);
    else if ((word == "--output" || word == "-o") && i + 1 < arguments.size()) format = arguments[++i];
    else if (word.starts_with("--output=")) format = word.substr(9);
    else if (word == "--help" || word == "-h") return std::fputs(usage, stdout), 0;
    else if (command.empty()) command = word;
    else command = "?";
  }
  if (command == "rotate" || command == "rotate-ca") {
    std::fprintf(stderr, "troupe: `certificate %s` is a K3s command that this version of troupe does not have; certificates are renewed while the node runs\n", command.c_str());
    return 2;
  }
  if (command != "check" || (format != "table" && format != "json")) return std::fputs(usage, stderr), 2;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  const auto files = net::real::make_files();
  const auto issuer = net::tls::make_openssl_issuer();
  std::vector<found> all;
  for (const char* below : {"/server/tls", "/server/tls/etcd", "/agent"}) look(*files, *issuer, folder + below, system_wall_clock().now(), all);
  if (all.empty()) {
    std::fprintf(stderr, "troupe: there is no certificate below %s: is that a node's --data-dir, and may you read it?\n", folder.c_str());
    return 1;
  }
  json out = json::array();
  std::vector<std::vector<std::string>> rows{{"FILE", "SUBJECT", "EXPIRES", "DAYS LEFT", "STATUS"}};
  for (const auto& one : all) {
    const bool known = one.status != "UNREADABLE";
    const auto end = known ? to_rfc3339(one.end) : std::string("?");
    rows.push_back({one.file, one.subject, end, known ? std::to_string(one.days) : "?", one.status});
    out.push_back({{"file", one.file}, {"subject", one.subject}, {"expires", known ? json(end) : json()}, {"status", one.status}});
  }
  if (format == "json") std::printf("%s\n", to_text(out).c_str());
  else print_table(rows);
  return std::all_of(all.begin(), all.end(), [](const found& one) { return one.status == "OK"; }) ? 0 : 1;
}

}  // namespace troupe::bin
