#include <doctest/doctest.h>

#include "net/http/wire.hpp"

using namespace troupe;
using namespace troupe::net::http;

TEST_CASE("a date is read as it is written, to the second, and other forms are refused") {
  for (const char* text : {"1970-01-01T00:00:00Z", "2026-11-22T06:52:41Z", "2028-02-29T23:59:59Z", "2199-12-31T12:00:00Z"}) {
    const auto at = *parse_rfc3339(text);
    const auto read = parse_http_date(http_date(at));
    REQUIRE(read.ok());
    CHECK(*read == at);
  }
  for (const char* text : {"", "Sun, 22 Nov 2026 06:52:41", "Sun, 22 Nov 2026 06:52:41 CET", "Sun, 32 Nov 2026 06:52:41 GMT", "Sun, 00 Nov 2026 06:52:41 GMT", "Sun, 30 Feb 2026 06:52:41 GMT",
                           "Sun, 22 Nov 1926 06:52:41 GMT", "Sun, 22 Nov 2026 24:52:41 GMT", "Sun, 22 Nov 2026 06:60:41 GMT", "Sun, 22 Nov 2026 06:52:-1 GMT", "Sun, 22 Nub 2026 06:52:41 GMT",
                           "Sunday, 22-Nov-26 06:52:41 GMT", "Sun Nov 22 06:52:41 2026", "Sun, 2x Nov 2026 06:52:41 GMT"})
    CHECK_FALSE(parse_http_date(text).ok());
}

TEST_CASE("the gap between clocks is the same either way, and none where nothing is said") {
  const auto at = *parse_rfc3339("2026-11-22T06:52:41Z");
  CHECK(clock_gap(http_date(at), at + std::chrono::hours(5)) == std::chrono::hours(5));
  CHECK(clock_gap(http_date(at), at - std::chrono::hours(5)) == std::chrono::hours(5));
  CHECK(clock_gap("", at) == duration(0));
  CHECK(clock_gap("noise", at) == duration(0));
}
