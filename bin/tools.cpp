#include "bin/tools.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "basis/clock.hpp"
#include "basis/rng.hpp"
#include "bin/command_line.hpp"

namespace troupe::bin {
namespace {

/// The first kubectl on the PATH that is not this program under another name.
std::string installed_kubectl() {
  struct stat own {}, other {};
  if (stat("/proc/self/exe", &own) != 0) own = {};
  const char* path = std::getenv("PATH");
  std::string_view rest = path ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const auto cut = std::min(rest.find(':'), rest.size());
    const std::string candidate = std::string(rest.substr(0, cut)) + "/kubectl";
    rest.remove_prefix(std::min(cut + 1, rest.size()));
    if (access(candidate.c_str(), X_OK) != 0 || stat(candidate.c_str(), &other) != 0 || !S_ISREG(other.st_mode)) continue;
    if (other.st_dev != own.st_dev || other.st_ino != own.st_ino) return candidate;
  }
  return {};
}

/// K3s's order: what the caller chose, then the admin's file when it is readable, then kubectl's own choice.
void choose_kubeconfig(const std::vector<std::string>& arguments) {
  for (const auto& a : arguments)
    if (a == "--kubeconfig" || a.starts_with("--kubeconfig=")) return;
  if (const char* chosen = std::getenv("KUBECONFIG"); chosen && *chosen) return;
  const auto home = unprivileged_home();
  for (const auto& path : {home.empty() ? std::string() : home + "/.rancher/troupe/troupe.yaml", std::string("/etc/rancher/troupe/troupe.yaml")})
    if (!path.empty() && access(path.c_str(), R_OK) == 0) {
      setenv("KUBECONFIG", path.c_str(), 1);
      return;
    }
}

std::string random_word(std::size_t size) {
  static constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string out;
  while (out.size() < size)
    for (const unsigned char c : system_entropy().draw(32))
      // 252 is the largest multiple of 36 in a byte: above it some letters would be likelier.
      if (c < 252 && out.size() < size) out += letters[c % letters.size()];
  return out;
}

}  // namespace

int run_kubectl(const std::vector<std::string>& arguments) {
  const auto program = installed_kubectl();
  if (program.empty()) {
    std::fprintf(stderr, "troupe: no kubectl is installed; on Debian: apt-get install kubernetes-client\n");
    return 127;
  }
  choose_kubeconfig(arguments);
  std::vector<char*> argv{const_cast<char*>("kubectl")};
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  std::fprintf(stderr, "troupe: %s: %s\n", program.c_str(), std::strerror(errno));
  return 126;
}

std::string random_bootstrap_token() { return random_word(6) + "." + random_word(16); }

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], row[i].size());
    }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += i + 1 == row.size() ? row[i] : row[i] + std::string(widths[i] + 3 - row[i].size(), ' ');
    std::printf("%s\n", line.c_str());
  }
}

}  // namespace troupe::bin
