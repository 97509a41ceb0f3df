// The tables of format 1 and every statement on them: one connection in exclusive mode, so that there is no
// shared-memory file, no lock per transaction, and a refused open leaves no trace. One thread.
//
// log:  one row per committed operation, never altered. `prev` is the key's row before, a tombstone
//       included, so that older states are found without an index. `crc` is CRC-32C over all others.
// meta: small numbers by name, each with its own `crc`.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "storage/embedded/table.hpp"
#include "storage/sqlite/database.hpp"

namespace troupe::storage {

/// Writes all numbers of `meta` on any connection, in the open transaction or one of its own.
result<void> write_meta(sqlite3* on, const meta_values& values);

class sqlite_table final : public log_table {
 public:
  static constexpr const char* schema =
      "CREATE TABLE log(rev INTEGER PRIMARY KEY, kind INT, prev INT, created INT, version INT, lease INT, crc INT,"
      " key BLOB, value BLOB);"
      "CREATE TABLE meta(k TEXT PRIMARY KEY, v INT, crc INT) WITHOUT ROWID;";

  /// Connects to a file that exists; writes nothing, not even while closing, until allow_writes(true).
  static result<std::unique_ptr<sqlite_table>> open(const std::string& path, const std::string& vfs);
  sqlite_table(const sqlite_table&) = delete;

  bool begin() override { return run(begin_); }
  bool commit() override { return run(commit_); }
  void rollback() override { rollback_.run(); }
  bool hand_over() override { return true; }  // The open transaction is where it waits.
  bool insert(const log_row& row) override;
  bool erase(revision at) override;
  bool write_meta(const meta_values& values) override;
  result<meta_values> read_meta() override;
  found read(revision at, log_row& out) override;
  void done() override { read_.reset(); }
  found read_link(revision at, log_row& out) override;
  void begin_scan(revision after, revision upto) override;
  found next(log_row& out) override;
  void end_scan() override { scan_.reset(); }
  bool list_doomed(revision after, revision upto, std::size_t limit, std::vector<doomed>& out) override;
  error why(std::string_view doing) override { return sqlite_error(code_, path_, doing); }
  void allow_writes(bool allowed) override;
  bool upkeep() override;
  bool shrink(bool& more) override;
  std::unique_ptr<job> make_backup_job(std::string path, engine::done done) override;

 private:
  explicit sqlite_table(std::string path) : path_(std::move(path)) {}
  result<void> connect(const std::string& vfs);
  found take(statement& from, log_row& out);
  bool run(statement& which) {
    code_ = which.run();
    return code_ == SQLITE_OK;
  }
  bool checkpoint();
  void committed(int frames);   ///< The log's length after a commit.
  int frames_wanted() const;    ///< How long the log may get before a checkpoint.
  bool is_long() const;         ///< Its file is longer than few writers make it.
  std::int64_t ask_number(const char* sql);

  std::string path_;
  database connection_;
  int code_ = SQLITE_OK;   ///< Of the last call that failed.
  int log_frames_ = 0;     ///< Length of the write-ahead log, told by SQLite.
  double usual_frames_ = 0;   ///< Of a commit.
  int longest_ = 0;           ///< That the log was since it was cut.
  bool longer_ = false;       ///< More of the log's file is kept.
  bool shrunk_ = false;
  statement begin_, commit_, rollback_, insert_, erase_, read_, link_, scan_, doomed_;
};

/// SQLite's online backup on the writer's own connection.
std::unique_ptr<job> make_sqlite_backup_job(sqlite3* from, std::string path, engine::done done);

}  // namespace troupe::storage
