// Runs a node until a signal ends it. Composition only: what it is told comes from the command line,
// what it does is in actors/node.
#pragma once
#include "actors/node/config.hpp"

namespace troupe::bin {

struct run_options {
  std::string role;              ///< "server" or "agent": what a second process of the same data directory is told of this one.
  std::string admin_socket;      ///< Where `troupe console` attaches; empty: nowhere.
  bool quiet = false;            ///< No numbered steps on standard output.
};

/// Both block until SIGINT or SIGTERM and answer the exit code: 0 after an orderly end, 1 when a start
/// was refused. They print numbered steps with durations, and what is waited for when that takes 2 s.
int run_server(node::server_config config, const run_options& options);
/// `troupe server --cluster-reset`: works on the data of a server that stands still, and ends. In upkeep.cpp.
int run_reset(node::server_config config);
int run_agent(node::agent_config config, const run_options& options);

}  // namespace troupe::bin
