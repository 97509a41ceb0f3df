#include "net/http/wire.hpp"

#include <cstdio>

namespace troupe::net::http {

std::string http_date(wall_time at) {
  static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
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
