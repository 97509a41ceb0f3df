// A whole log in memory, by the rules of storage/log: what a log engine has on disk, without the
// disk. Pure and single-threaded; a copy is a backup. The twins in memory/ and sim/ are made of it.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "storage/log/compaction.hpp"
#include "storage/log/keys.hpp"

namespace troupe::storage {

class ledger {
 public:
  explicit ledger(retention rule = {}) : rule_(rule) {}

  /// Applies each operation on its own merits, in order.
  committed_batch apply(std::vector<operation> batch);
  result<page> range(const range_query& what) const;
  result<std::vector<change>> changes_after(revision after, std::size_t limit) const;
  result<void> compact(revision to);
  /// Raises the head; nothing before `to` can be followed any more. Nothing when it is there already.
  void raise(revision to);
  /// Every kept record is where the index says; `corrupt` otherwise.
  result<void> verify() const;
  /// This log as a restored copy: the same records, no revision of it can be followed.
  ledger restored() const;

  const bounds& ends() const noexcept { return ends_; }
  std::size_t live() const noexcept { return index_.live(); }
  std::uint64_t bytes_kept() const noexcept { return bytes_kept_; }
  std::size_t records_kept() const noexcept { return records_.size(); }
  void set_retention(retention rule) { rule_ = rule; }

 private:
  struct entry {
    change what;
    revision chain = 0;  ///< The key's record before this one, a tombstone included.
  };
  /// The record of `key` that was true at `at`; null when the key was absent then.
  const entry* standing_at(const key_state& newest, revision at) const;
  void purge();
  void forget(revision which);

  retention rule_;
  bounds ends_;
  revision purged_to_ = 0;
  std::map<revision, entry> records_;
  keys index_;
  std::uint64_t dead_bytes_ = 0, bytes_kept_ = 0;
};

/// What survives a memory or simulated engine: the log, and the copies that backup() wrote.
struct memory_disk {
  ledger log;
  std::map<std::string, ledger> copies;  ///< By path.
};

}  // namespace troupe::storage
