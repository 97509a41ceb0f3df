// The kernel's packet filter: a text of commands in the language of nft(8), carried out as one transaction or not at all.
//
// Calls block for as long as the kernel takes (a few milliseconds; hundreds for thousands of new rules), so they are made on
// the loop for slow work. One thread at a time.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "basis/ids.hpp"
#include "basis/result.hpp"

namespace troupe::net {

class packet_filter {
 public:
  virtual ~packet_filter() = default;
  /// Whoever keeps rules in this network says so first, and keeps it until he ends: two nodes of one machine would undo each
  /// other's. already_exists when another process has said it.
  virtual result<void> claim() = 0;
  /// One command per line. Fails with invalid (the commands do not fit what is there, or are wrong; the note is nft's first
  /// line), or forbidden; nothing has changed then.
  virtual result<void> apply(std::string_view commands) = 0;
  /// Whether `element` is in the set or map of our family `ip`; false also when table or set are not there.
  virtual result<bool> has_element(const std::string& table, const std::string& set, const std::string& element) = 0;
  /// Forgets UDP flows that `replying` answers, and those to `asked`: the kernel would send what belongs to them the old way
  /// for as long as somebody speaks. Addresses are IPv4.
  virtual result<void> forget_udp(const std::vector<endpoint>& replying, const std::vector<endpoint>& asked) = 0;
};

}  // namespace troupe::net
