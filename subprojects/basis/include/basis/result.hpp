// A value or the reason why there is none. Pure code and ports return it and never throw.
#pragma once
#include <string>
#include <utility>
#include <variant>

#include "basis/check.hpp"
#include "basis/errc.hpp"

namespace troupe {

/// Why something failed: a code to react to and a sentence for a person. Never holds a secret.
struct error {
  errc code = errc::internal;
  std::string note;

  /// "code: note", or the code alone.
  std::string text() const {
    std::string out(to_string(code));
    if (!note.empty()) out.append(": ").append(note);
    return out;
  }
  friend bool operator==(const error&, const error&) = default;
};

inline error fail(errc code, std::string note = {}) { return {code, std::move(note)}; }

template <class T>
class [[nodiscard]] result {
 public:
  result(T value) : state_(std::in_place_index<0>, std::move(value)) {}   // NOLINT: implicit
  result(error why) : state_(std::in_place_index<1>, std::move(why)) {}   // NOLINT: implicit
  result(errc code, std::string note) : state_(std::in_place_index<1>, error{code, std::move(note)}) {}

  bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  T& value() & { CHECK_THAT(ok()); return *std::get_if<0>(&state_); }
  const T& value() const& { CHECK_THAT(ok()); return *std::get_if<0>(&state_); }
  T&& value() && { CHECK_THAT(ok()); return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const error& why() const { CHECK_THAT(!ok()); return *std::get_if<1>(&state_); }
  errc code() const { return why().code; }
  T value_or(T other) const& { return ok() ? value() : std::move(other); }

 private:
  std::variant<T, error> state_;
};

template <>
class [[nodiscard]] result<void> {
 public:
  result() = default;
  result(error why) : why_(std::move(why)), failed_(true) {}  // NOLINT: implicit
  result(errc code, std::string note) : why_{code, std::move(note)}, failed_(true) {}

  bool ok() const noexcept { return !failed_; }
  explicit operator bool() const noexcept { return ok(); }
  const error& why() const { CHECK_THAT(failed_); return why_; }
  errc code() const { return why().code; }

 private:
  error why_;
  bool failed_ = false;
};

}  // namespace troupe
