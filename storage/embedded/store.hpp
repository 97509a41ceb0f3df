// One open log with its key index: everything the writer thread does, without the thread.
//
// One thread. Values are read cold from the table, in slices, between commits. After the first failure of the disk
// it is `broken` for good: nothing is applied any more.
//
// Relaxed writes leave the transaction open: they are read, told and answered, and go to disk with the next
// durable write or with flush(), whichever comes first, so what power loss takes is always the newest part of the log.
#pragma once
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "storage/embedded/table.hpp"
#include "storage/log/compaction.hpp"
#include "storage/log/keys.hpp"
#include "storage/log/reserve.hpp"

namespace troupe::storage {

/// What waits for its sync at most, however long it may wait.
inline constexpr std::size_t pending_bytes_max = 1024 * 1024;

class store {
 public:
  /// `path` is for notes only. `relaxed`: whether relaxed writes may wait at all.
  store(std::unique_ptr<log_table> table, std::string path, retention rule, bool relaxed);
  store(const store&) = delete;
  ~store();

  /// Reads the whole log; changes nothing unless it is accepted. Errors as open_sqlite.
  result<void> load();

  /// Applies a batch within the present group; begins a transaction at the first write. Values are moved out of
  /// `batch`. What it says holds only once finish_group() has succeeded.
  void apply(std::vector<operation>& batch, committed_batch& out);
  /// Ends the group. With a durable write in it: purges as much as it has earned and commits, pending writes included.
  /// With relaxed ones only: they are pending afterwards. When broken afterwards, nothing of the group is
  /// surely on disk: `commit_failed()` tells whether it may be. True when it committed.
  bool finish_group();
  /// Whether answered writes wait for flush().
  bool pending() const noexcept { return pending_; }
  void flush();
  /// Whether rest() has something to do.
  bool reserving() const noexcept { return !broken() && reserve_.ceiling != 0; }
  /// No relaxed writes are to be expected: with what is pending on disk, nothing can be lost any more.
  void rest();

  /// Raises the floor in a transaction of its own; rows go later, with commits or while idle.
  result<void> compact(revision to);
  /// Raises the head to `to`; nothing before can be followed any more. Nothing when it is there already.
  result<void> raise(revision to);
  /// Whether tidy() may have something to do.
  bool untidy() const noexcept { return !broken() && (purge_limit() > purged_to_ || shrinkable_); }
  /// One slice of purging, or of giving free room back to the file system.
  void tidy();
  /// Outside of a transaction: lets the table keep its files short.
  void upkeep();

  /// Reads a row; `corrupt` names the key when its checksum fails, `not_found` when there is none. A failing
  /// disk breaks the store. The row's views live until the next read.
  result<log_row> read(revision at);
  /// The newest record of a key at or before `at`, beginning at its newest; nothing when it was absent then.
  result<std::optional<log_row>> read_at(const key_state& newest, revision at, std::size_t& rows_read);

  /// Ends the read that the last row still holds open; its views are gone.
  void end_read() {
    if (std::exchange(reading_, false)) table_->done();
  }

  /// Keeps every row that a reader at `at` needs, until unpin().
  void pin(revision at) { pins_.insert(at); }
  void unpin(revision at) { pins_.erase(pins_.find(at)); }

  const bounds& ends() const noexcept { return ends_; }
  const keys& index() const noexcept { return index_; }
  log_table& table() noexcept { return *table_; }

  bool broken() const noexcept { return trouble_.has_value(); }
  bool commit_failed() const noexcept { return commit_failed_; }
  /// Why it is broken.
  const error& trouble() const { return *trouble_; }
  /// Breaks it: the table failed while `doing`.
  void break_down(std::string_view doing);

 private:
  result<void> load_row(const log_row& row, revision& last);
  result<void> open_up(const meta_values& meta);

  bool begin();
  bool commit();
  void write(operation& asked, const key_state* now, outcome& said, std::vector<change>& changes);
  revision purge_limit() const noexcept {
    return pins_.empty() ? ends_.floor : std::min(ends_.floor, *pins_.begin());
  }
  /// Deletes at most `deletes_max` rows; inside a transaction.
  void purge(std::size_t deletes_max);
  bool write_ends();

  std::string path_;
  retention rule_;
  const bool relaxed_;
  std::unique_ptr<log_table> table_;
  keys index_;
  bounds ends_;
  reserve reserve_;
  revision purged_to_ = 0;         ///< Rows up to here have let go what they replaced.
  std::uint64_t dead_bytes_ = 0;
  std::multiset<revision> pins_;
  std::vector<log_table::doomed> doomed_;
  std::size_t written_rows_ = 0;   ///< In the present transaction.
  std::size_t written_bytes_ = 0, idle_purged_ = 0;
  bool in_transaction_ = false, pending_ = false, reading_ = false, shrinkable_ = false, commit_failed_ = false;
  bool group_durable_ = false, group_relaxed_ = false;
  std::optional<error> trouble_;
};

}  // namespace troupe::storage
