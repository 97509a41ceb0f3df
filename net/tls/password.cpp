#include "net/tls/password.hpp"

#include <charconv>
#include <vector>

#include "basis/bytes.hpp"

namespace troupe::net::tls {
namespace {

constexpr unsigned log2_n_max = 20, r_max = 8, p_max = 16;

bool from_hex(std::string_view text, std::string& out) {
  if (text.size() % 2 != 0) return false;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    unsigned value = 0;
    const auto [end, bad] = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    if (bad != std::errc() || end != text.data() + i + 2) return false;
    out.push_back(static_cast<char>(value));
  }
  return true;
}

bool to_number(std::string_view text, unsigned max, unsigned& out) {
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), out);
  return bad == std::errc() && end == text.data() + text.size() && out >= 1 && out <= max;
}

}  // namespace

result<password_hash> read_password_hash(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t from = 0; from <= text.size();) {
    const auto colon = std::min(text.find(':', from), text.size());
    parts.push_back(text.substr(from, colon - from));
    from = colon + 1;
  }
  password_hash out;
  std::string padded(parts.size() == 6 ? parts[5] : "");
  while (padded.size() % 4 != 0) padded.push_back('=');
  if (parts.size() != 6 || parts[0] != "$1" || !from_hex(parts[1], out.salt) || out.salt.empty() ||
      !to_number(parts[2], log2_n_max, out.log2_n) || !to_number(parts[3], r_max, out.r) ||
      !to_number(parts[4], p_max, out.p) || !from_base64(padded, out.key) || out.key.size() < 16 ||
      out.key.size() > 256)
    return fail(errc::invalid, "a stored password hash cannot be read");
  return out;
}

std::string write_password_hash(const password_hash& hash) {
  std::string key = to_base64(hash.key);
  while (!key.empty() && key.back() == '=') key.pop_back();
  return "$1:" + to_hex(hash.salt) + ":" + std::to_string(hash.log2_n) + ":" + std::to_string(hash.r) + ":" +
         std::to_string(hash.p) + ":" + key;
}

}  // namespace troupe::net::tls
