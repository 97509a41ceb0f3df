// The kernel's memory of UDP flows (conntrack), as far as it must be made to forget.
#pragma once
#include <vector>

#include "basis/ids.hpp"
#include "basis/result.hpp"

namespace troupe::net::real {

/// See packet_filter::forget_udp. Blocks for a dump of all flows.
result<void> forget_udp_flows(const std::vector<endpoint>& replying, const std::vector<endpoint>& asked);

}  // namespace troupe::net::real
