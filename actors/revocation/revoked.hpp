// Which nodes' certificates count no longer. Pure.
//
// Kept as the ConfigMap kube-system/troupe-revoked-nodes, one line per node: "refused since TIME" keeps the node out, its
// name, password and certificates; "admitted since TIME" lets it register again, but what was issued before stays void.
// Only cluster administrators may write there.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "basis/clock.hpp"
#include "basis/ids.hpp"
#include "basis/json.hpp"
#include "net/stream.hpp"

namespace troupe::revocation {

inline constexpr std::string_view map_namespace = "kube-system", map_name = "troupe-revoked-nodes";

struct line {
  bool refused = true;       ///< Else admitted again.
  wall_time since{};
};
std::string to_text(const line& what);
/// Nothing when it is neither. A line that cannot be read refuses: whoever wrote it meant to.
std::optional<line> parse_line(std::string_view text);

class revoked_nodes {
 public:
  revoked_nodes() = default;
  /// From the ConfigMap; names that are none are left out.
  explicit revoked_nodes(const json& config_map);

  /// Why this node may not register; nothing when it may.
  std::optional<std::string> refusal(const node_name& node) const;
  /// Why this certificate counts no longer; nothing when it does, or is no node's.
  std::optional<std::string> refusal(const net::peer_identity& who) const;
  const std::map<std::string, line>& lines() const { return lines_; }

 private:
  std::map<std::string, line> lines_;
};

}  // namespace troupe::revocation
