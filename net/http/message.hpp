// HTTP messages as values, and the limits that bound them.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "basis/bytes.hpp"
#include "basis/clock.hpp"
#include "net/stream.hpp"

namespace troupe::net::http {

/// Header lines in order; names are kept in lower case.
class header_list {
 public:
  void add(std::string_view name, std::string_view value);   ///< Lower-cases the name.
  void set(std::string_view name, std::string_view value);   ///< Replaces all of that name.
  /// First value of `name` (give it in lower case), or null.
  const std::string* find(std::string_view name) const noexcept;
  std::string_view get(std::string_view name) const noexcept;  ///< "" when absent.
  /// True when a comma-separated value of any `name` line equals `token`, ignoring case.
  bool has_token(std::string_view name, std::string_view token) const noexcept;
  const std::vector<std::pair<std::string, std::string>>& all() const noexcept { return lines_; }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

struct request {
  std::string method;
  std::string path;          ///< Before '?', still percent-encoded as received.
  std::string query;         ///< After '?', raw; may be empty.
  header_list headers;
  std::string body;
  peer_identity peer;        ///< Server side: who TLS says is asking.
  endpoint remote, local;    ///< Server side.
};

struct response {
  int status = 200;
  header_list headers;       ///< content-length and date are the codec's business.
  bytes body;
};

inline constexpr std::size_t head_bytes_max = 64 * 1024;
inline constexpr std::size_t body_bytes_max = 3 * 1024 * 1024;  ///< Kubernetes' own limit; more is 413.
inline constexpr duration head_limit = std::chrono::seconds(10);   ///< First byte of a head to its end.
inline constexpr duration body_limit = std::chrono::seconds(60);
inline constexpr duration idle_limit = std::chrono::minutes(3);    ///< Between requests.

std::string_view reason_phrase(int status) noexcept;
/// Percent-decodes; nothing when an escape is broken. '+' stays itself unless `form`.
std::optional<std::string> percent_decode(std::string_view text, bool form = false);
std::string percent_encode(std::string_view text);
/// Decoded pairs of a query in order; broken escapes are kept as they are.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

}  // namespace troupe::net::http
