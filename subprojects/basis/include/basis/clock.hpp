// Two kinds of time. Elapsed time never jumps and is only compared with itself; calendar time
// is what people and certificates mean. Nothing reads either except through these.
#pragma once
#include <chrono>
#include <string>
#include <string_view>

#include "basis/result.hpp"

namespace troupe {

using namespace std::chrono_literals;
using duration = std::chrono::nanoseconds;
using mono_time = std::chrono::time_point<std::chrono::steady_clock, duration>;
using wall_time = std::chrono::time_point<std::chrono::system_clock, duration>;

/// Calendar time. Implementations are callable from any thread.
class wall_clock {
 public:
  virtual ~wall_clock() = default;
  virtual wall_time now() const = 0;
};
/// The machine's calendar.
const wall_clock& system_wall_clock();

/// RFC 3339 in UTC with whole seconds: "2026-11-22T06:52:41Z".
std::string to_rfc3339(wall_time at);
/// The same with microseconds, as Kubernetes' MicroTime: "2026-11-22T06:52:41.123456Z".
std::string to_rfc3339_micro(wall_time at);
/// Reads RFC 3339 with any fraction and offset.
result<wall_time> parse_rfc3339(std::string_view text);

}  // namespace troupe
