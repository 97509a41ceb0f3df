// A move-only callable. Unlike std::function it can own what it captures (streams, promises).
#pragma once
#include <memory>
#include <type_traits>
#include <utility>

namespace troupe {

template <class Signature>
class callback;

template <class R, class... Args>
class callback<R(Args...)> {
 public:
  callback() = default;
  callback(std::nullptr_t) {}  // NOLINT: implicit
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, callback> &&
                                              std::is_invocable_r_v<R, std::decay_t<F>&, Args...>>>
  callback(F&& f) : body_(std::make_unique<holder<std::decay_t<F>>>(std::forward<F>(f))) {}  // NOLINT
  callback(callback&&) noexcept = default;
  callback& operator=(callback&&) noexcept = default;

  explicit operator bool() const noexcept { return body_ != nullptr; }
  R operator()(Args... args) const { return body_->call(std::forward<Args>(args)...); }

 private:
  struct base {
    virtual ~base() = default;
    virtual R call(Args... args) = 0;
  };
  template <class F>
  struct holder final : base {
    explicit holder(F f) : body(std::move(f)) {}
    R call(Args... args) override { return body(std::forward<Args>(args)...); }
    F body;
  };
  std::unique_ptr<base> body_;
};

using task = callback<void()>;

}  // namespace troupe
