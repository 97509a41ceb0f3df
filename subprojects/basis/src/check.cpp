#include "basis/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace troupe {
void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "troupe: broken invariant: %s (%s:%d)\n", condition, file, line);
  std::abort();
}
}  // namespace troupe
