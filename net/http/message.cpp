#include "net/http/message.hpp"

#include <algorithm>

namespace troupe::net::http {
namespace {
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
}  // namespace

void header_list::add(std::string_view name, std::string_view value) {
  std::string key(name);
  for (char& c : key) c = lower(c);
  lines_.emplace_back(std::move(key), std::string(value));
}

void header_list::set(std::string_view name, std::string_view value) {
  std::string key(name);
  for (char& c : key) c = lower(c);
  std::erase_if(lines_, [&](const auto& line) { return line.first == key; });
  lines_.emplace_back(std::move(key), std::string(value));
}

const std::string* header_list::find(std::string_view name) const noexcept {
  for (const auto& [key, value] : lines_)
    if (key == name) return &value;
  return nullptr;
}

std::string_view header_list::get(std::string_view name) const noexcept {
  const auto* found = find(name);
  return found ? std::string_view(*found) : std::string_view();
}

bool header_list::has_token(std::string_view name, std::string_view token) const noexcept {
  for (const auto& [key, value] : lines_) {
    if (key != name) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      auto one = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
      while (!one.empty() && (one.front() == ' ' || one.front() == '\t')) one.remove_prefix(1);
      while (!one.empty() && (one.back() == ' ' || one.back() == '\t')) one.remove_suffix(1);
      if (one.size() == token.size() &&
          std::equal(one.begin(), one.end(), token.begin(), [](char a, char b) { return lower(a) == lower(b); }))
        return true;
    }
  }
  return false;
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Entity";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
  }
}

std::optional<std::string> percent_decode(std::string_view text, bool form) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && form) {
      out.push_back(' ');
    } else if (text[i] != '%') {
      out.push_back(text[i]);
    } else {
      if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return std::nullopt;
      out.push_back(static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])));
      i += 2;
    }
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-._~").find(c) != std::string_view::npos)
      out.push_back(c);
    else
      out.append({'%', digits[u >> 4], digits[u & 15]});
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> out;
  while (!query.empty()) {
    const auto one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), one.size() + 1));
    if (one.empty()) continue;
    const auto equal = one.find('=');
    const auto key = one.substr(0, equal);
    const auto value = equal == std::string_view::npos ? std::string_view() : one.substr(equal + 1);
    out.emplace_back(percent_decode(key, true).value_or(std::string(key)), percent_decode(value, true).value_or(std::string(value)));
  }
  return out;
}

}  // namespace troupe::net::http
