// The lines of a head as text. Internal to net/http.
#pragma once
#include <string>

#include "basis/clock.hpp"
#include "net/http/message.hpp"

namespace troupe::net::http {

/// "Sun, 22 Nov 2026 06:52:41 GMT" (RFC 9110, 5.6.7).
std::string http_date(wall_time at);
/// Appends "HTTP/1.1 200 OK" and its line end.
void append_status_line(std::string& to, int status);
/// Appends "name: value"; line ends and NULs inside become spaces, so that no value can split a message.
void append_field(std::string& to, std::string_view name, std::string_view value);
void append_fields(std::string& to, const header_list& fields);

}  // namespace troupe::net::http
