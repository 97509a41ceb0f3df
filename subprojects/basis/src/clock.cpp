#include "basis/clock.hpp"

#include <cstdio>

namespace troupe {
namespace {
class machine_clock final : public wall_clock {
 public:
  wall_time now() const override { return std::chrono::system_clock::now(); }
};

struct civil { long long year; unsigned month, day; };

// Days since 1970-01-01 to a date and back, by the era arithmetic of the proleptic Gregorian calendar.
civil to_civil(long long z) {
  z += 719468;
  const long long era = (z >= 0 ? z : z - 146096) / 146097;
  const auto doe = static_cast<unsigned>(z - era * 146097);
  const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const unsigned mp = (5 * doy + 2) / 153;
  const unsigned day = doy - (153 * mp + 2) / 5 + 1;
  const unsigned month = mp < 10 ? mp + 3 : mp - 9;
  return {static_cast<long long>(yoe) + era * 400 + (month <= 2), month, day};
}

long long to_days(long long y, unsigned m, unsigned d) {
  y -= m <= 2;
  const long long era = (y >= 0 ? y : y - 399) / 400;
  const auto yoe = static_cast<unsigned>(y - era * 400);
  const unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
  const unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<long long>(doe) - 719468;
}

std::string render(wall_time at, bool micro) {
  const auto us = std::chrono::floor<std::chrono::microseconds>(at).time_since_epoch().count();
  const long long s = us >= 0 ? us / 1000000 : -((-us + 999999) / 1000000);
  const long long days = s >= 0 ? s / 86400 : -((-s + 86399) / 86400);
  const auto rest = static_cast<int>(s - days * 86400);
  const civil c = to_civil(days);
  char out[64];
  const int n = std::snprintf(out, sizeof out, "%04lld-%02u-%02uT%02d:%02d:%02d", c.year, c.month, c.day,
                              rest / 3600, rest / 60 % 60, rest % 60);
  std::string text(out, static_cast<std::size_t>(n));
  if (micro) {
    std::snprintf(out, sizeof out, ".%06d", static_cast<int>(us - s * 1000000));
    text += out;
  }
  return text + "Z";
}

bool number(std::string_view text, std::size_t at, std::size_t digits, int& out) {
  if (at + digits > text.size()) return false;
  out = 0;
  for (std::size_t i = at; i < at + digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + (text[i] - '0');
  }
  return true;
}
}  // namespace

const wall_clock& system_wall_clock() {
  static const machine_clock clock;
  return clock;
}

std::string to_rfc3339(wall_time at) { return render(at, false); }
std::string to_rfc3339_micro(wall_time at) { return render(at, true); }

result<wall_time> parse_rfc3339(std::string_view text) {
  const error bad = fail(errc::invalid, "not an RFC 3339 time");
  int y, mo, d, h, mi, s;
  if (!number(text, 0, 4, y) || !number(text, 5, 2, mo) || !number(text, 8, 2, d) || !number(text, 11, 2, h) ||
      !number(text, 14, 2, mi) || !number(text, 17, 2, s) || text[4] != '-' || text[7] != '-' ||
      (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':' || mo < 1 || mo > 12 || d < 1 ||
      d > 31 || h > 23 || mi > 59 || s > 60)
    return bad;
  std::size_t at = 19;
  long long nanos = 0;
  if (at < text.size() && text[at] == '.') {
    long long unit = 100000000;
    const std::size_t first = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) nanos += (text[at] - '0') * unit;
    if (at == first) return bad;
  }
  long long offset = 0;
  if (at + 1 == text.size() && (text[at] == 'Z' || text[at] == 'z')) {
    offset = 0;
  } else if (at + 6 == text.size() && (text[at] == '+' || text[at] == '-') && text[at + 3] == ':') {
    int oh, om;
    if (!number(text, at + 1, 2, oh) || !number(text, at + 4, 2, om)) return bad;
    offset = (oh * 3600 + om * 60) * (text[at] == '-' ? -1 : 1);
  } else {
    return bad;
  }
  const long long seconds = to_days(y, static_cast<unsigned>(mo), static_cast<unsigned>(d)) * 86400 + h * 3600 +
                            mi * 60 + s - offset;
  return wall_time(duration(seconds * 1000000000ll + nanos));
}

}  // namespace troupe
