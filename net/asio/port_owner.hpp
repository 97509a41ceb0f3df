// Who listens on a port of this machine, as far as /proc tells.
#pragma once
#include <cstdint>
#include <string>

namespace troupe::net::real {

/// "nginx (pid 123)", or "" when it cannot be told (another user's process, another namespace).
/// Reads the tables of /proc/net/tcp and tcp6 and the descriptors of all processes; blocks shortly.
std::string port_owner(std::uint16_t port);

}  // namespace troupe::net::real
