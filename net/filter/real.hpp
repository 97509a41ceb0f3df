// The packet filter of this machine (of this process's network namespace).
#pragma once
#include <memory>

#include "net/filter/filter.hpp"

namespace troupe::net::real {

/// Through libnftables, whose context is made with the first call (decision 151).
std::unique_ptr<packet_filter> make_packet_filter();
/// Whether this process may change the network it is in: it has CAP_NET_ADMIN.
bool may_change_network();

}  // namespace troupe::net::real
