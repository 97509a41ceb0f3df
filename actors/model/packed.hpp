// A JSON value at rest: its text, shared by all who hold it. As a tree every member is a block of its own, and the whole takes
// seven to ten times as much; who keeps many values that are seldom read keeps them so (decision 186). Immutable; any thread.
#pragma once
#include <memory>
#include <string>

#include "basis/json.hpp"

namespace troupe::model {

class packed {
 public:
  /// Null.
  packed() = default;
  explicit packed(const json& value);
  /// The value, made anew with each call and the caller's own: keep it in a variable while something refers into it.
  json read() const;
  /// One line; "null" when there is none.
  const std::string& text() const;
  bool is_null() const { return !text_; }
  /// By text, whose keys are sorted: what is equal as values is equal here, but 1 and 1.0.
  friend bool operator==(const packed& a, const packed& b) { return a.text_ == b.text_ || a.text() == b.text(); }

 private:
  std::shared_ptr<const std::string> text_;
};

}  // namespace troupe::model
