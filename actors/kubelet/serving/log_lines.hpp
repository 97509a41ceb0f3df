// From a container's log file to what a client of it sees. Pure. The file's format is CRI's: one line each of
// "<RFC 3339 time with nanoseconds> stdout|stderr F|P <text>"; P: the line goes on in the next record of that stream.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "basis/clock.hpp"
#include "basis/result.hpp"

namespace troupe::kubelet {

struct log_options {
  bool follow = false, previous = false, timestamps = false;
  std::optional<std::uint64_t> tail;           ///< Lines.
  std::optional<std::uint64_t> limit;          ///< Bytes.
  std::optional<wall_time> since;
};
/// The options of a kubelet's /containerLogs query; unknown ones are ignored, `invalid` names one that cannot be read.
result<log_options> parse_log_query(std::string_view query, wall_time now);

/// Takes the file's bytes in any pieces.
class log_lines {
 public:
  explicit log_lines(log_options with) : with_(with), left_(with.limit) {}
  /// What the client sees of it. A line that has not ended yet waits for its rest (at most line_bytes_max, then it is cut).
  std::string feed(std::string_view bytes);
  bool is_full() const noexcept { return left_ && *left_ == 0; }   ///< The limit is reached.

  static constexpr std::size_t line_bytes_max = 1024 * 1024;

 private:
  void take(std::string_view line, std::string& out);
  log_options with_;
  std::optional<std::uint64_t> left_;
  std::string rest_;
  bool middle_ = false;   ///< The last record shown was not the end of its line.
};

/// Where the last `lines` whole lines of a file of `size` bytes begin. `read` gives bytes from an offset.
result<std::uint64_t> find_tail(std::uint64_t size, std::uint64_t lines,
                                const std::function<result<std::string>(std::uint64_t offset, std::size_t bytes)>& read);

}  // namespace troupe::kubelet
