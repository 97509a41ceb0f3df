// The replicated engine: a client of etcd's v3 API over gRPC, and the port through which its cluster grows.
//
// Each operation is one etcd transaction and one revision; many are in flight. Every revision that is shown is etcd's
// own plus an offset kept in etcd under "troupe/revision-offset", so that moving in from another engine never lets
// revisions fall. A write whose answer was lost is settled by a fence (docs/decisions/116). Completions run on the
// engine's one gRPC thread. Nothing of gRPC runs before the first open. Changes name neither the revision they replace nor, when
// they erase, the one that began: etcd would read every key again for each of its watchers (docs/decisions/175).
#pragma once
#include <memory>
#include <string>

#include "basis/clock.hpp"
#include "storage/cluster.hpp"
#include "storage/engine.hpp"

namespace troupe::storage {

struct etcd_config {
  etcd_access access;
  std::string prefix = "/registry/";     ///< Only keys that begin so belong to this store; they are kept as given.
  duration attempt_limit = 1s;           ///< One request at one endpoint.
  duration operation_limit = 5s;         ///< A write or a read with all its attempts, from its arrival on.
  duration page_limit = 5s;              ///< One page of a range; a compaction; a hash of everything.
  duration status_limit = 800ms;         ///< An endpoint that is asked how it is, and does not say.
  duration status_every = 500ms;         ///< How often each endpoint is asked.
  duration head_doubt = 50ms;            ///< A read of the head that waits so long has etcd's leader asked whether it is there.
  duration snapshot_limit = std::chrono::minutes(10);
  std::size_t in_flight_operations_max = 4'096;        ///< Beyond it: overloaded.
  std::size_t in_flight_bytes_max = 16 * 1024 * 1024;  ///< Beyond it: overloaded, unless nothing is in flight.
  std::size_t sent_max = 256;            ///< Of those in flight, how many are at etcd; the others wait here.
  std::size_t feed_bytes_max = 8 * 1024 * 1024;  ///< Changes that wait to be read; beyond it the watch is not read.
};

/// What is wrong with `config`, one sentence each; empty when it will do.
std::vector<std::string> problems(const etcd_config& config);

class etcd_engine : public engine {
 public:
  /// Sets how far revisions shown here are ahead of etcd's. For a store that nobody else has open and nobody follows:
  /// other engines read the offset once, when they first reach etcd. Completes like a commit.
  virtual void set_revision_offset(revision offset, done finished) = 0;
};

/// Returns at once and reaches etcd by itself: `standing` is leaderless until it has. `invalid` when the
/// configuration or an endpoint cannot be used. A certificate that one side refuses shows as `unavailable`, and the
/// outcome's note says whose word it was.
///
/// Differences to an engine of one's own: shared() is true. Keys outside the prefix, or under "troupe/", are refused as
/// too_large with a note. Foreign writers may change several keys in one revision: such changes carry the same
/// `at`, and changes_after never parts them, even beyond `limit`. `previous` is 0 also when the version before was
/// compacted away. Beyond the head changes_after is `invalid` as far as this engine knows the head.
/// status().keys is counted every few seconds. read_head answers, while somebody follows, the newest revision that a
/// change carries, once the feed has it: what it answers can be waited for; it ends `unavailable` once the leader's process
/// is known to be gone. compact keeps no minimum. verify compares the members' hashes; a difference is `corrupt` when it is
/// still there after two seconds. The destructor waits for what is in flight, at most operation_limit (a backup:
/// snapshot_limit).
result<std::unique_ptr<engine>> open_etcd(etcd_config config);
result<std::unique_ptr<etcd_engine>> open_etcd_engine(etcd_config config);

struct cluster_config {
  etcd_access access;
  duration attempt_limit = 2s;      ///< One request at one endpoint; all endpoints are tried, twice at most.
  duration defragment_limit = std::chrono::minutes(1);
  duration snapshot_limit = std::chrono::minutes(10);
};

/// Returns at once; `invalid` when an endpoint cannot be used.
result<std::unique_ptr<cluster>> open_cluster(cluster_config config);
result<std::unique_ptr<cluster>> open_cluster(etcd_access access);

}  // namespace troupe::storage
