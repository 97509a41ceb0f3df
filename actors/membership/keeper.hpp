// Makes the keeper of this server's etcd: starts it as a child, joins it to the others, has it vote, keeps it alive, and
// knows who its fellows are. Journey J6, steps 4 to 8.
#pragma once
#include "actors/membership/messages.hpp"
#include "actors/runtime/world.hpp"
#include "basis/ids.hpp"

namespace troupe::membership {

/// Every member of a cluster must have the same: the first server chooses, the bootstrap data carries it.
struct etcd_timers {
  unsigned heartbeat_ms = 50, election_ms = 500;
};
/// From how long a sync of 4 KiB takes at the 99th percentile: fast timers where the disk can keep them.
etcd_timers choose_timers(duration sync_p99);
std::string timers_text(const etcd_timers& of);
result<etcd_timers> parse_timers(std::string_view text);

struct keeper_config {
  std::string program = "etcd";
  std::string folder;               ///< <data>/server/db/etcd
  std::string tls_folder;           ///< <data>/server/tls/etcd, as certificates/etcd_pki.hpp writes it
  node_name node;
  std::string address;              ///< Of this server, as the others reach it.
  std::uint16_t client_port = 2379, peer_port = 2380;
  bool loopback_too = false;        ///< Listen on 127.0.0.1 as well.
  bool join = false;                ///< Without data: ask `known` for the members. Else begin a new cluster.
  storage::etcd_access access;      ///< Certificates for being etcd's client.
  etcd_timers timers;
  std::uint64_t quota_bytes = 4ull << 30;   ///< How large etcd's file may grow before it refuses writes.
  duration room_every = std::chrono::seconds(20);   ///< How often the leader tries to make room, while there is none.
  duration restart_first = std::chrono::milliseconds(100), restart_max = std::chrono::seconds(5);
  duration unstarted_max = std::chrono::minutes(5);   ///< A learner that never started goes after this.
};

/// `known` may be empty when nobody is joined. Says `joining_refused` when this server cannot be a member.
keeper_actor make_keeper(const rt::world& in, keeper_config config, members_actor known, owner_actor owner);

}  // namespace troupe::membership
