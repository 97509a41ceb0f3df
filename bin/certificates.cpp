// `troupe certificate check`: which certificates a node keeps and when they end. `troupe certificate rotate`: sets them aside, so
// that the next start makes new ones. Both work with files alone. `troupe certificate rotate-ca`: other authorities for the cluster,
// handed to a server that runs.
#include <algorithm>
#include <array>
#include <cstdio>

#include "actors/certificates/rotation.hpp"
#include "actors/membership/bootstrap.hpp"
#include "basis/clock.hpp"
#include "basis/json.hpp"
#include "bin/command_line.hpp"
#include "bin/question.hpp"
#include "bin/tools.hpp"
#include "net/host/claim.hpp"
#include "net/host/real.hpp"
#include "net/tls/openssl.hpp"

namespace troupe::bin {
namespace {

constexpr const char* usage =
    "usage: troupe certificate check [-o table|json] [--data-dir DIR]    every certificate of this node, and when it ends\n"
    "       exit code 1 when one has ended or cannot be read; renewal needs no command, a running node does it at half of their life\n"
    "       troupe certificate rotate [-s SERVICE]... [--data-dir DIR]    new keys and certificates at the next start, for a node that\n"
    "       stands still; the old ones are kept in server/tls-TIME and agent/tls-TIME. Authorities stay.\n"
    "       SERVICE: admin, api-server, etcd, k3s-controller, k3s-server, kubelet, supervisor; without one: all\n"
    "       troupe certificate rotate-ca --path DIR [--force]    other authorities for the cluster: DIR/tls/server-ca.crt, DIR/tls/server-ca.key and so on,\n"
    "       checked by the server and used from its next start on; docs/operations/certificates.md has the commands that make them\n"
    "       with --server https://HOST:6443 (default: where the server of the data dir listens), --token TOKEN, --data-dir DIR\n";

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

/// A leaf, as a path below the data directory without ".crt", and K3s's names of the services that use it.
struct leaf {
  std::string_view path;
  std::array<std::string_view, 3> services;
};
constexpr std::array<leaf, 9> leafs{{{"server/tls/client-admin", {"admin"}},
                                     {"server/tls/client-kube-apiserver", {"api-server"}},
                                     {"server/tls/serving-kube-apiserver", {"api-server", "supervisor", "k3s-server"}},
                                     {"server/tls/etcd/client", {"etcd"}},
                                     {"server/tls/etcd/server-client", {"etcd"}},
                                     {"server/tls/etcd/peer-server-client", {"etcd"}},
                                     {"agent/client-kubelet", {"kubelet"}},
                                     {"agent/serving-kubelet", {"kubelet"}},
                                     {"agent/client-k3s-controller", {"k3s-controller"}}}};
/// K3s's services that have no certificate of their own here: they are actors of the server.
constexpr std::string_view inside[] = {"controller-manager", "scheduler", "cloud-controller", "auth-proxy", "kube-proxy"};

bool uses(const leaf& one, std::string_view service) { return std::ranges::find(one.services, service) != one.services.end(); }

result<void> set_aside(net::files& on, const std::string& folder, const leaf& one, const std::string& time) {
  const std::string path(one.path);
  const bool server = path.starts_with("server/");
  const std::string kept = folder + (server ? "/server/tls-" : "/agent/tls-") + time + path.substr(path.find('/', server ? 7 : 0));
  if (auto made = on.make_folder(kept.substr(0, kept.rfind('/')), 0700); !made.ok()) return made;
  // The key last: a certificate without its key would be taken for damage, a key without a certificate is used for a new one.
  for (const char* kind : {".crt", ".key"})
    if (on.exists(folder + "/" + path + kind))
      if (auto moved = on.rename(folder + "/" + path + kind, kept + kind); !moved.ok()) return moved;
  return {};
}

int rotate(const std::string& folder, const std::vector<std::string>& services) {
  for (const auto& service : services) {
    if (std::ranges::find(inside, service) != std::end(inside)) {
      std::fprintf(stderr, "troupe: %s has no certificate of its own here: it is part of the server\n", service.c_str());
    } else if (std::ranges::none_of(leafs, [&](const leaf& one) { return uses(one, service); })) {
      std::fprintf(stderr, "troupe: there is no service \"%s\"\n%s", service.c_str(), usage);
      return 2;
    }
  }
  const auto files = net::real::make_files();
  const auto mine = files->exists(folder) ? net::claim_folder(folder, "certificate rotate", system_wall_clock().now()) : result<std::unique_ptr<net::folder_claim>>(errc::not_found, "");
  if (!mine.ok() && mine.code() != errc::not_found) {
    std::fprintf(stderr, "troupe: %s. (A node that runs renews its certificates itself at half of their life.)\n", mine.why().note.c_str());
    return 1;
  }
  const auto time = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(system_wall_clock().now().time_since_epoch()).count());
  std::size_t count = 0;
  for (const auto& one : leafs) {
    const bool wanted = services.empty() || std::ranges::any_of(services, [&](const auto& service) { return uses(one, service); });
    const std::string at = folder + "/" + std::string(one.path);
    if (!wanted || (!files->exists(at + ".crt") && !files->exists(at + ".key"))) continue;
    if (auto done = set_aside(*files, folder, one, time); !done.ok()) {
      std::fprintf(stderr, "troupe: %s could not be set aside: %s\n", at.c_str(), done.why().note.c_str());
      return 1;
    }
    std::printf("%s.crt: set aside\n", at.c_str());
    ++count;
  }
  if (count == 0) {
    std::fprintf(stderr, "troupe: there is no such certificate below %s: is that a node's --data-dir, and may you read it?\n", folder.c_str());
    return 1;
  }
  std::printf("kept in tls-%s; start the node, and it makes new ones\n", time.c_str());
  return 0;
}

// --- other authorities -------------------------------------------------------------------------

struct replacement {
  std::string folder, path, server, token;
  bool force = false;
};

bool is_authority(std::string_view path) {
  if (path == certificates::service_key_path) return true;
  return std::ranges::any_of(certificates::authorities(), [&](auto base) { return path == std::string(base) + ".crt" || path == std::string(base) + ".key"; });
}

int rotate_authorities(const replacement& with) {
  if (with.path.empty()) {
    std::fputs("troupe: --path is missing: the folder that holds the new authorities as tls/server-ca.crt, tls/server-ca.key, tls/client-ca.crt and so on.\n"
               "docs/operations/certificates.md (\"Other authorities\") has the commands that make them with openssl\n", stderr);
    return 2;
  }
  const auto files = net::real::make_files();
  const auto all = membership::gather_bootstrap(*files, with.path);
  if (!all.ok()) return std::fprintf(stderr, "troupe: --path: %s\n", all.why().note.c_str()), 1;
  json offered = json::object();
  for (const auto& file : membership::bootstrap_files())
    if (const auto found = all->find(std::string(file.field)); is_authority(file.path) && found != all->end()) offered[std::string(file.field)] = *found;
  if (offered.empty()) {
    std::fprintf(stderr, "troupe: --path: there is no %s/tls/server-ca.crt, nor any other authority below %s/tls\n", with.path.c_str(), with.path.c_str());
    return 1;
  }
  const auto got = ask_server({with.folder, with.server, with.token, "PUT", with.force ? "/v1-k3s/cert/cacerts?force=true" : "/v1-k3s/cert/cacerts", to_text(offered)});
  if (!got.ok()) return std::fprintf(stderr, "troupe: %s\n", got.why().note.c_str()), 1;
  if (got->status != 204) return std::fprintf(stderr, "troupe: %s\n", sentence_of(*got).c_str()), 1;
  std::printf("The cluster has other authorities from its next start on: %s, then the agents.\n",
              with.force ? "stop all servers and start them again" : "restart the servers one after the other");
  std::printf("Each server writes %s/server/token anew at its start; whoever joins by a full token with the authority's digest in it needs %s.\n", with.folder.c_str(),
              with.force ? "that one, agents that have joined as well" : "that one, or one of before as long as the new authority leads to the old one");
  return 0;
}

}  // namespace

int run_certificate(const std::vector<std::string>& arguments) {
  const auto home = unprivileged_home();
  std::string folder = home.empty() ? "/var/lib/rancher/troupe" : home + "/.rancher/troupe", format = "table", command;
  std::vector<std::string> services;
  replacement next;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& word = arguments[i];
    if ((word == "--data-dir" || word == "-d") && i + 1 < arguments.size()) folder = arguments[++i];
    else if (word.starts_with("--data-dir=")) folder = word.substr(11);
    else if ((word == "--output" || word == "-o") && i + 1 < arguments.size()) format = arguments[++i];
    else if (word.starts_with("--output=")) format = word.substr(9);
    else if ((word == "--service" || word == "-s") && i + 1 < arguments.size()) services.push_back(arguments[++i]);
    else if (word.starts_with("--service=")) services.push_back(word.substr(10));
    else if (word == "--force") next.force = true;
    else if (word == "--path" && i + 1 < arguments.size()) next.path = arguments[++i];
    else if (word.starts_with("--path=")) next.path = word.substr(7);
    else if (word == "--server" && i + 1 < arguments.size()) next.server = arguments[++i];
    else if (word.starts_with("--server=")) next.server = word.substr(9);
    else if ((word == "--token" || word == "-t") && i + 1 < arguments.size()) next.token = arguments[++i];
    else if (word.starts_with("--token=")) next.token = word.substr(8);
    else if (word == "--help" || word == "-h") return std::fputs(usage, stdout), 0;
    else if (command.empty()) command = word;
    else command = "?";
  }
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  const bool names_server = next.force || !next.path.empty() || !next.server.empty() || !next.token.empty();
  if (command == "rotate-ca" && services.empty() && format == "table") {
    next.folder = folder;
    while (next.path.size() > 1 && next.path.back() == '/') next.path.pop_back();
    return rotate_authorities(next);
  }
  if (names_server) return std::fputs(usage, stderr), 2;
  if (command == "rotate") return rotate(folder, services);
  if (command != "check" || !services.empty() || (format != "table" && format != "json")) return std::fputs(usage, stderr), 2;
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
