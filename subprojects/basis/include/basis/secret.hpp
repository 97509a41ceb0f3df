// Text that must never reach a log, a trace or the console. It has no formatter and no stream
// operator; `reveal` is the one way out, easy to find in review. Wiped when it dies.
#pragma once
#include <string>
#include <string_view>
#include <utility>

namespace troupe {

class secret_text {
 public:
  secret_text() = default;
  explicit secret_text(std::string text) : text_(std::move(text)) {}
  secret_text(const secret_text&) = default;
  secret_text(secret_text&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }
  secret_text& operator=(const secret_text&) = default;
  secret_text& operator=(secret_text&& other) noexcept {
    wipe();
    text_ = std::move(other.text_);
    other.wipe();
    return *this;
  }
  ~secret_text() { wipe(); }

  std::string_view reveal() const noexcept { return text_; }
  bool empty() const noexcept { return text_.empty(); }
  /// Compares in a time that depends on the lengths only.
  friend bool operator==(const secret_text& a, const secret_text& b) noexcept {
    return same_in_constant_time(a.text_, b.text_);
  }
  /// True when both are equal; the time depends on the lengths only.
  static bool same_in_constant_time(std::string_view a, std::string_view b) noexcept;

 private:
  void wipe() noexcept;
  std::string text_;
};

}  // namespace troupe
