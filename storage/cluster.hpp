// Who makes up a replicated datastore, and how it grows: etcd's Cluster and Maintenance services as a port.
//
// One owner (the membership room). Calls return at once and finish by completion, on a thread of the adapter's
// choosing, so completions only send messages. Every call has the deadline that `cluster_config` names.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "basis/result.hpp"
#include "basis/task.hpp"

namespace troupe::storage {

using member_id = std::uint64_t;

struct member {
  member_id id = 0;
  std::string name;                        ///< Empty while it was added but never started.
  std::vector<std::string> peer_urls;      ///< "https://10.0.0.1:2380"
  std::vector<std::string> client_urls;    ///< Empty while it was added but never started.
  bool learner = false;
};

/// What one member says of itself.
struct member_status {
  member_id id = 0, leader = 0;            ///< leader 0: it knows none.
  std::uint64_t term = 0, raft_index = 0, raft_applied = 0;
  std::int64_t revision = 0;               ///< etcd's own, without an offset.
  std::uint64_t file_bytes = 0, used_bytes = 0;
  std::string version;
  bool learner = false;
  std::vector<std::string> errors;
};

enum class alarm_kind : std::uint8_t { no_space, corrupt };
struct alarm { member_id who = 0; alarm_kind what = alarm_kind::no_space; };

/// Failures: `unavailable` (surely not done; try again), `outcome_unknown` (look at `members` before trying again),
/// `conflict` (the cluster refuses now: an unhealthy cluster, a second learner, a learner not in sync; the note says which),
/// `not_found`, `already_exists` (a peer URL is taken), `forbidden`, `invalid`.
class cluster {
 public:
  virtual ~cluster() = default;
  using members_done = callback<void(result<std::vector<member>>)>;
  /// Of a quorum, never of one member's memory.
  virtual void members(members_done done) = 0;
  using member_done = callback<void(result<member>)>;
  virtual void add_learner(std::vector<std::string> peer_urls, member_done done) = 0;
  using done = callback<void(result<void>)>;
  virtual void promote(member_id who, done finished) = 0;
  virtual void remove(member_id who, done finished) = 0;
  virtual void update(member_id who, std::vector<std::string> peer_urls, done finished) = 0;
  using status_done = callback<void(result<member_status>)>;
  /// Asks the member behind that client URL, and no other.
  virtual void status(std::string client_url, status_done done) = 0;
  /// Gives leadership to `to`; asked of the member behind `client_url`, which must lead.
  virtual void move_leader(std::string client_url, member_id to, done finished) = 0;
  using alarms_done = callback<void(result<std::vector<alarm>>)>;
  virtual void alarms(alarms_done done) = 0;
  virtual void disarm(alarm what, done finished) = 0;
  virtual void defragment(std::string client_url, done finished) = 0;
  /// Writes a consistent copy with its trailing digest to a new file; what was received is checked against the digest,
  /// and no file is left when the copy is not whole.
  virtual void snapshot(std::string client_url, std::string path, done finished) = 0;
  /// Replaces the client URLs that are tried; calls in flight end where they began.
  virtual void set_endpoints(std::vector<std::string> client_urls) = 0;
};

/// How to reach an etcd. PEM texts; empty = plain http.
struct etcd_access {
  std::vector<std::string> endpoints;      ///< "https://127.0.0.1:2379"; the first is preferred.
  std::string ca, certificate, key;
};

}  // namespace troupe::storage
