// One open log file with its key index: everything the writer thread does, without the thread.
//
// One thread. One connection in exclusive mode: no shared-memory file, no locks per transaction, and
// a refused open leaves no trace. Values are read cold from the same connection, in slices, between
// commits. After the first failure of the disk it is `broken` for good: nothing is applied any more.
#pragma once
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "storage/log/keys.hpp"
#include "storage/sqlite/log_table.hpp"
#include "storage/sqlite/sqlite.hpp"

namespace troupe::storage {

class store {
 public:
  /// As open_sqlite.
  static result<std::unique_ptr<store>> open(const sqlite_config& config);
  store(const store&) = delete;
  ~store();

  /// Applies a batch within the present group; begins a transaction at the first write. Values are moved out of
  /// `batch`. What it says holds only once finish_group() has succeeded.
  void apply(std::vector<operation>& batch, committed_batch& out);
  /// Purges as much as the group has earned and commits. When broken afterwards, nothing of the group is
  /// surely on disk: `commit_failed()` tells whether it may be.
  void finish_group();

  /// Raises the floor in a transaction of its own; rows go later, with commits or while idle.
  result<void> compact(revision to);
  /// Whether tidy() may have something to do.
  bool untidy() const noexcept { return !broken() && (purge_limit() > purged_to_ || shrinkable_); }
  /// One slice of purging, or of giving free pages back to the file system.
  void tidy();
  /// Copies the write-ahead log back into the file when it has grown long.
  void checkpoint_when_due();

  /// Reads a row; `corrupt` names the key when its checksum fails, `not_found` when there is none. A failing
  /// disk breaks the store. The row's views live until the next read.
  result<log_row> read(revision at);
  /// The newest record of a key at or before `at`, beginning at its newest; nothing when it was absent then.
  result<std::optional<log_row>> read_at(const key_state& newest, revision at, std::size_t& rows_read);

  /// Ends the read that the last row still holds open; its views are gone.
  void end_read() {
    if (std::exchange(reading_, false)) table_.done();
  }

  /// Keeps every row that a reader at `at` needs, until unpin().
  void pin(revision at) { pins_.insert(at); }
  void unpin(revision at) { pins_.erase(pins_.find(at)); }

  const bounds& ends() const noexcept { return ends_; }
  const keys& index() const noexcept { return index_; }
  log_table& table() noexcept { return table_; }
  sqlite3* connection() const noexcept { return connection_.get(); }
  const std::string& path() const noexcept { return path_; }

  bool broken() const noexcept { return trouble_.has_value(); }
  bool commit_failed() const noexcept { return commit_failed_; }
  /// Why it is broken.
  const error& trouble() const { return *trouble_; }
  /// Breaks it: SQLite said `code` while `doing`.
  void break_down(int code, std::string_view doing);

 private:
  explicit store(const sqlite_config& config);
  result<void> connect();
  result<void> load();
  result<void> load_row(const log_row& row, revision& last);
  result<void> become_restored(const meta_values& copy);
  error refusal(const error& why) const;

  bool begin();
  bool commit();
  void write(operation& asked, const key_state* now, outcome& said, std::vector<change>& changes);
  revision purge_limit() const noexcept {
    return pins_.empty() ? ends_.floor : std::min(ends_.floor, *pins_.begin());
  }
  /// Deletes at most `deletes_max` rows; inside a transaction.
  void purge(std::size_t deletes_max);
  bool write_ends();
  void checkpoint();

  std::string path_, vfs_;
  retention rule_;
  database connection_;
  log_table table_;
  keys index_;
  bounds ends_;
  revision purged_to_ = 0;         ///< Rows up to here have let go what they replaced.
  std::uint64_t dead_bytes_ = 0;
  std::multiset<revision> pins_;
  std::vector<log_table::doomed> doomed_;
  std::size_t written_rows_ = 0;   ///< In the present group.
  int log_frames_ = 0;             ///< Length of the write-ahead log, told by SQLite.
  bool in_transaction_ = false, reading_ = false, shrinkable_ = false, shrunk_ = false,
       commit_failed_ = false;
  std::optional<error> trouble_;
};

}  // namespace troupe::storage
