// What a server may dial through an agent: the agent's side of K3s's rules for mode "agent". Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "basis/ids.hpp"

namespace troupe::tunnel {

struct dial_rules {
  std::uint16_t kubelet_port = 10250;
  endpoint kubelet{"127.0.0.1", 10250};       ///< Where the kubelet really listens.
  std::uint16_t stream_port = 10010;          ///< CRI streaming, on loopback.
};

/// Where to dial, or nothing when it is not allowed: tcp to this node's kubelet or stream port only.
inline std::optional<endpoint> allow_dial(const dial_rules& rules, std::string_view protocol, std::string_view address) {
  if (protocol != "tcp") return std::nullopt;
  const auto at = parse_endpoint(address);
  if (!at.ok() || (at->host != "127.0.0.1" && at->host != "::1")) return std::nullopt;
  if (at->port == rules.kubelet_port) return rules.kubelet;
  if (at->port == rules.stream_port) return *at;
  return std::nullopt;
}

}  // namespace troupe::tunnel
