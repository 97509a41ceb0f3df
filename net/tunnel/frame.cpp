#include "net/tunnel/frame.hpp"

namespace troupe::net::tunnel {
namespace {

void put(std::string& out, std::int64_t value) {
  auto zigzag = static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
  while (zigzag >= 0x80) {
    out.push_back(static_cast<char>(zigzag | 0x80));
    zigzag >>= 7;
  }
  out.push_back(static_cast<char>(zigzag));
}

bool take(std::string_view& from, std::int64_t& value) {
  std::uint64_t zigzag = 0;
  for (unsigned shift = 0, i = 0; i < from.size() && shift < 64; ++i, shift += 7) {
    const auto byte = static_cast<unsigned char>(from[i]);
    if (shift == 63 && byte > 1) return false;
    zigzag |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    value = static_cast<std::int64_t>(zigzag >> 1) ^ -static_cast<std::int64_t>(zigzag & 1);
    from.remove_prefix(i + 1);
    return true;
  }
  return false;
}

}  // namespace

std::string encode_head(std::int64_t id, std::int64_t connection, frame_type type) {
  std::string out;
  out.reserve(24);
  put(out, id);
  put(out, connection);
  put(out, static_cast<std::int64_t>(type));
  if (type == frame_type::data || type == frame_type::connect) put(out, deadline_ms);
  return out;
}

std::string encode(std::int64_t id, std::int64_t connection, frame_type type, std::string_view payload) {
  return encode_head(id, connection, type).append(payload);
}

std::optional<frame> decode(std::string_view message) {
  frame out;
  std::int64_t ignored = 0;
  if (!take(message, out.id) || !take(message, out.connection) || !take(message, out.type)) return std::nullopt;
  if ((out.is(frame_type::data) || out.is(frame_type::connect)) && !take(message, ignored)) return std::nullopt;
  out.payload = message;
  return out;
}

std::optional<std::vector<std::int64_t>> decode_sync(std::string_view payload) {
  if (payload.size() % 8 != 0) return std::nullopt;
  std::vector<std::int64_t> out;
  out.reserve(payload.size() / 8);
  for (std::size_t i = 0; i < payload.size(); i += 8) {
    std::uint64_t value = 0;
    for (std::size_t k = 8; k-- > 0;) value = value << 8 | static_cast<unsigned char>(payload[i + k]);
    out.push_back(static_cast<std::int64_t>(value));
  }
  return out;
}

std::string encode_sync(const std::vector<std::int64_t>& connections) {
  std::string out;
  for (const auto c : connections)
    for (unsigned k = 0; k < 8; ++k) out.push_back(static_cast<char>(static_cast<std::uint64_t>(c) >> (8 * k) & 0xff));
  return out;
}

}  // namespace troupe::net::tunnel
