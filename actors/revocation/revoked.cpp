#include "actors/revocation/revoked.hpp"

#include "net/tls/issuer.hpp"

namespace troupe::revocation {
namespace {
constexpr std::string_view refused_since = "refused since ", admitted_since = "admitted since ", node_prefix = "system:node:";

std::string way_out(const std::string& node) { return "; on a server, `troupe node admit " + node + "` lets it in again"; }
}  // namespace

std::string to_text(const line& what) { return std::string(what.refused ? refused_since : admitted_since) + to_rfc3339(what.since); }

std::optional<line> parse_line(std::string_view text) {
  const bool refused = text.starts_with(refused_since);
  if (!refused && !text.starts_with(admitted_since)) return std::nullopt;
  const auto at = parse_rfc3339(std::string(text.substr(refused ? refused_since.size() : admitted_since.size())));
  if (!at.ok()) return std::nullopt;
  return line{refused, *at};
}

revoked_nodes::revoked_nodes(const json& config_map) {
  const auto& data = dig(config_map, "data");
  if (!data.is_object()) return;
  for (const auto& [name, value] : data.items())
    if (const auto node = parse_node_name(name); node.ok()) lines_[node->text] = parse_line(text_or(value)).value_or(line{});
}

std::optional<std::string> revoked_nodes::refusal(const node_name& node) const {
  const auto found = lines_.find(node.text);
  if (found == lines_.end() || !found->second.refused) return std::nullopt;
  return "node " + node.text + " was revoked at " + to_rfc3339(found->second.since) + way_out(node.text);
}

std::optional<std::string> revoked_nodes::refusal(const net::peer_identity& who) const {
  if (!who.verified || !who.common_name.starts_with(node_prefix)) return std::nullopt;
  const node_name node{who.common_name.substr(node_prefix.size())};
  const auto found = lines_.find(node.text);
  if (found == lines_.end()) return std::nullopt;
  if (found->second.refused) return refusal(node);
  // A leaf begins an hour before its issue, for clocks that are behind; both times are whole seconds. A node is admitted in a
  // later second than the one of its revocation (`troupe node admit` waits for it): what is of that second is new.
  if (who.not_before + net::tls::backdate >= found->second.since) return std::nullopt;
  return "this certificate of node " + node.text + " was issued before the node was revoked; it has to register again";
}

}  // namespace troupe::revocation
