#include "actors/kubelet/serving/log_lines.hpp"

#include <algorithm>
#include <charconv>

#include "net/http/message.hpp"

namespace troupe::kubelet {
namespace {

constexpr std::size_t block_bytes = 64 * 1024;

struct record {
  std::string_view time, text;
  bool whole = true;
};
/// Nothing when it is no record of CRI's: then it is shown as it is.
std::optional<record> parse_record(std::string_view line) {
  const auto time_end = line.find(' ');
  if (time_end == std::string_view::npos) return std::nullopt;
  const auto stream_end = line.find(' ', time_end + 1);
  if (stream_end == std::string_view::npos) return std::nullopt;
  const auto stream = line.substr(time_end + 1, stream_end - time_end - 1);
  if (stream != "stdout" && stream != "stderr") return std::nullopt;
  auto tag = line.substr(stream_end + 1, line.find(' ', stream_end + 1) - stream_end - 1);
  const auto text_at = stream_end + 1 + tag.size();
  tag = tag.substr(0, tag.find(':'));
  if (tag != "F" && tag != "P") return std::nullopt;
  return record{line.substr(0, time_end), text_at < line.size() ? line.substr(text_at + 1) : std::string_view(), tag == "F"};
}

result<std::uint64_t> count_of(const std::string& key, const std::string& text) {
  std::uint64_t out = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (bad != std::errc() || end != text.data() + text.size()) return fail(errc::invalid, key + " must be a number, not \"" + text + "\"");
  return out;
}

}  // namespace

result<log_options> parse_log_query(std::string_view query, wall_time now) {
  log_options out;
  for (const auto& [key, value] : net::http::parse_query(query)) {
    const bool yes = value == "true" || value == "1" || value == "True" || value == "t" || value == "T" || value == "TRUE";
    if (key == "follow") out.follow = yes;
    if (key == "previous") out.previous = yes;
    if (key == "timestamps") out.timestamps = yes;
    if (key == "sinceTime") {
      const auto at = parse_rfc3339(value);
      if (!at.ok()) return at.why();
      out.since = *at;
    }
    if (key != "tailLines" && key != "limitBytes" && key != "sinceSeconds") continue;
    const auto n = count_of(key, value);
    if (!n.ok()) return n.why();
    if (key == "tailLines") out.tail = *n;
    if (key == "limitBytes") out.limit = *n;
    if (key == "sinceSeconds") out.since = now - std::chrono::seconds(std::min<std::uint64_t>(*n, 100ull * 365 * 86400));
  }
  return out;
}

std::string log_lines::feed(std::string_view bytes) {
  std::string out;
  while (!bytes.empty() && !is_full()) {
    const auto end = bytes.find('\n');
    if (end == std::string_view::npos) {
      rest_.append(bytes.substr(0, line_bytes_max - std::min(line_bytes_max, rest_.size())));
      break;
    }
    if (rest_.empty()) {
      take(bytes.substr(0, end), out);
    } else {
      rest_.append(bytes.substr(0, std::min(end, line_bytes_max - std::min(line_bytes_max, rest_.size()))));
      take(rest_, out);
      rest_.clear();
    }
    bytes.remove_prefix(end + 1);
  }
  return out;
}

void log_lines::take(std::string_view line, std::string& out) {
  const auto got = parse_record(line);
  std::string shown;
  if (!got) {
    shown.append(line).append("\n");
    middle_ = false;
  } else {
    if (with_.since) {
      const auto at = parse_rfc3339(got->time);
      if (at.ok() && *at < *with_.since) return;
    }
    if (with_.timestamps && !middle_) shown.append(got->time).append(" ");
    shown.append(got->text);
    if (got->whole) shown.append("\n");
    middle_ = !got->whole;
  }
  if (left_) {
    if (shown.size() > *left_) shown.resize(*left_);
    *left_ -= shown.size();
  }
  out.append(shown);
}

result<std::uint64_t> find_tail(std::uint64_t size, std::uint64_t lines,
                                const std::function<result<std::string>(std::uint64_t offset, std::size_t bytes)>& read) {
  if (lines == 0) return size;
  // Backwards in blocks. `tail` holds what was read and is not yet split: the end of a line whose beginning is further up.
  std::uint64_t at = size, seen = 0;
  std::string tail;
  std::uint64_t tail_at = size;
  std::uint64_t begin = size;          // Of the earliest record that is part of what is shown.
  const auto ends_line = [](std::string_view line) {
    const auto got = parse_record(line);
    return !got || got->whole;
  };
  while (true) {
    const auto newline = tail.empty() ? std::string::npos : tail.rfind('\n', tail.size() - 1);
    // The very last byte may be the newline that ends the last record.
    const bool last = newline != std::string::npos && tail_at + newline + 1 == size;
    if (newline != std::string::npos && !last) {
      const auto from = tail_at + newline + 1;
      if (ends_line(std::string_view(tail).substr(newline + 1)) && ++seen > lines) return begin;
      begin = from;
      tail.resize(newline);
      continue;
    }
    if (last) {
      tail.resize(newline);
      size = tail_at + newline;   // From now on as if it had not been there.
      begin = size + 1;
      continue;
    }
    if (at == 0) {
      if (!tail.empty() && ends_line(tail) && ++seen > lines) return begin;
      return tail.empty() ? begin : 0;
    }
    const auto step = std::min<std::uint64_t>(at, block_bytes);
    auto block = read(at - step, static_cast<std::size_t>(step));
    if (!block.ok()) return block.why();
    at -= step;
    tail = *block + tail;
    tail_at = at;
    if (tail.size() > log_lines::line_bytes_max) return begin;   // No log of ours has such lines.
  }
}

}  // namespace troupe::kubelet
