// The course of WebSocket frames (RFC 6455, 5.2) through a stream of bytes, and the short way of long messages. wslay reads
// and writes frames, one byte after the other; for a tunnel's bulk that was a third of the reader's work, so an unfragmented
// binary frame of some length goes past it. Everything else, and every rule about it, is wslay's. Pure.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::net::websocket {

using mask_key = std::array<char, 4>;

/// From here on a frame takes the short way; below it, it is not worth it.
inline constexpr std::size_t long_frame_min = 1024;
/// Up to here: what is announced is allocated before it comes.
inline constexpr std::size_t long_frame_max = 256 * 1024;

/// Where frames end, and whether a fragmented message is open. Also sees that every frame is masked, or that none is (5.1),
/// which wslay leaves to its callers.
class frame_course {
 public:
  explicit frame_course(bool masked) : masked_(masked) {}
  /// Bytes in the order of the stream, to the end of a frame at most; how many of them those are. All of them once broken().
  std::size_t follow(std::string_view bytes) noexcept;
  bool broken() const noexcept { return broken_; }
  /// The next byte begins a frame that is no part of a message whose beginning has been seen.
  bool between_messages() const noexcept { return at_ == 0 && skip_ == 0 && !open_; }

 private:
  void head(unsigned char byte) noexcept;
  bool masked_, broken_ = false, open_ = false;
  int at_ = 0;                   ///< Which byte of a header comes next; 2: of the long length.
  unsigned length_bytes_ = 0;
  std::uint64_t length_ = 0, skip_ = 0;
};

struct long_head {
  std::size_t bytes = 0;         ///< Of the header itself.
  std::size_t length = 0;        ///< Of the payload.
  mask_key mask{};               ///< Zeros when there is none.
};
/// What `bytes` begin with, if that is the whole header of an unfragmented binary frame that takes the short way: masked as
/// said, of at most `length_max`, and nothing about it that wslay would object to.
std::optional<long_head> read_long_head(std::string_view bytes, bool masked, std::size_t length_max) noexcept;
/// Writes the header of an unfragmented binary frame of `length` bytes (at least 126); its own size, at most 14.
std::size_t write_long_head(char* to, std::size_t length, const mask_key* mask) noexcept;
/// Masks or unmasks (which is the same) what lies `offset` bytes into a payload, from one place to another or in itself.
void apply_mask(const char* from, char* to, std::size_t size, mask_key mask, std::size_t offset) noexcept;

}  // namespace troupe::net::websocket
