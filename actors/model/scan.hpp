// Walks over JSON text without making values: finds members and skips what nobody asked for. For text that was
// parsed before it was stored; damaged text ends the walk with `bad`, never outside the text.
#pragma once
#include <string>
#include <string_view>

namespace troupe::model {

class json_scan {
 public:
  explicit json_scan(std::string_view text, std::size_t at = 0) : text_(text), at_(at) {}

  /// Enters an object; false when there is none here.
  bool open() { return take('{'); }
  /// The next member of the object entered: its raw key (escapes kept, without quotes). Afterwards the place is the
  /// member's value. False at the object's end, which is consumed, and on damage.
  bool member(std::string_view& key);
  /// Skips the value here; its text, empty on damage.
  std::string_view value();
  /// Where the next byte that is no space stands.
  std::size_t place();
  bool bad() const { return bad_; }

 private:
  bool take(char wanted);
  bool skip_text();
  bool skip_nested();

  std::string_view text_;
  std::size_t at_;
  bool bad_ = false;
};

/// The value of a raw JSON string with its quotes; "" when it is none.
std::string unquote(std::string_view raw);

}  // namespace troupe::model
