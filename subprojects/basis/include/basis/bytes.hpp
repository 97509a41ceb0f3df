// Bytes that nobody alters once they are shared: a reference to one immutable string. Copying
// costs a counter; any thread may hold and read one.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace troupe {

class bytes {
 public:
  bytes() = default;
  explicit bytes(std::string text) : text_(std::make_shared<const std::string>(std::move(text))) {}

  std::string_view view() const noexcept { return text_ ? std::string_view(*text_) : std::string_view(); }
  std::size_t size() const noexcept { return text_ ? text_->size() : 0; }
  bool empty() const noexcept { return size() == 0; }
  std::string str() const { return std::string(view()); }

  friend bool operator==(const bytes& a, const bytes& b) noexcept {
    return a.text_ == b.text_ || a.view() == b.view();
  }

 private:
  std::shared_ptr<const std::string> text_;
};

/// Lower-case hexadecimal of `raw`.
std::string to_hex(std::string_view raw);
/// Standard base64 with padding.
std::string to_base64(std::string_view raw);
/// Inverse of to_base64; false when `text` is not canonical base64 (line breaks are refused).
bool from_base64(std::string_view text, std::string& out);

}  // namespace troupe
