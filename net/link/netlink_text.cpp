#include "net/link/netlink_text.hpp"

#include <arpa/inet.h>

#include <charconv>
#include <cstdio>

namespace troupe::net::real {

std::optional<std::uint32_t> ip_of(const std::string& text) {
  in_addr out{};
  if (inet_pton(AF_INET, text.c_str(), &out) != 1) return std::nullopt;
  return out.s_addr;
}

std::string ip_text(std::uint32_t ip) {
  char out[INET_ADDRSTRLEN];
  const in_addr in{ip};
  return inet_ntop(AF_INET, &in, out, sizeof out) ? out : "";
}

std::optional<mac_bytes> mac_of(const std::string& text) {
  mac_bytes out{};
  if (text.size() != 17) return std::nullopt;
  for (std::size_t i = 0; i < 6; ++i) {
    const auto* at = text.data() + 3 * i;
    const auto read = std::from_chars(at, at + 2, out[i], 16);
    if (read.ec != std::errc() || read.ptr != at + 2 || (i < 5 && at[2] != ':')) return std::nullopt;
  }
  return out;
}

std::string mac_text(const void* six_bytes) {
  const auto* b = static_cast<const std::uint8_t*>(six_bytes);
  char out[18];
  std::snprintf(out, sizeof out, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
  return out;
}

std::optional<prefix> prefix_of(const std::string& text) {
  prefix out;
  const auto slash = text.find('/');
  const auto ip = ip_of(text.substr(0, slash));
  if (!ip) return std::nullopt;
  out.ip = *ip;
  if (slash == text.npos) return out;
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data() + slash + 1, end, out.bits);
  if (read.ec != std::errc() || read.ptr != end || out.bits > 32) return std::nullopt;
  return out;
}

}  // namespace troupe::net::real
