// Broken invariants end the process, in release too: the service manager starts it again, and a
// state that should not exist is never written down.
#pragma once

namespace troupe {
/// Prints the broken condition with its place on standard error and aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;
}  // namespace troupe

#define CHECK_THAT(condition) \
  ((condition) ? static_cast<void>(0) : ::troupe::check_failed(#condition, __FILE__, __LINE__))
