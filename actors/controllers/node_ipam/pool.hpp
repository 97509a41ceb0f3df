// Which networks of pods are whose: the cluster's network in equal pieces, each at most one node's. Pure.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "basis/result.hpp"

namespace troupe::controllers {

/// An IPv4 network; host bits are 0.
struct network4 {
  std::uint32_t base = 0;        ///< In host order.
  unsigned bits = 0;
  friend auto operator<=>(const network4&, const network4&) = default;
};
/// "10.42.0.0/16"; `invalid` for anything else and for host bits that are set.
result<network4> parse_network4(std::string_view text);
std::string to_string(const network4& of);

inline constexpr unsigned node_bits = 24;   ///< Of a node's piece, as K3s's --node-cidr-mask-size.

class cidr_pool {
 public:
  /// A cluster's network smaller than one piece is one piece.
  explicit cidr_pool(network4 cluster);
  /// A node is seen with this podCIDR. False when another node has it, or when it is outside of the cluster's network (then
  /// it is the node's all the same, and none of ours).
  bool occupy(const std::string& node, std::string_view cidr);
  /// The node is gone: its piece is free again.
  void free(const std::string& node);
  /// A free piece, which is the node's from now on; the same when it has one already. Pieces are given in turn, so that one
  /// that was just freed is the last to be given again. Nothing when all are taken.
  std::optional<network4> allocate(const std::string& node);

 private:
  network4 cluster_;
  unsigned bits_;
  std::uint64_t next_ = 0, size_ = 1;
  std::map<std::uint64_t, std::string> owner_;
  std::map<std::string, std::uint64_t> piece_of_;
};

}  // namespace troupe::controllers
