#include "actors/kubelet/logs/last_words.hpp"

#include "actors/kubelet/serving/log_lines.hpp"

namespace troupe::kubelet {
namespace {
constexpr std::uint64_t lines_max = 80;
constexpr std::size_t words_bytes_max = 2048;
constexpr std::size_t tail_bytes_max = 512 * 1024;   // of records that stand for so many lines; longer ones are read from where this begins
}  // namespace

std::string last_words_of_log(const net::files& disk, const std::string& path) {
  const auto size = disk.size(path);
  if (!size.ok()) return {};
  auto from = find_tail(*size, lines_max, [&](std::uint64_t at, std::size_t bytes) { return disk.read_at(path, at, bytes); });
  if (!from.ok() || *from >= *size) return {};
  const auto begin = *size - *from > tail_bytes_max ? *size - tail_bytes_max : *from;
  const auto text = disk.read_at(path, begin, static_cast<std::size_t>(*size - begin));
  auto out = log_lines({}).feed(text.value_or(""));
  if (out.size() > words_bytes_max) out.erase(0, out.size() - words_bytes_max);
  return out;
}

}  // namespace troupe::kubelet
