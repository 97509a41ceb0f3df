// SPDY/3.1 as clients of container runtimes need it: frames of a session whose streams we open. Framing and header blocks are
// those of the SPDY protocol drafts (version 3.1, sections 2.2 to 2.6.11); header blocks are zlib with the protocol's dictionary.
// Windows are not kept: the other side (moby/spdystream in containerd) knows none. Pure.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basis/result.hpp"

namespace troupe::net::spdy {

using header_pairs = std::vector<std::pair<std::string, std::string>>;

enum class frame_kind : std::uint8_t { data, open, reply, reset, ping, goaway, headers, other };

struct frame {
  frame_kind kind = frame_kind::other;
  std::uint32_t stream = 0;
  bool last = false;            ///< The sender says no more on this stream.
  std::string_view data;        ///< Of data: a piece; valid until the next call. Of ping: its four bytes.
  header_pairs headers;
};

inline constexpr std::size_t control_bytes_max = 256 * 1024, header_bytes_max = 256 * 1024;
inline constexpr std::size_t data_bytes_max = (1u << 24) - 1;

/// Bytes in, frames out. Header blocks of one direction share one compression state, so every frame must pass through here.
class frame_reader {
 public:
  frame_reader();
  ~frame_reader();
  frame_reader(const frame_reader&) = delete;
  frame_reader& operator=(const frame_reader&) = delete;
  /// Takes from the front of `bytes` and answers true with `out` set when there is a frame (or a piece of data). `invalid` when
  /// the bytes are no SPDY/3, or larger than the limits; nothing more can be read then.
  result<bool> next(std::string_view& bytes, frame& out);

 private:
  struct inflater;
  result<frame> read_control();
  result<header_pairs> read_headers(std::string_view packed);
  std::unique_ptr<inflater> unpack_;
  std::string head_, body_;
  std::uint32_t left_ = 0, stream_ = 0;
  bool in_data_ = false, last_ = false;
};

class frame_writer {
 public:
  frame_writer();
  ~frame_writer();
  frame_writer(const frame_writer&) = delete;
  frame_writer& operator=(const frame_writer&) = delete;
  /// `accepts` = SYN_REPLY, else SYN_STREAM.
  std::string headers(std::uint32_t stream, const header_pairs& what, bool accepts, bool last);
  static std::string data(std::uint32_t stream, std::string_view what, bool last);
  static std::string reset(std::uint32_t stream, std::uint32_t why);
  static std::string ping(std::string_view four);

 private:
  struct deflater;
  std::unique_ptr<deflater> pack_;
};

}  // namespace troupe::net::spdy
