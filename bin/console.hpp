// `troupe console --once`: prints the callboard of a running node, read from its admin socket.
#pragma once
#include <string>

namespace troupe::bin {

/// Prints the table (or the JSON as it came) and answers the exit code; 1 when nobody answers there.
int run_console(const std::string& admin_socket, bool as_json);

/// `troupe agent status`: the agent's servers and tunnels, as the node last told them; works while it is stuck.
int run_agent_status(const std::string& admin_socket, bool as_json);

}  // namespace troupe::bin
