#include "actors/apiserver/respond.hpp"

namespace troupe::apiserver {
namespace {
net::http::response dressed(int status, std::string_view content_type, std::string body) {
  net::http::response out;
  out.status = status;
  out.headers.add("content-type", content_type);
  out.headers.add("cache-control", "no-cache, private");
  out.body = bytes(std::move(body));
  return out;
}

/// A header line holds no control characters, whatever a client put into a field's name.
std::string header_text(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 1024)) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(static_cast<unsigned char>(c) < ' ' || c == 127 ? ' ' : c);
  }
  return out;
}
}  // namespace

void respond_error(net::http::exchange& to, const api_error& why, std::string_view warning) {
  auto out = dressed(why.code, "application/json", status_json(why));
  if (why.retry_after_s > 0) out.headers.add("retry-after", std::to_string(why.retry_after_s));
  if (!warning.empty()) out.headers.add("warning", "299 - \"" + header_text(warning) + "\"");
  if (why.code == 401) out.headers.add("www-authenticate", "Bearer realm=\"troupe\"");
  to.respond(std::move(out));
}

void respond_text(net::http::exchange& to, int status, std::string_view text) {
  to.respond(dressed(status, "text/plain; charset=utf-8", std::string(text)));
}

void respond_body(net::http::exchange& to, int status, std::string_view content_type, std::string body,
                  const std::vector<std::string>& warnings) {
  auto out = dressed(status, content_type, std::move(body));
  for (const auto& w : warnings) out.headers.add("warning", "299 - \"" + header_text(w) + "\"");
  to.respond(std::move(out));
}

net::http::response codec_refusal(int status, const std::string& why) {
  api_error error = bad_request(why);
  error.code = status;
  if (status == 413) error.reason = "RequestEntityTooLarge";
  else if (status == 408) error.reason = "Timeout";
  else if (status == 415) error.reason = "UnsupportedMediaType";
  else if (status == 501) error.reason = "NotImplemented";
  else if (status >= 500) error.reason = "InternalError";
  return dressed(status, "application/json", status_json(error));
}

}  // namespace troupe::apiserver
