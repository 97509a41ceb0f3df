// One question of gRPC's health protocol (grpc.health.v1.Health/Check) over a connection in the clear, as bytes. Pure.
//
// HTTP/2 by hand, because it is one request on a connection of its own: headers go out as literals, and of what comes back
// only the message counts, so nobody need unpack headers. Sources: RFC 9113, RFC 7541, gRPC over HTTP/2.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "basis/result.hpp"

namespace troupe::kubelet {

/// All that the client has to say; `host` is its ":authority".
std::string health_question(const std::string& host, const std::string& service);

class health_answer {
 public:
  /// Takes bytes in any pieces. `reply` is set to what must be sent back (acknowledgements). Nothing: more is to come; else the
  /// verdict: ok, or in upstream's words what was wrong.
  std::optional<result<void>> feed(std::string_view bytes, std::string& reply);

 private:
  std::optional<result<void>> take(std::uint8_t type, std::uint8_t flags, std::string_view body, std::string& reply);
  std::optional<result<void>> judge(bool ended) const;
  std::string rest_, message_;
};

}  // namespace troupe::kubelet
