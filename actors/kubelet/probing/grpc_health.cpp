#include "actors/kubelet/probing/grpc_health.hpp"

#include <cstdint>

namespace troupe::kubelet {
namespace {

enum frame : std::uint8_t { data = 0, headers = 1, reset = 3, settings = 4, ping = 6, goaway = 7 };
enum flag : std::uint8_t { end_stream = 1, acknowledged = 1, end_headers = 4, padded = 8 };
constexpr std::size_t head_bytes = 9, frame_bytes_max = 16384, message_bytes_max = 4096;

std::string framed(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, const std::string& body) {
  std::string out;
  for (const auto n : {body.size() >> 16, body.size() >> 8, body.size()}) out.push_back(static_cast<char>(n & 0xff));
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  for (const auto n : {stream >> 24, stream >> 16, stream >> 8, stream}) out.push_back(static_cast<char>(n & 0xff));
  return out + body;
}
/// A literal header that no table keeps. Lengths of 127 and more take HPACK's second form.
std::string length(std::size_t n) {
  if (n < 127) return std::string(1, static_cast<char>(n));
  std::string out(1, static_cast<char>(127));
  for (n -= 127; n >= 128; n >>= 7) out.push_back(static_cast<char>(0x80 | (n & 0x7f)));
  out.push_back(static_cast<char>(n));
  return out;
}
std::string header(const std::string& name, const std::string& value) { return std::string(1, '\0') + length(name.size()) + name + length(value.size()) + value; }

std::string varint(std::size_t n) {
  std::string out;
  for (; n >= 128; n >>= 7) out.push_back(static_cast<char>(0x80 | (n & 0x7f)));
  out.push_back(static_cast<char>(n));
  return out;
}
std::uint32_t number(std::string_view bytes) {
  std::uint32_t out = 0;
  for (const unsigned char c : bytes) out = out << 8 | c;
  return out;
}
const char* status_name(std::uint64_t of) { return of == 0 ? "UNKNOWN" : of == 2 ? "NOT_SERVING" : of == 3 ? "SERVICE_UNKNOWN" : "?"; }

}  // namespace

std::string health_question(const std::string& host, const std::string& service) {
  std::string message = service.empty() ? std::string() : std::string(1, '\x0a') + varint(service.size()) + service;
  std::string body(1, '\0');
  for (const auto n : {message.size() >> 24, message.size() >> 16, message.size() >> 8, message.size()}) body.push_back(static_cast<char>(n & 0xff));
  const auto head = header(":method", "POST") + header(":scheme", "http") + header(":path", "/grpc.health.v1.Health/Check") + header(":authority", host) +
                    header("content-type", "application/grpc") + header("user-agent", "kube-probe/1.33") + header("te", "trailers");
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + framed(settings, 0, 0, "") + framed(headers, end_headers, 1, head) + framed(data, end_stream, 1, body + message);
}

std::optional<result<void>> health_answer::feed(std::string_view bytes, std::string& reply) {
  reply.clear();
  rest_.append(bytes);
  while (rest_.size() >= head_bytes) {
    const auto size = number(std::string_view(rest_).substr(0, 3));
    if (size > frame_bytes_max) return result<void>(fail(errc::refused, "the answer is not gRPC"));
    if (rest_.size() < head_bytes + size) break;
    const auto whole = rest_.substr(0, head_bytes + size);
    rest_.erase(0, whole.size());
    std::string more;
    auto verdict = take(static_cast<std::uint8_t>(whole[3]), static_cast<std::uint8_t>(whole[4]), std::string_view(whole).substr(head_bytes), more);
    reply += more;
    if (verdict) return verdict;
  }
  return std::nullopt;
}

std::optional<result<void>> health_answer::take(std::uint8_t type, std::uint8_t flags, std::string_view body, std::string& reply) {
  switch (type) {
    case settings:
      if (!(flags & acknowledged)) reply = framed(settings, acknowledged, 0, "");
      return std::nullopt;
    case ping:
      if (!(flags & acknowledged)) reply = framed(ping, acknowledged, 0, std::string(body));
      return std::nullopt;
    case reset:
    case goaway: return result<void>(fail(errc::refused, "the server ended the connection without an answer"));
    case headers: return flags & end_stream ? judge(true) : std::nullopt;
    case data:
      if (flags & padded && !body.empty()) {
        const auto padding = static_cast<unsigned char>(body.front());
        body = body.size() > padding ? body.substr(1, body.size() - 1 - padding) : std::string_view();
      }
      if (message_.size() + body.size() > message_bytes_max) return result<void>(fail(errc::refused, "the answer is too long"));
      message_.append(body);
      return judge(flags & end_stream);
    default: return std::nullopt;
  }
}

std::optional<result<void>> health_answer::judge(bool ended) const {
  if (message_.size() < 5 || message_.size() < 5 + number(std::string_view(message_).substr(1, 4))) {
    if (!ended) return std::nullopt;
    return result<void>(fail(errc::refused, "error: this server does not answer health checks of that service"));
  }
  // HealthCheckResponse: field 1, the status; absent: UNKNOWN.
  const auto size = number(std::string_view(message_).substr(1, 4));
  const std::uint64_t status = size >= 2 && message_[5] == '\x08' ? static_cast<unsigned char>(message_[6]) : 0;
  if (status == 1) return result<void>();
  return result<void>(fail(errc::refused, std::string("service unhealthy (responded with \"") + status_name(status) + "\")"));
}

}  // namespace troupe::kubelet
