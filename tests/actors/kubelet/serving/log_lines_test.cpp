#include "actors/kubelet/serving/log_lines.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::kubelet;

namespace {

const std::string kept =
    "2026-01-01T00:00:01.000000001Z stdout F one\n"
    "2026-01-01T00:00:02Z stderr F two\n"
    "2026-01-01T00:00:03Z stdout P half \n"
    "2026-01-01T00:00:03.5Z stdout F and half\n"
    "2026-01-01T00:00:04Z stdout F \n"
    "2026-01-01T00:00:05Z stdout F last\n";

std::string shown(log_options with, const std::string& text = kept, std::size_t step = 7) {
  log_lines of(with);
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += step) out += of.feed(std::string_view(text).substr(i, step));
  return out;
}
std::string tail(std::uint64_t lines, const std::string& text = kept) {
  const auto at = find_tail(text.size(), lines, [&](std::uint64_t from, std::size_t n) { return result<std::string>(text.substr(from, n)); });
  REQUIRE(at.ok());
  return shown({}, text.substr(*at));
}

}  // namespace

TEST_CASE("a log is what its container wrote, with lines that were written in pieces put together, however the file is read") {
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, kept.size()})
    CHECK(shown({}, kept, step) == "one\ntwo\nhalf and half\n\nlast\n");
  log_options with;
  with.timestamps = true;
  CHECK(shown(with).starts_with("2026-01-01T00:00:01.000000001Z one\n2026-01-01T00:00:02Z two\n2026-01-01T00:00:03Z half and half\n"));
}

TEST_CASE("a log begins at a time, and ends at a number of bytes") {
  log_options with;
  with.since = *parse_rfc3339("2026-01-01T00:00:03.2Z");
  CHECK(shown(with) == "and half\n\nlast\n");
  with = {};
  with.limit = 6;
  CHECK(shown(with) == "one\ntw");
  with.limit = 4;
  log_lines full(with);
  CHECK(full.feed(kept) == "one\n");
  CHECK(full.is_full());
  CHECK(full.feed(kept).empty());
}

TEST_CASE("the last lines of a log are whole lines, at any number, also across blocks and without a newline at the end") {
  CHECK(tail(0).empty());
  CHECK(tail(1) == "last\n");
  CHECK(tail(2) == "\nlast\n");
  CHECK(tail(3) == "half and half\n\nlast\n");
  CHECK(tail(5) == "one\ntwo\nhalf and half\n\nlast\n");
  CHECK(tail(99) == tail(5));
  CHECK(tail(3, "").empty());
  const auto open = kept + "2026-01-01T00:00:06Z stdout F still being";
  const auto at = find_tail(open.size(), 2, [&](std::uint64_t from, std::size_t n) { return result<std::string>(open.substr(from, n)); });
  REQUIRE(at.ok());
  CHECK(open.substr(*at) == "2026-01-01T00:00:05Z stdout F last\n2026-01-01T00:00:06Z stdout F still being");
  std::string many;
  for (int i = 0; i < 20'000; ++i) many += "2026-01-01T00:00:00Z stdout F line " + std::to_string(i) + "\n";
  CHECK(tail(2, many) == "line 19998\nline 19999\n");
  CHECK(tail(19'999, many).starts_with("line 1\nline 2\n"));
  CHECK(tail(20'000, many).starts_with("line 0\n"));
}

TEST_CASE("what is no record of a runtime is shown as it is, and a line without an end stays bounded") {
  CHECK(shown({}, "noise\n2026-01-01T00:00:01Z stdin F x\n") == "noise\n2026-01-01T00:00:01Z stdin F x\n");
  log_lines of({});
  const std::string piece(100'000, 'x');
  for (int i = 0; i < 50; ++i) CHECK(of.feed(piece).empty());
  CHECK(of.feed("\n").size() <= log_lines::line_bytes_max + 1);
}

TEST_CASE("a log's query is read, and what cannot be is named") {
  const auto now = *parse_rfc3339("2026-01-01T00:01:00Z");
  const auto got = parse_log_query("follow=true&tailLines=5&timestamps=True&limitBytes=9&sinceSeconds=30&other=1", now);
  REQUIRE(got.ok());
  CHECK(got->follow);
  CHECK(got->timestamps);
  CHECK_FALSE(got->previous);
  CHECK(got->tail == 5);
  CHECK(got->limit == 9);
  CHECK(got->since == *parse_rfc3339("2026-01-01T00:00:30Z"));
  CHECK(parse_log_query("tailLines=-1", now).why().note == "tailLines must be a number, not \"-1\"");
  CHECK_FALSE(parse_log_query("sinceTime=yesterday", now).ok());
}
