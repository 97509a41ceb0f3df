// What `troupe agent status` shows: the roster as a snapshot in JSON, and the table that is made of it. Pure; the snapshot
// is told to the process with each change, so it is read without asking any actor.
#pragma once
#include <string>
#include <vector>

#include "actors/balancer/roster.hpp"
#include "basis/json.hpp"

namespace troupe::balancer {

/// What the roster does not know of itself.
struct server_facts {
  roster::row row;
  wall_time since{};
  duration latency{};       ///< Of the last probe that was answered; zero: none was.
  std::size_t relays = 0;
};
struct link_facts {
  wall_time now{};
  std::vector<endpoint> listeners;
  std::vector<server_facts> servers;
  std::size_t waiting = 0;
};
/// {"at", "listeners":[..], "generation", "current", "why", "waiting", "servers":[{server, state, role, since, connections,
/// probe_ms, last_error}]}. Times are RFC 3339.
json render_link(const roster& from, const link_facts& with);

/// A tunnel as the agent last heard of it.
struct tunnel_facts {
  endpoint server;
  bool up = false;
  wall_time since{};
  std::string why;          ///< Why it is down.
};
/// {"at", "tunnels":[{server, up, since, why}]}
json render_tunnels(wall_time now, const std::vector<tunnel_facts>& all);

/// The table for people, of what a node tells ({"balancer":..,"tunnels":..}; either may be missing: a server's own agent has
/// no balancer). `now` is the reader's, for saying that a snapshot is old. `invalid` when it is something else.
result<std::string> status_table(const json& notices, wall_time now);
inline constexpr duration snapshot_age_max = std::chrono::seconds(3);   ///< Older: the node is stuck, and the table says so.

}  // namespace troupe::balancer
