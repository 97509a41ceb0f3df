#include "net/asio/port_owner.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

namespace troupe::net::real {
namespace {

constexpr std::string_view listening = "0A";  // TCP_LISTEN in the table's third column.

/// An address as the kernel's tables print it: its 32-bit words as they lie in memory. Empty for no address.
std::string as_in_table(const std::string& host) {
  std::uint32_t words[4] = {};
  char text[33] = {};
  if (inet_pton(AF_INET, host.c_str(), words) == 1) {
    std::snprintf(text, sizeof text, "%08X", words[0]);
  } else if (inet_pton(AF_INET6, host.c_str(), words) == 1) {
    std::snprintf(text, sizeof text, "%08X%08X%08X%08X", words[0], words[1], words[2], words[3]);
  }
  return text;
}
bool is_any(std::string_view address) { return address.find_first_not_of('0') == std::string_view::npos; }

/// Listeners that stand in the way of `wanted`: on the same address, or one of the two on all.
void collect_inodes(const char* table, const std::string& wanted, std::uint16_t port, std::set<std::string>& into) {
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string slot, local, remote, state, skipped, inode;
    words >> slot >> local >> remote >> state;
    for (int i = 0; i < 5; ++i) words >> skipped;  // queues, timer, retransmits, uid, timeout
    words >> inode;
    const auto colon = local.rfind(':');
    if (state != listening || colon == std::string::npos) continue;
    const auto address = local.substr(0, colon);
    if (address != wanted && !is_any(address) && !is_any(wanted)) continue;
    if (std::strtoul(local.c_str() + colon + 1, nullptr, 16) == port) into.insert("socket:[" + inode + "]");
  }
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> out;
  DIR* open = ::opendir(folder.c_str());
  if (open == nullptr) return out;
  while (const dirent* each = ::readdir(open))
    if (each->d_name[0] >= '0' && each->d_name[0] <= '9') out.emplace_back(each->d_name);
  ::closedir(open);
  return out;
}

}  // namespace

std::string port_owner(const endpoint& at) {
  const auto wanted = as_in_table(at.host);
  std::set<std::string> inodes;
  collect_inodes("/proc/net/tcp", wanted, at.port, inodes);
  collect_inodes("/proc/net/tcp6", wanted, at.port, inodes);
  if (inodes.empty()) return {};
  for (const auto& pid : names_in("/proc")) {
    const std::string folder = "/proc/" + pid + "/fd";
    for (const auto& number : names_in(folder)) {
      char link[64];
      const ssize_t size = ::readlink((folder + "/" + number).c_str(), link, sizeof link);
      if (size <= 0 || !inodes.contains(std::string(link, static_cast<std::size_t>(size)))) continue;
      std::ifstream comm("/proc/" + pid + "/comm");
      std::string name;
      std::getline(comm, name);
      return name + " (pid " + pid + ")";
    }
  }
  return {};
}

}  // namespace troupe::net::real
