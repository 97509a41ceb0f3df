#include "net/websocket/frames.hpp"

#include <algorithm>
#include <cstring>

namespace troupe::net::websocket {

std::size_t frame_course::follow(std::string_view bytes) noexcept {
  std::size_t n = 0;
  while (n < bytes.size() && !broken_) {
    if (skip_ > 0) {
      const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, bytes.size() - n));
      n += taken;
      skip_ -= taken;
    } else {
      head(static_cast<unsigned char>(bytes[n++]));
    }
    if (skip_ == 0 && at_ == 0) return n;
  }
  return broken_ ? bytes.size() : n;
}

void frame_course::head(unsigned char byte) noexcept {
  if (at_ == 0) {
    at_ = 1;
    if ((byte & 0x08) == 0) open_ = (byte & 0x80) == 0;   // control frames come in between and open nothing
    return;
  }
  if (at_ == 1) {
    broken_ = ((byte & 0x80) != 0) != masked_;
    const unsigned size = byte & 0x7f;
    length_bytes_ = size == 126 ? 2 : size == 127 ? 8 : 0;
    length_ = length_bytes_ == 0 ? size : 0;
  } else {
    length_ = length_ << 8 | byte;
    --length_bytes_;
  }
  at_ = 2;
  if (length_bytes_ > 0) return;
  skip_ = length_ + (masked_ ? 4 : 0);
  at_ = 0;
}

std::optional<long_head> read_long_head(std::string_view bytes, bool masked, std::size_t length_max) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (bytes.size() < 2 || at(0) != 0x82 || ((at(1) & 0x80) != 0) != masked) return std::nullopt;
  const unsigned size = at(1) & 0x7f;
  if (size < 126) return std::nullopt;
  const std::size_t wide = size == 126 ? 2 : 8;
  long_head out;
  out.bytes = 2 + wide + (masked ? 4 : 0);
  if (bytes.size() < out.bytes) return std::nullopt;
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < wide; ++i) length = length << 8 | at(2 + i);
  const bool shortest = wide == 2 || length > 0xffff;
  if (!shortest || length < long_frame_min || length > std::min(length_max, long_frame_max)) return std::nullopt;
  out.length = static_cast<std::size_t>(length);
  if (masked) std::memcpy(out.mask.data(), bytes.data() + 2 + wide, 4);
  return out;
}

std::size_t write_long_head(char* to, std::size_t length, const mask_key* mask) noexcept {
  const char* const begin = to;
  const unsigned bit = mask ? 0x80 : 0;
  const std::size_t wide = length > 0xffff ? 8 : 2;
  *to++ = static_cast<char>(0x82);
  *to++ = static_cast<char>(bit | (wide == 8 ? 127 : 126));
  for (std::size_t i = wide; i-- > 0;) *to++ = static_cast<char>(length >> (8 * i) & 0xff);
  if (mask) to = std::copy(mask->begin(), mask->end(), to);
  return static_cast<std::size_t>(to - begin);
}

void apply_mask(const char* from, char* to, std::size_t size, mask_key mask, std::size_t offset) noexcept {
  std::array<char, 8> eight;
  for (std::size_t i = 0; i < 8; ++i) eight[i] = mask[(offset + i) % 4];
  std::uint64_t word = 0;
  std::memcpy(&word, eight.data(), 8);
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t piece = 0;
    std::memcpy(&piece, from + i, 8);
    piece ^= word;
    std::memcpy(to + i, &piece, 8);
  }
  for (; i < size; ++i) to[i] = static_cast<char>(from[i] ^ eight[i % 8]);
}

}  // namespace troupe::net::websocket
