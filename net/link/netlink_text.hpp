// Addresses as the kernel has them, and as we write them. Inside of net/link only.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace troupe::net::real {

using mac_bytes = std::array<std::uint8_t, 6>;

/// In network order; nothing for what is no IPv4 address.
std::optional<std::uint32_t> ip_of(const std::string& text);
std::string ip_text(std::uint32_t ip);
std::optional<mac_bytes> mac_of(const std::string& text);
std::string mac_text(const void* six_bytes);
/// "10.42.0.0/24"; without a slash 32 bits.
struct prefix {
  std::uint32_t ip = 0;
  unsigned bits = 32;
};
std::optional<prefix> prefix_of(const std::string& text);

}  // namespace troupe::net::real
