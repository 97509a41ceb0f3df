// What outlives the process: a map from keys to values in which every change has a revision.
//
// One owner per engine (the datastore shard). `commit` and `range` return at once and finish by
// completion; completions run on a thread of the engine's choosing, one at a time, so they only
// send messages. Batches finish in the order in which they were committed, and many may be in
// flight. Revisions only grow, by one per committed operation. There is no clock in here.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "basis/bytes.hpp"
#include "basis/result.hpp"
#include "basis/task.hpp"

namespace troupe::storage {

using revision = std::int64_t;  ///< 1 is the first; 0 means none.

/// A live key.
struct record {
  std::string key;
  bytes value;
  revision created = 0;        ///< When the key came to be.
  revision modified = 0;       ///< When it last changed.
  std::int64_t version = 0;    ///< 1 at creation, one more per update.
};

/// Keys that one operation takes or gives back with its own: an address that belongs to one object only. They hold the
/// key of their owner, are ordinary keys otherwise, and are written by nothing else but their repair.
struct claims {
  std::vector<std::string> take;      ///< All must be absent; else nothing is done, and the outcome is `claimed`.
  std::vector<std::string> release;   ///< Go whether they are there or not.
  bytes owner;                        ///< Their value.
};

/// One compare-and-swap. Without `expected` an erase takes any present revision.
struct operation {
  enum class kind : std::uint8_t { create, update, erase };
  kind what = kind::create;
  std::string key;
  bytes value;                 ///< Empty for erase.
  revision expected = 0;       ///< update and erase: the revision that must be present; 0 = any (erase only).
  /// May be answered before it is on disk (heartbeats, events). Power loss or a killed process costs at most the last
  /// seconds of a log, always a suffix of the revision order and never a revision that is not relaxed; a revision that
  /// was answered and lost is never used again, reading or following from it is `gone`. Engines may ignore it.
  bool relaxed = false;
  /// In the same step, all or nothing. Of a shared engine only: the one writer of another knows what is taken, and such
  /// engines ignore them. At most claims_max keys, else `too_large`.
  std::shared_ptr<const claims> with = nullptr;
};

/// What became of one operation.
struct outcome {
  enum class kind : std::uint8_t {
    committed,        ///< On disk (relaxed: in order); `at` is its revision.
    conflict,         ///< The key is not at the expected revision; `present` is what stands there.
    claimed,          ///< The key is, but somebody else has what was to be taken: `note` is that key. Not applied.
    too_large,        ///< Key or value over the engine's limit. Not applied.
    no_space,         ///< The store's quota is used up: nothing is taken before somebody makes room. Not applied.
    overloaded,       ///< Too much is in flight. Not applied.
    unavailable,      ///< Surely not applied.
    outcome_unknown,  ///< Applied or not: read the key before writing it again.
  };
  kind what = kind::unavailable;
  revision at = 0;
  std::optional<record> present;  ///< conflict: the live record, or nothing when the key is absent.
  std::string note;
};

/// One committed operation, as followers see it.
struct change {
  revision at = 0;
  std::string key;
  bytes value;                 ///< Empty when erased.
  revision created = 0;        ///< Of the key's present life; when erased, of the one that ended, or 0 where that is not known (etcd).
  revision previous = 0;       ///< The revision it replaces; 0 when it was absent, and where it is not known (etcd).
  std::int64_t version = 0;    ///< 0 when erased.
  bool erased = false;
};

struct committed_batch {
  std::vector<outcome> outcomes;   ///< One per operation, in order.
  std::vector<change> changes;     ///< The committed ones, in revision order.
  revision head = 0;               ///< The newest revision after the batch.
};

struct range_query {
  std::string from;            ///< First key.
  std::string to;              ///< First key that no longer belongs; empty = to the end.
  revision at = 0;             ///< 0 = the head.
  std::size_t limit = 0;       ///< 0 = all.
};

struct page {
  std::vector<record> records;  ///< In key order.
  revision head = 0;            ///< The revision at which this is true.
  bool more = false;
};

enum class standing : std::uint8_t { leading, following, leaderless, closed };

struct status {
  revision head = 0;
  revision floor = 0;          ///< Changes after it can be replayed; older revisions are gone.
  std::uint64_t keys = 0;
  std::uint64_t file_bytes = 0;
  standing now = standing::closed;
  double sync_p50_ms = 0, sync_p99_ms = 0;  ///< Of recent commits' syncs.
};

class engine {
 public:
  /// Waits until what is in flight has finished, then closes.
  virtual ~engine() = default;

  using commit_done = callback<void(committed_batch)>;
  /// Applies each operation on its own merits and in order, in one synced transaction. Never blocks.
  virtual void commit(std::vector<operation> batch, commit_done done) = 0;

  using range_done = callback<void(result<page>)>;
  /// Reads a range; `gone` when `at` lies below the floor, `invalid` when it lies in the future.
  virtual void range(range_query what, range_done done) = 0;

  using changes_done = callback<void(result<std::vector<change>>)>;
  /// Changes after `after` in order, at most `limit` (0 = all), whole revisions; `gone` below the floor,
  /// `invalid` beyond the head.
  virtual void changes_after(revision after, std::size_t limit, changes_done done) = 0;

  using done = callback<void(result<void>)>;
  /// Raises the floor to `to`, or as far as the engine's retention allows, and lets superseded values go; never
  /// lowers it; `invalid` beyond the head. The state at the floor stays readable.
  virtual void compact(revision to, done finished) = 0;
  /// Raises the head to `to`, as if that many revisions had been used; nothing before it can be followed any more. Does
  /// nothing when the head is there already. For a log that takes over from another; `unsupported` where it cannot.
  virtual void raise_revision(revision to, done finished);
  /// Writes a consistent copy to a new file at `path`; online. `already_exists` when there is one.
  virtual void backup(std::string path, done finished) = 0;
  /// Checks every kept record; `corrupt` names the first bad key.
  virtual void verify(done finished) = 0;

  /// Any thread, at once.
  virtual storage::status status() const = 0;
  /// Called (from any thread) whenever `status().now` changed, and on a shared engine whenever changes wait to be read
  /// by changes_after. Set once, before the first commit.
  virtual void on_news(callback<void()> wake) = 0;

  /// True when other processes write too (etcd). Then `committed_batch::changes` stays empty and every change, our own
  /// included, comes in order by changes_after, which answers at once from what a watch has gathered; the operations of
  /// one batch are sent side by side, and batches finish in any order.
  virtual bool shared() const { return false; }
  using head_done = callback<void(result<revision>)>;
  /// The head as of now for everybody: at least the revision of every commit that anyone was answered before the call.
  virtual void read_head(head_done done) { done(status().head); }
};

inline void engine::raise_revision(revision, done finished) {
  finished(fail(errc::unsupported, "this engine cannot raise its revision"));
}

/// The first key after every key that starts with `prefix`; empty when there is none.
inline std::string after_prefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

inline constexpr std::size_t key_bytes_max = 1024;
inline constexpr std::size_t value_bytes_max = 1536 * 1024;  ///< etcd's own limit on a request.
inline constexpr std::size_t batch_operations_max = 512;
inline constexpr std::size_t claims_max = 120;   ///< etcd takes 128 compares and writes in one transaction.

}  // namespace troupe::storage
