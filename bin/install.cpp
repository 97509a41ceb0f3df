#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "bin/command_line.hpp"
#include "bin/tools.hpp"
#include "net/filter/real.hpp"
#include "net/link/real.hpp"

extern char** environ;

namespace troupe::bin {
namespace {

namespace fs = std::filesystem;

struct service {
  const char *name, *command, *kind, *meaning;
};
constexpr service services[] = {{"troupe", "server", "notify", "troupe, a small Kubernetes server"},
                                {"troupe-agent", "agent", "notify", "troupe, a Kubernetes node"}};
constexpr const char* program_path = "/usr/local/bin/troupe";

std::string unit_path(const service& s) { return std::string("/etc/systemd/system/") + s.name + ".service"; }

/// One word of an ExecStart line: systemd reads quotes, backslashes, % and $.
std::string unit_word(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '%' || c == '$') out += c;
    out += c;
  }
  return out + "\"";
}

std::string environment_line(const std::string& name, const std::string& value) {
  std::string out = name + "=\"";
  for (const char c : value) {
    if (c == '"' || c == '\\' || c == '$' || c == '`') out += '\\';
    out += c;
  }
  return out + "\"\n";
}

/// The unit, as K3s writes its own; X-TroupeDataDir tells a later uninstall where the data is.
std::string unit_text(const service& s, const std::string& command_line, const std::string& data_folder) {
  return std::string("[Unit]\nDescription=") + s.meaning +
         "\nWants=network-online.target\nAfter=network-online.target\nX-TroupeDataDir=" + data_folder +
         "\n\n[Install]\nWantedBy=multi-user.target\n\n[Service]\nType=" + s.kind +
         "\nEnvironmentFile=-/etc/default/%N\nEnvironmentFile=-/etc/sysconfig/%N\nEnvironmentFile=-" + unit_path(s) +
         ".env\nKillMode=process\nDelegate=yes\nUser=root\nLimitNOFILE=1048576\nLimitNPROC=infinity\nLimitCORE=infinity\n"
         "TasksMax=infinity\nTimeoutStartSec=0\nRestart=always\nRestartSec=5s\n"
         "ExecStartPre=-/sbin/modprobe br_netfilter\nExecStartPre=-/sbin/modprobe overlay\nExecStart=" +
         command_line + "\n";
}

/// Writes beside the place and renames, so that nobody sees half of it.
bool write_file(const std::string& path, const std::string& text, mode_t mode) {
  std::error_code bad;
  fs::create_directories(fs::path(path).parent_path(), bad);
  const auto fresh = path + ".new";
  fs::remove(fresh, bad);
  {
    const mode_t before = umask(0077);
    std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
    umask(before);
    out << text;
    out.flush();
    if (!out || chmod(fresh.c_str(), mode) != 0) {
      std::fprintf(stderr, "troupe: %s cannot be written\n", path.c_str());
      return false;
    }
  }
  fs::rename(fresh, path, bad);
  if (bad) std::fprintf(stderr, "troupe: %s: %s\n", path.c_str(), bad.message().c_str());
  return !bad;
}

bool copy_program(const std::string& to) {
  std::error_code bad;
  if (fs::equivalent("/proc/self/exe", to, bad)) return true;
  fs::create_directories(fs::path(to).parent_path(), bad);
  const auto fresh = to + ".new";
  fs::copy_file("/proc/self/exe", fresh, fs::copy_options::overwrite_existing, bad);
  if (!bad) fs::permissions(fresh, static_cast<fs::perms>(0755), bad);
  if (!bad) fs::rename(fresh, to, bad);
  if (bad) std::fprintf(stderr, "troupe: %s: %s\n", to.c_str(), bad.message().c_str());
  return !bad;
}

/// Runs a program and waits; its exit code.
int call(std::vector<const char*> words) {
  words.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execvp(words[0], const_cast<char* const*>(words.data()));
    _exit(127);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 127;
  return WEXITSTATUS(status);
}

struct places {
  std::string root;                       ///< Empty: the machine itself.
  std::vector<std::string> rest;
  bool bad = false;
  bool has_systemd() const { return root.empty() && access("/run/systemd/system", F_OK) == 0; }
};
places take_root(const std::vector<std::string>& arguments) {
  places out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& a = arguments[i];
    if (a.starts_with("--root=")) out.root = a.substr(7);
    else if (a == "--root" && i + 1 < arguments.size()) out.root = arguments[++i];
    else if (a == "--root") out.bad = true;
    else out.rest.push_back(a);
  }
  while (!out.root.empty() && out.root.back() == '/') out.root.pop_back();
  if (out.root.empty() && geteuid() != 0) {
    std::fprintf(stderr, "troupe: this needs root (or --root DIR, to look at what would be written)\n");
    out.bad = true;
  }
  return out;
}

/// What a service inherits from whoever installs it, as K3s's installer keeps it, and the secrets.
std::string environment_text(const reading& with) {
  std::string out;
  std::map<std::string, std::string> lines = node_environment();
  for (const auto* proxy : {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"})
    if (const char* value = std::getenv(proxy)) lines[proxy] = value;
  for (const auto& a : with.arguments)
    if (const auto* f = node::find_flag(a.name); f->secret) lines["TROUPE_" + node::variable_of(*f)] = a.value;
  for (const auto& [name, value] : lines)
    if (value.find('\n') == value.npos) out += environment_line(name, value);
  return out;
}

bool remove_tree(const std::string& path) {
  std::error_code bad;
  fs::remove_all(path, bad);
  if (bad) std::fprintf(stderr, "troupe: %s: %s\n", path.c_str(), bad.message().c_str());
  return !bad;
}

std::string data_folder_of(const std::string& unit) {
  std::ifstream in(unit);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("X-TroupeDataDir=")) return line.substr(16);
  return {};
}

/// Only what a node of ours makes below its data directory; whatever else lies there stays.
bool remove_data(const std::string& folder) {
  if (folder.size() < 2 || folder[0] != '/') return true;
  bool good = true;
  for (const auto* part : {"/server", "/agent", "/admin.sock"}) good = remove_tree(folder + part) && good;
  std::error_code left;
  fs::remove(folder, left);   // only when empty
  return good;
}

}  // namespace

int run_install(const std::vector<std::string>& arguments) {
  const auto to = take_root(arguments);
  if (to.bad) return 2;
  const std::string what = to.rest.empty() ? "" : to.rest[0];
  const service* s = what == "server" ? &services[0] : what == "agent" ? &services[1] : nullptr;
  if (!s) {
    std::fprintf(stderr, "usage: troupe install server|agent [--root DIR] [flags of troupe server|agent]\n");
    return 2;
  }
  const auto kind = what == "server" ? node::command::server : node::command::agent;
  const auto read = read_command_line(kind, {to.rest.begin() + 1, to.rest.end()});
  if (read.exit_code) return *read.exit_code;
  std::string line = std::string(program_path) + " " + s->command;
  for (const auto& a : read.arguments)
    if (!node::find_flag(a.name)->secret) line += " " + unit_word("--" + a.name + "=" + a.value);
  const auto& data = kind == node::command::server ? read.merged.server.data_folder : read.merged.agent.data_folder;
  if (line.find('\n') != line.npos || data.find('\n') != data.npos) {
    std::fprintf(stderr, "troupe: a flag with a line break cannot stand in a unit\n");
    return 2;
  }
  if (!copy_program(to.root + program_path) || !write_file(to.root + unit_path(*s), unit_text(*s, line, data), 0644) ||
      !write_file(to.root + unit_path(*s) + ".env", environment_text(read), 0600))
    return 1;
  std::printf("wrote %s%s, %s%s and %s%s.env\n", to.root.c_str(), program_path, to.root.c_str(), unit_path(*s).c_str(), to.root.c_str(),
              unit_path(*s).c_str());
  if (!to.root.empty()) return 0;
  if (!to.has_systemd()) {
    std::printf("systemd does not run here, so nothing was started\n");
    return 0;
  }
  std::fflush(stdout);
  return call({"systemctl", "daemon-reload"}) == 0 && call({"systemctl", "enable", s->name}) == 0 && call({"systemctl", "restart", s->name}) == 0 ? 0 : 1;
}

namespace {

/// What a node has left in the network, so that pods and connections outlive its restarts, and what K3s's uninstaller removes too.
bool leave_network() {
  if (!net::real::may_change_network()) return true;
  const auto filter = net::real::make_packet_filter();
  const auto links = net::real::make_link_table();
  // Another node of this machine may keep it; then it is his.
  if (!filter->claim().ok()) return true;
  bool good = filter->apply("add table ip troupe\ndelete table ip troupe\n").ok();
  for (const char* name : {"flannel.1", "cni0"}) good = links->remove_link(name).ok() && good;
  if (!good) std::fprintf(stderr, "troupe: the table troupe, flannel.1 or cni0 could not be removed from the network\n");
  return good;
}

}  // namespace

int run_uninstall(const std::vector<std::string>& arguments) {
  const auto from = take_root(arguments);
  if (from.bad) return 2;
  if (!from.rest.empty()) {
    std::fprintf(stderr, "usage: troupe uninstall [--root DIR]\n");
    return 2;
  }
  bool good = true, found = false;
  for (const auto& s : services) {
    const auto unit = from.root + unit_path(s);
    if (access(unit.c_str(), F_OK) != 0) continue;
    found = true;
    if (from.has_systemd()) call({"systemctl", "disable", "--now", s.name});
    if (const auto data = data_folder_of(unit); !data.empty()) good = remove_data(from.root + data) && good;
    good = remove_tree(unit) && remove_tree(unit + ".env") && good;
  }
  if (!found) {
    std::fprintf(stderr, "troupe: nothing is installed%s%s\n", from.root.empty() ? "" : " below ", from.root.c_str());
    return 1;
  }
  good = remove_tree(from.root + "/etc/rancher/troupe/troupe.yaml") && remove_tree(from.root + program_path) && good;
  if (from.root.empty()) good = leave_network() && good;
  if (from.has_systemd()) call({"systemctl", "daemon-reload"});
  std::printf("removed; /etc/rancher/node keeps this machine's node password, so that it may join again\n");
  return good ? 0 : 1;
}

}  // namespace troupe::bin
