// Names and addresses that travel between rooms, each with the rule it was checked by.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "basis/result.hpp"

namespace troupe {

/// True for an RFC 1123 subdomain: labels of [a-z0-9-], dots between, at most 253 bytes.
bool is_dns_subdomain(std::string_view text) noexcept;
/// True for one RFC 1123 label of at most 63 bytes.
bool is_dns_label(std::string_view text) noexcept;

/// A node's name: an RFC 1123 subdomain in lower case.
struct node_name {
  std::string text;
  friend auto operator<=>(const node_name&, const node_name&) = default;
};
/// Lower-cases and checks; `invalid` says what is wrong with the name and what is allowed.
result<node_name> parse_node_name(std::string_view text);

/// Host (name or address, IPv6 without brackets) and TCP port.
struct endpoint {
  std::string host;
  std::uint16_t port = 0;
  friend auto operator<=>(const endpoint&, const endpoint&) = default;
};
/// "host:port", IPv6 in brackets.
std::string to_string(const endpoint& at);
/// Inverse; `port` is used when the text names none (0 makes that invalid).
result<endpoint> parse_endpoint(std::string_view text, std::uint16_t port = 0);
/// Takes "https://host[:port][/]"; any other scheme, path or empty host is invalid.
result<endpoint> parse_server_url(std::string_view text);
/// True for a literal IPv4 or IPv6 address.
bool is_ip_address(std::string_view text) noexcept;

}  // namespace troupe
