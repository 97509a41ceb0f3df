// Two streams spliced: what one says the other hears, at the pace of the slower one. Bytes never
// enter a mailbox. Lives on one shard; destroying it aborts both.
#pragma once
#include <cstdint>
#include <memory>

#include "basis/task.hpp"
#include "net/shard.hpp"
#include "net/stream.hpp"

namespace troupe::net {

struct relay_totals {
  std::uint64_t there = 0;   ///< Bytes from the first to the second.
  std::uint64_t back = 0;
};

class relay {
 public:
  virtual ~relay() = default;
  virtual relay_totals totals() const = 0;
};

/// Splices; when either side ends, what is queued is delivered, both are closed and `ended` is
/// called once with the cause of the side that ended first. A peer that does not take its bytes
/// within linger_limit after the end is cut.
std::unique_ptr<relay> splice(shard& on, stream_ptr first, stream_ptr second, callback<void(error)> ended);

inline constexpr std::size_t relay_queue_max = 256 * 1024;   ///< Per direction, then the source is paused.
inline constexpr duration linger_limit = std::chrono::seconds(5);

}  // namespace troupe::net
