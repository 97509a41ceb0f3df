// The tables of format 1 and every statement on them. One connection, one thread. Codes are SQLite's
// own: the store decides what they mean.
//
// log:  one row per committed operation, never altered. `prev` is the key's row before, a tombstone
//       included, so that older states are found without an index. `crc` is CRC-32C over all others.
// meta: small numbers by name, each with its own `crc`.
#pragma once
#include <string>
#include <string_view>

#include "storage/engine.hpp"
#include "storage/log/revision.hpp"
#include "storage/sqlite/database.hpp"

namespace troupe::storage {

enum class row_kind : std::int64_t { put = 1, erase = 2 };

/// One row; the views live until the statement that read it moves on.
struct log_row {
  revision at = 0;
  row_kind kind = row_kind::put;
  revision previous = 0;
  revision created = 0;
  std::int64_t version = 0;
  std::int64_t lease = 0;  ///< 0; expiry is made of ordinary erasures by an actor. Kept for format 1's sake.
  std::string_view key, value;

  std::uint32_t checksum() const noexcept;
  record to_record() const;
  change to_change() const;
};

/// The numbers in `meta`.
struct meta_values {
  bounds ends;             ///< compact_rev; and head_rev: no revision up to it is ever used again.
  bool copy = false;       ///< This file was written by backup() and not opened since.
};
/// Writes all of `meta` in a transaction of its own, or in the open one.
result<void> write_meta(sqlite3* on, const meta_values& values);
result<meta_values> read_meta(sqlite3* on);

class log_table {
 public:
  static constexpr const char* schema =
      "CREATE TABLE log(rev INTEGER PRIMARY KEY, kind INT, prev INT, created INT, version INT, lease INT, crc INT,"
      " key BLOB, value BLOB);"
      "CREATE TABLE meta(k TEXT PRIMARY KEY, v INT, crc INT) WITHOUT ROWID;";

  result<void> prepare(sqlite3* on);

  int begin() { return begin_.run(); }
  int commit() { return commit_.run(); }
  void rollback() { rollback_.run(); }
  int insert(const log_row& row);
  int erase(revision at);

  enum class found { row, none, bad, failed };
  /// Reads the row at `at`; bad = its checksum does not match, failed = `code` says why. Call done() after use.
  found read(revision at, log_row& out, int& code);
  void done() { read_.reset(); }
  /// The chain of a key without its value: `previous` and `kind` of the row at `at`.
  found read_link(revision at, log_row& out, int& code);

  /// Begins a scan of rows in (after, upto], all columns; next() until it is not `row`, then end_scan().
  void begin_scan(revision after, revision upto);
  found next(log_row& out, int& code);
  void end_scan() { scan_.reset(); }

  /// What the row at `at` lets go: the row before it with its size in bytes (0 = there is none).
  struct doomed {
    revision at = 0;
    revision previous = 0;
    std::uint32_t previous_bytes = 0;
    bool tombstone = false;
    std::string key;  ///< Of a tombstone only.
  };
  /// The rows in (after, upto], at most `limit`.
  int list_doomed(revision after, revision upto, std::size_t limit, std::vector<doomed>& out);

 private:
  static found take(statement& from, int code, log_row& out);
  statement begin_, commit_, rollback_, insert_, erase_, read_, link_, scan_, doomed_;
};

}  // namespace troupe::storage
