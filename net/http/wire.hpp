// The lines of a head as text, and the clock that an answer's `date` shows.
#pragma once
#include <string>

#include "basis/clock.hpp"
#include "net/http/message.hpp"

namespace troupe::net::http {

/// "Sun, 22 Nov 2026 06:52:41 GMT" (RFC 9110, 5.6.7).
std::string http_date(wall_time at);
/// What http_date writes, and only that form; `invalid` otherwise.
result<wall_time> parse_http_date(std::string_view text);
/// How far `now` is from what a `date` field says, either way; zero when it says nothing that can be read.
duration clock_gap(std::string_view date, wall_time now);
/// Appends "HTTP/1.1 200 OK" and its line end.
void append_status_line(std::string& to, int status);
/// Appends "name: value"; line ends and NULs inside become spaces, so that no value can split a message.
void append_field(std::string& to, std::string_view name, std::string_view value);
void append_fields(std::string& to, const header_list& fields);

}  // namespace troupe::net::http
