#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "net/host/real.hpp"

namespace troupe::net::real {
namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string out;
  std::getline(file, out);
  return out;
}

/// The source address the kernel would choose towards a public address; nothing is sent.
std::string source_towards(int family, const sockaddr* to, socklen_t size) {
  const int fd = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};
  std::string out;
  sockaddr_storage mine{};
  socklen_t mine_size = sizeof mine;
  if (::connect(fd, to, size) == 0 && ::getsockname(fd, reinterpret_cast<sockaddr*>(&mine), &mine_size) == 0) {
    char text[INET6_ADDRSTRLEN] = "";
    const void* raw = family == AF_INET ? static_cast<const void*>(&reinterpret_cast<sockaddr_in*>(&mine)->sin_addr)
                                        : &reinterpret_cast<sockaddr_in6*>(&mine)->sin6_addr;
    if (::inet_ntop(family, raw, text, sizeof text) != nullptr) out = text;
  }
  ::close(fd);
  return out;
}

std::string default_address() {
  // TEST-NET-1 and the documentation prefix: routed like any public address, owned by nobody.
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(9);
  ::inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
  if (auto out = source_towards(AF_INET, reinterpret_cast<sockaddr*>(&v4), sizeof v4); !out.empty()) return out;
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(9);
  ::inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
  if (auto out = source_towards(AF_INET6, reinterpret_cast<sockaddr*>(&v6), sizeof v6); !out.empty()) return out;
  return "127.0.0.1";
}

std::string pretty_name() {
  std::ifstream file("/etc/os-release");
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view key = "PRETTY_NAME=";
    if (line.rfind(key, 0) != 0) continue;
    std::string value = line.substr(key.size());
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    return value;
  }
  return "Linux";
}

std::uint64_t memory_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  for (std::uint64_t value = 0; file >> key >> value; std::getline(file, unit))
    if (key == "MemTotal:") return value * 1024;
  return 0;
}

std::string kubernetes_architecture(const std::string& machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  if (machine.rfind("armv", 0) == 0) return "arm";
  return machine;
}

class real_machine final : public machine {
 public:
  machine_facts facts(const std::string& disk_path) const override {
    machine_facts out;
    utsname names{};
    if (::uname(&names) == 0) {
      out.hostname = names.nodename;
      out.kernel = names.release;
      out.architecture = kubernetes_architecture(names.machine);
    }
    for (char& c : out.hostname)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    out.default_address = default_address();
    out.os_image = pretty_name();
    out.machine_id = first_line("/etc/machine-id");
    out.system_uuid = first_line("/sys/class/dmi/id/product_uuid");
    if (out.system_uuid.empty()) out.system_uuid = out.machine_id;  // Readable by root only, and not everywhere.
    out.boot_id = first_line("/proc/sys/kernel/random/boot_id");
    const auto cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
    out.cpus = cpus > 0 ? static_cast<unsigned>(cpus) : 1;
    out.memory_bytes = memory_bytes();
    struct statvfs disk {};
    if (::statvfs(disk_path.empty() ? "/" : disk_path.c_str(), &disk) == 0) {
      out.disk_bytes = static_cast<std::uint64_t>(disk.f_blocks) * disk.f_frsize;
      out.disk_free_bytes = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
    }
    return out;
  }
};

}  // namespace

std::unique_ptr<machine> make_machine() { return std::make_unique<real_machine>(); }

}  // namespace troupe::net::real
