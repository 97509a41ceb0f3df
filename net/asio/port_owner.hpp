// Who listens on an address of this machine, as far as /proc tells.
#pragma once
#include <string>

#include "basis/ids.hpp"

namespace troupe::net::real {

/// "nginx (pid 123)", or "" when it cannot be told (another user's process, another namespace).
/// Somebody on the same port of another address does not count: many nodes live side by side on one
/// machine. Reads the tables of /proc/net/tcp and tcp6 and the descriptors of all processes; blocks shortly.
std::string port_owner(const endpoint& at);

}  // namespace troupe::net::real
