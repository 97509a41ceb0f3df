// The links of this machine (of this process's network namespace), over rtnetlink.
#pragma once
#include <memory>

#include "net/link/link.hpp"

namespace troupe::net::real {

/// The number in a route that says whose it is; see rtm_protocol in rtnetlink(7). Free for use by others than the kernel.
inline constexpr unsigned char route_protocol = 84;

std::unique_ptr<link_table> make_link_table();

}  // namespace troupe::net::real
