#include "net/asio/port_owner.hpp"

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

void collect_inodes(const char* table, std::uint16_t port, std::set<std::string>& into) {
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

std::string port_owner(std::uint16_t port) {
  std::set<std::string> inodes;
  collect_inodes("/proc/net/tcp", port, inodes);
  collect_inodes("/proc/net/tcp6", port, inodes);
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
