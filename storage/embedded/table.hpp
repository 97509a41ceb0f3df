// What an embedded engine needs from whatever holds its rows: SQLite or RocksDB. One thread uses it, from the first
// call after construction on. After a call that failed, why() tells what happened; the store then stops writing.
//
// Between begin() and commit() or rollback() one transaction is open; everything written in it is read back at once.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/embedded/row.hpp"

namespace troupe::storage {

class job;

class log_table {
 public:
  virtual ~log_table() = default;

  virtual bool begin() = 0;
  /// Ends the transaction; when it answers true everything up to here is on disk.
  virtual bool commit() = 0;
  virtual void rollback() = 0;
  /// The transaction stays open for relaxed writes; what is in it may be handed on without a sync.
  virtual bool hand_over() = 0;

  virtual bool insert(const log_row& row) = 0;
  virtual bool erase(revision at) = 0;
  /// Writes all numbers, in the open transaction or in one of its own.
  virtual bool write_meta(const meta_values& values) = 0;
  /// `corrupt` when a number is missing or its checksum does not match.
  virtual result<meta_values> read_meta() = 0;

  enum class found { row, none, bad, failed };
  /// Reads the row at `at`; bad = its checksum does not match. Views live until done() or the next read.
  virtual found read(revision at, log_row& out) = 0;
  virtual void done() = 0;
  /// The row at `at` without key and value, unchecked.
  virtual found read_link(revision at, log_row& out) = 0;

  /// Begins a scan of rows in (after, upto]; next() until it is not `row`, then end_scan().
  virtual void begin_scan(revision after, revision upto) = 0;
  virtual found next(log_row& out) = 0;
  virtual void end_scan() = 0;

  /// What the row at `at` lets go: the row before it with its size in bytes (0 = there is none).
  struct doomed {
    revision at = 0;
    revision previous = 0;
    std::uint32_t previous_bytes = 0;
    bool tombstone = false;
    std::string key;  ///< Of a tombstone only.
  };
  /// The rows in (after, upto], at most `limit`.
  virtual bool list_doomed(revision after, revision upto, std::size_t limit, std::vector<doomed>& out) = 0;

  /// What the last failing call died of.
  virtual error why(std::string_view doing) = 0;
  /// Closing may write from now on (the log was accepted), or must not any more (the disk failed).
  virtual void allow_writes(bool allowed) = 0;

  /// After a commit, outside of a transaction: what keeps the files short. False = failed.
  virtual bool upkeep() { return true; }
  /// One slice of giving room back to the file system after rows were erased, outside of a transaction;
  /// `more` tells whether another is worth while. False = failed.
  virtual bool shrink(bool& more) {
    more = false;
    return true;
  }
  /// Writes a consistent copy of the log to `path`, in slices; `done` is called once.
  virtual std::unique_ptr<job> make_backup_job(std::string path, engine::done done) = 0;
};

}  // namespace troupe::storage
