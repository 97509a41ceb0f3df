// Sees that every frame is masked, or that none is (RFC 6455, 5.1), which wslay leaves to its
// callers. Pure; follows the headers of frames through bytes cut anywhere.
#pragma once
#include <cstdint>
#include <string_view>

namespace troupe::net::websocket {

class mask_rule {
 public:
  explicit mask_rule(bool wanted) : wanted_(wanted) {}
  /// Bytes in the order of the stream; false from the first frame on that breaks the rule.
  bool follow(std::string_view bytes) noexcept {
    while (!bytes.empty() && !broken_) {
      if (skip_ > 0) {
        const auto n = skip_ < bytes.size() ? static_cast<std::size_t>(skip_) : bytes.size();
        bytes.remove_prefix(n);
        skip_ -= n;
        continue;
      }
      head(static_cast<unsigned char>(bytes.front()));
      bytes.remove_prefix(1);
    }
    return !broken_;
  }

 private:
  void head(unsigned char byte) noexcept {
    if (at_ == 0) {
      at_ = 1;
      return;
    }
    if (at_ == 1) {
      broken_ = ((byte & 0x80) != 0) != wanted_;
      const unsigned size = byte & 0x7f;
      length_bytes_ = size == 126 ? 2 : size == 127 ? 8 : 0;
      length_ = length_bytes_ == 0 ? size : 0;
    } else {
      length_ = length_ << 8 | byte;
      --length_bytes_;
    }
    at_ = 2;
    if (length_bytes_ > 0) return;
    skip_ = length_ + (wanted_ ? 4 : 0);
    at_ = 0;
  }

  bool wanted_, broken_ = false;
  int at_ = 0;                   ///< Which byte of a header comes next; 2: of the long length.
  unsigned length_bytes_ = 0;
  std::uint64_t length_ = 0, skip_ = 0;
};

}  // namespace troupe::net::websocket
