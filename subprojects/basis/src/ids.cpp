#include "basis/ids.hpp"

#include <arpa/inet.h>

#include <charconv>

namespace troupe {
namespace {
bool is_label_char(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }
}  // namespace

bool is_dns_label(std::string_view text) noexcept {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  for (char c : text)
    if (!is_label_char(c)) return false;
  return true;
}

bool is_dns_subdomain(std::string_view text) noexcept {
  if (text.empty() || text.size() > 253) return false;
  std::size_t from = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] != '.') continue;
    const auto label = text.substr(from, i - from);
    if (label.empty() || label.front() == '-' || label.back() == '-') return false;
    for (char c : label)
      if (!is_label_char(c)) return false;
    from = i + 1;
  }
  return true;
}

result<node_name> parse_node_name(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (!is_dns_subdomain(lower)) {
    std::string shown;
    for (char c : text.substr(0, 64)) shown.push_back(c >= ' ' && c < 127 ? c : '?');
    return fail(errc::invalid, "\"" + shown + "\" is not a node name: it must be a DNS name of lower-case letters, "
                "digits, '-' and '.', at most 253 characters");
  }
  return node_name{std::move(lower)};
}

std::string to_string(const endpoint& at) {
  const bool v6 = at.host.find(':') != std::string::npos;
  return (v6 ? "[" + at.host + "]" : at.host) + ":" + std::to_string(at.port);
}

result<endpoint> parse_endpoint(std::string_view text, std::uint16_t port) {
  std::string_view host = text, number;
  if (!text.empty() && text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return fail(errc::invalid, "an address with '[' needs a ']'");
    host = text.substr(1, close - 1);
    number = text.substr(close + 1);
    if (!number.empty() && number.front() != ':') return fail(errc::invalid, "expected ':' and a port after ']'");
    if (!number.empty()) number.remove_prefix(1);
  } else if (const auto colon = text.rfind(':'); colon != std::string_view::npos && text.find(':') == colon) {
    host = text.substr(0, colon);
    number = text.substr(colon + 1);
    if (number.empty()) return fail(errc::invalid, "the port after ':' is missing");
  }
  if (host.empty()) return fail(errc::invalid, "the host is missing");
  for (char c : host)
    if (c <= ' ' || c == '/' || c == '@' || c == '?' || c == '#' || c == '%' || static_cast<unsigned char>(c) > 126)
      return fail(errc::invalid, "the host contains a character that no host has");
  unsigned value = port;
  if (!number.empty()) {
    const auto [end, bad] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (bad != std::errc() || end != number.data() + number.size() || value == 0 || value > 65535)
      return fail(errc::invalid, "the port must be a number from 1 to 65535");
  }
  if (value == 0) return fail(errc::invalid, "the port is missing");
  return endpoint{std::string(host), static_cast<std::uint16_t>(value)};
}

result<endpoint> parse_server_url(std::string_view text) {
  constexpr std::string_view scheme = "https://";
  if (text.substr(0, scheme.size()) != scheme)
    return fail(errc::invalid, "a server address starts with https://, as in https://10.0.0.1:6443");
  text.remove_prefix(scheme.size());
  while (!text.empty() && text.back() == '/') text.remove_suffix(1);
  if (text.find('/') != std::string_view::npos)
    return fail(errc::invalid, "a server address has no path, as in https://10.0.0.1:6443");
  return parse_endpoint(text, 443);
}

bool is_ip_address(std::string_view text) noexcept {
  char copy[64];
  if (text.empty() || text.size() >= sizeof copy) return false;
  text.copy(copy, text.size());
  copy[text.size()] = 0;
  unsigned char out[16];
  return inet_pton(AF_INET, copy, out) == 1 || inet_pton(AF_INET6, copy, out) == 1;
}

}  // namespace troupe
