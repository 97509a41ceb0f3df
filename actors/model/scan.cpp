#include "actors/model/scan.hpp"

#include <algorithm>

#include "basis/json.hpp"

namespace troupe::model {
namespace {

/// What ends a number, true, false or null.
bool ends_plain(char c) { return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

constexpr std::size_t near_bytes = 24;

}  // namespace

std::size_t json_scan::place() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
    ++at_;
  return at_;
}

bool json_scan::take(char wanted) {
  if (place() >= text_.size() || text_[at_] != wanted) return false;
  ++at_;
  return true;
}

bool json_scan::skip_text() {
  // Most are short; those that are not (a file in a ConfigMap) are searched many bytes at a time.
  const auto near = std::min(text_.size(), at_ + near_bytes);
  for (++at_; at_ < near; ++at_) {
    if (text_[at_] == '"') return ++at_, true;
    if (text_[at_] == '\\') ++at_;
  }
  for (std::size_t quote = 0; at_ < text_.size();) {
    if (quote < at_) quote = text_.find('"', at_);
    if (quote == std::string_view::npos) break;
    const auto slash = text_.substr(at_, quote - at_).find('\\');
    if (slash == std::string_view::npos) return at_ = quote + 1, true;
    at_ += slash + 2;
  }
  at_ = text_.size();
  bad_ = true;
  return false;
}

bool json_scan::skip_nested() {
  std::size_t depth = 0;
  while (at_ < text_.size()) {
    char c = text_[at_];
    if (c == '"') {
      if (!skip_text()) return false;
      continue;
    }
    ++at_;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return true;
  }
  bad_ = true;
  return false;
}

bool json_scan::member(std::string_view& key) {
  if (bad_) return false;
  if (take('}')) return false;
  take(',');
  auto start = place();
  if (start >= text_.size() || text_[start] != '"' || !skip_text()) {
    bad_ = true;
    return false;
  }
  key = text_.substr(start + 1, at_ - start - 2);
  if (take(':')) return true;
  bad_ = true;
  return false;
}

std::string_view json_scan::value() {
  auto start = place();
  if (start >= text_.size()) {
    bad_ = true;
    return {};
  }
  char c = text_[start];
  if (c == '"') return skip_text() ? text_.substr(start, at_ - start) : std::string_view();
  if (c == '{' || c == '[') return skip_nested() ? text_.substr(start, at_ - start) : std::string_view();
  while (at_ < text_.size() && !ends_plain(text_[at_])) ++at_;
  if (at_ == start) bad_ = true;
  return text_.substr(start, at_ - start);
}

std::string unquote(std::string_view raw) {
  if (raw.size() < 2 || raw.front() != '"' || raw.back() != '"') return {};
  auto inner = raw.substr(1, raw.size() - 2);
  if (inner.find('\\') == std::string_view::npos) return std::string(inner);
  auto parsed = parse_json(raw);
  return parsed ? text_or(*parsed) : std::string();
}

}  // namespace troupe::model
