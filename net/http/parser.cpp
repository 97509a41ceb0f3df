#include "net/http/parser.hpp"

#include <algorithm>
#include <charconv>

namespace troupe::net::http {
namespace {

constexpr std::size_t chunk_line_max = 256;
constexpr std::size_t headers_max = 200;

bool is_token_char(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool is_token(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char); }
std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}
bool same_word(std::string_view a, std::string_view lower) {
  return a.size() == lower.size() && std::equal(a.begin(), a.end(), lower.begin(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x + 32) : x) == y;
  });
}
template <class N>
bool number(std::string_view text, N& out, int base) {
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return bad == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

void parser::reset() {
  where_ = place::start;
  framing_ = framing::none;
  line_.clear();
  method_.clear();
  target_.clear();
  head_bytes_ = 0;
  status_ = 0;
  left_ = 0;
  headers_ = {};
  keep_alive_ = true;
  expect_continue_ = old_version_ = false;
}

bool parser::refuse(int status, std::string why) {
  where_ = place::broken;
  status_ = status;
  why_ = std::move(why);
  return false;
}
parsed parser::fail(int status, std::string why, std::size_t consumed) {
  refuse(status, std::move(why));
  return {parsed::event::failed, consumed, {}};
}

/// Takes one line (without its end) into line_. False when there is none yet, or when `out` says why.
bool parser::take_line(std::string_view& data, std::size_t& consumed, parsed& out) {
  const bool head = where_ == place::start || where_ == place::fields || where_ == place::trailers;
  const std::size_t limit = head ? head_max_ : chunk_line_max;
  const auto cut = data.find('\n');
  const auto piece = data.substr(0, cut);
  const std::size_t taken = piece.size() + (cut == std::string_view::npos ? 0 : 1);
  if (head) head_bytes_ += taken;
  if ((head ? head_bytes_ : line_.size() + taken) > limit) {
    out = head ? fail(431, "the request's head is larger than " + std::to_string(limit) + " bytes", consumed)
               : fail(400, "a chunk's size line is too long", consumed);
    return false;
  }
  line_.append(piece);
  data.remove_prefix(taken);
  consumed += taken;
  if (cut == std::string_view::npos) {
    out = {parsed::event::more, consumed, {}};
    return false;
  }
  if (!line_.empty() && line_.back() == '\r') line_.pop_back();
  else if (side_ == parser_side::requests) return out = fail(400, "a line ends without CR", consumed), false;
  for (const char c : line_)
    if (c == '\0' || c == '\r') return out = fail(400, "a line holds a NUL or a bare CR", consumed), false;
  return true;
}

parsed parser::feed(std::string_view data) {
  std::size_t consumed = 0;
  parsed out;
  for (;;) {
    switch (where_) {
      case place::broken: return {parsed::event::failed, consumed, {}};
      case place::done: {
        reset();
        return {parsed::event::complete, consumed, {}};
      }
      case place::counted:
      case place::chunk_data: {
        if (left_ == 0) {
          where_ = where_ == place::counted ? place::done : place::chunk_end;
          continue;
        }
        if (data.empty()) return {parsed::event::more, consumed, {}};
        const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, data.size()));
        left_ -= n;
        return {parsed::event::body, consumed + n, data.substr(0, n)};
      }
      case place::to_the_end:
        if (data.empty()) return {parsed::event::more, consumed, {}};
        return {parsed::event::body, consumed + data.size(), data};
      default: break;
    }
    if (data.empty()) return {parsed::event::more, consumed, {}};
    if (!take_line(data, consumed, out)) return out;
    std::string line = std::exchange(line_, {});
    bool good = true;
    switch (where_) {
      case place::start:
        if (line.empty() && side_ == parser_side::requests) continue;  // a robust server skips blank lines before a request
        good = read_start(line);
        break;
      case place::fields:
        if (!line.empty()) {
          good = read_field(line);
          break;
        }
        if (!end_head()) return {parsed::event::failed, consumed, {}};
        return {parsed::event::head, consumed, {}};
      case place::chunk_size: good = read_chunk_size(line); break;
      case place::chunk_end:
        if (!line.empty()) return fail(400, "a chunk is longer than it says", consumed);
        where_ = place::chunk_size;
        break;
      case place::trailers:
        if (line.empty()) where_ = place::done;
        else good = read_trailer(line);
        break;
      default: break;
    }
    if (!good) return {parsed::event::failed, consumed, {}};
  }
}

bool parser::read_start(std::string_view line) {
  where_ = place::fields;
  const auto first = line.find(' '), last = line.rfind(' ');
  if (side_ == parser_side::responses) {
    if (!line.starts_with("HTTP/1.") || line.size() < 12 || line[8] != ' ' ||
        !number(line.substr(9, 3), status_, 10) || status_ < 100 || (line.size() > 12 && line[12] != ' '))
      return refuse(400, "what answers does not speak HTTP");
    old_version_ = line[7] == '0';
    return true;
  }
  if (first == std::string_view::npos || first == last) return refuse(400, "the request line is malformed");
  method_ = std::string(line.substr(0, first));
  target_ = std::string(line.substr(first + 1, last - first - 1));
  const auto version = line.substr(last + 1);
  if (!is_token(method_)) return refuse(400, "the method is malformed");
  if (!shorten_target()) return refuse(400, "the request target is malformed");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    if (version.starts_with("HTTP/")) return refuse(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    return refuse(400, "the request line is malformed");
  }
  old_version_ = version == "HTTP/1.0";
  return true;
}

/// Leaves the path and query of a target, whichever of its forms (RFC 9112, 3.2) it came in.
bool parser::shorten_target() {
  for (const char c : target_)
    if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 127) return false;
  if (method_ == "CONNECT") return !target_.empty() && target_.front() != '/';
  if (const auto scheme = target_.find("://"); scheme != std::string::npos && scheme > 0 && target_.front() != '/') {
    const auto slash = target_.find('/', scheme + 3);
    target_ = slash == std::string::npos ? "/" : target_.substr(slash);
  }
  return target_.starts_with('/') || (target_ == "*" && method_ == "OPTIONS");
}

bool parser::read_field(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return refuse(400, "a header line is folded");
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return refuse(400, "a header line is malformed");
  if (headers_.all().size() >= headers_max) return refuse(431, "there are too many header lines");
  const auto value = trimmed(line.substr(colon + 1));
  for (const char c : value)
    if ((static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 127) return refuse(400, "a header holds a control character");
  headers_.add(line.substr(0, colon), value);
  return true;
}

bool parser::end_head() {
  const bool request = side_ == parser_side::requests;
  std::size_t lengths = 0, codings = 0, hosts = 0;
  const std::string *length = nullptr, *coding = nullptr;
  for (const auto& [name, value] : headers_.all()) {
    if (name == "content-length") {
      if (++lengths > 1 && *length != value) return refuse(400, "two different lengths are given");
      length = &value;
    } else if (name == "transfer-encoding") {
      ++codings, coding = &value;
    } else if (name == "host") {
      ++hosts;
    }
  }
  if (request && (hosts > 1 || (hosts == 0 && !old_version_))) return refuse(400, "exactly one Host header is required");
  if (codings > 0) {
    if (request && lengths > 0) return refuse(400, "both a length and a transfer coding are given");
    if (codings > 1 || !same_word(*coding, "chunked")) return refuse(request ? 501 : 400, "this transfer coding is not spoken here");
    if (old_version_ && request) return refuse(400, "HTTP/1.0 knows no transfer coding");
    framing_ = framing::chunked;
    where_ = place::chunk_size;
  } else if (length) {
    if (length->size() > 18 || !std::all_of(length->begin(), length->end(), [](char c) { return c >= '0' && c <= '9'; }) || !number(std::string_view(*length), left_, 10))
      return refuse(400, "the length is malformed");
    framing_ = framing::counted;
    where_ = left_ == 0 ? place::done : place::counted;
  } else if (request) {
    where_ = place::done;
  } else {
    framing_ = framing::to_the_end;
    where_ = place::to_the_end;
  }
  const bool close = headers_.has_token("connection", "close");
  keep_alive_ = old_version_ ? headers_.has_token("connection", "keep-alive") : !close;
  expect_continue_ = request && !old_version_ && headers_.has_token("expect", "100-continue") && where_ != place::done;
  if (request && headers_.find("expect") && !headers_.has_token("expect", "100-continue"))
    return refuse(417, "this expectation is not known here");
  if (!request && (status_ / 100 == 1 || status_ == 204 || status_ == 304)) no_body();
  return true;
}

void parser::no_body() {
  framing_ = framing::none;
  left_ = 0;
  where_ = place::done;
}

bool parser::read_chunk_size(std::string_view line) {
  const auto size = line.substr(0, line.find(';'));
  if (size.size() > 8 || !number(size, left_, 16))
    return refuse(400, "a chunk's size is malformed");
  where_ = left_ == 0 ? place::trailers : place::chunk_data;
  return true;
}

/// Trailers are checked like fields and then forgotten: nobody here reads them.
bool parser::read_trailer(std::string_view line) {
  const auto before = std::exchange(headers_, {});
  const bool good = read_field(line);
  headers_ = before;
  return good;
}

bool parser::end_of_stream() {
  if (where_ != place::to_the_end) return false;
  reset();
  return true;
}

}  // namespace troupe::net::http
