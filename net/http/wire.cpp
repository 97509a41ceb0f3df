#include "net/http/wire.hpp"

#include <cstdio>

namespace troupe::net::http {

namespace {
constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// `text` as a number of digits only, or -1.
int number(std::string_view text) {
  int out = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    out = out * 10 + (c - '0');
  }
  return out;
}
}  // namespace

result<wall_time> parse_http_date(std::string_view text) {
  const auto wrong = [] { return fail(errc::invalid, "this is no date as HTTP has them"); };
  if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':' || text.substr(25) != " GMT") return wrong();
  unsigned month = 0;
  while (month < 12 && text.substr(8, 3) != months[month]) ++month;
  const int day = number(text.substr(5, 2)), year = number(text.substr(12, 4)), hour = number(text.substr(17, 2)), minute = number(text.substr(20, 2)), second = number(text.substr(23, 2));
  const std::chrono::year_month_day date(std::chrono::year(year), std::chrono::month(month + 1), std::chrono::day(static_cast<unsigned>(day < 0 ? 0 : day)));
  if (!date.ok() || year < 1970 || year > 2200 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return wrong();
  return wall_time(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
}

duration clock_gap(std::string_view date, wall_time now) {
  const auto theirs = parse_http_date(date);
  if (!theirs.ok()) return duration(0);
  return now > *theirs ? now - *theirs : *theirs - now;
}

std::string http_date(wall_time at) {
  static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const auto rest = (seconds - day).count();
  char out[64];
  std::snprintf(out, sizeof out, "%s, %02u %s %04d %02d:%02d:%02d GMT", days[std::chrono::weekday(day).c_encoding()],
                static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
                static_cast<int>(date.year()), static_cast<int>(rest / 3600), static_cast<int>(rest / 60 % 60),
                static_cast<int>(rest % 60));
  return out;
}

void append_status_line(std::string& to, int status) {
  to.append("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(reason_phrase(status)).append("\r\n");
}

void append_field(std::string& to, std::string_view name, std::string_view value) {
  to.append(name).append(": ");
  const auto from = to.size();
  to.append(value);
  for (auto i = from; i < to.size(); ++i)
    if (to[i] == '\r' || to[i] == '\n' || to[i] == '\0') to[i] = ' ';
  to.append("\r\n");
}

void append_fields(std::string& to, const header_list& fields) {
  for (const auto& [name, value] : fields.all()) append_field(to, name, value);
}

}  // namespace troupe::net::http
