// The messages inside a tunnel, one per binary WebSocket message: rancher/remotedialer's format. Pure.
//
//   varint id, varint connection, varint type, [varint deadline_ms for Data and Connect], payload
//
// All integers are zig-zag varints as Go's encoding/binary writes them. The id is for logs only.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::net::tunnel {

enum class frame_type : std::uint8_t {
  data = 1, connect = 2, error = 3, add_client = 4, remove_client = 5, pause = 6, resume = 7, sync = 8
};

struct frame {
  std::int64_t id = 0;
  std::int64_t connection = 0;
  std::int64_t type = 0;              ///< Unknown types are kept as they are, to be ignored.
  std::string_view payload;           ///< Inside the bytes that were read.
  bool is(frame_type t) const { return type == static_cast<std::int64_t>(t); }
};

inline constexpr std::int64_t deadline_ms = 15000;        ///< Always written, never looked at.
inline constexpr std::size_t connect_payload_max = 266;
inline constexpr std::size_t error_payload_max = 100;

/// All of a frame but its payload.
std::string encode_head(std::int64_t id, std::int64_t connection, frame_type type);
std::string encode(std::int64_t id, std::int64_t connection, frame_type type, std::string_view payload);
/// Nothing when the bytes are no frame.
std::optional<frame> decode(std::string_view message);
/// The payload of a SyncConnections frame: little-endian 64-bit numbers; nothing when its length is off.
std::optional<std::vector<std::int64_t>> decode_sync(std::string_view payload);
std::string encode_sync(const std::vector<std::int64_t>& connections);

}  // namespace troupe::net::tunnel
