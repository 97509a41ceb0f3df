// The rows of a log in RocksDB. One thread. What belongs to one transaction is gathered in a batch and read back from
// an overlay until the batch is written; relaxed writes go to the write-ahead log without a sync, and the next
// commit syncs them with it.
#pragma once
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <map>
#include <memory>
#include <string>

#include "storage/embedded/table.hpp"
#include "storage/rocksdb/rocksdb.hpp"

namespace troupe::storage {

class rocksdb_table final : public log_table {
 public:
  /// Opens the database in the folder; `fresh` = make it.
  static result<std::unique_ptr<rocksdb_table>> open(const rocksdb_config& config, bool fresh);

  bool begin() override { return true; }
  bool commit() override;
  void rollback() override;
  bool hand_over() override;
  bool insert(const log_row& row) override;
  bool erase(revision at) override;
  bool write_meta(const meta_values& values) override;
  result<meta_values> read_meta() override;
  found read(revision at, log_row& out) override;
  void done() override { held_.Reset(); }
  found read_link(revision at, log_row& out) override;
  void begin_scan(revision after, revision upto) override;
  found next(log_row& out) override;
  void end_scan() override { scan_.reset(); }
  bool list_doomed(revision after, revision upto, std::size_t limit, std::vector<doomed>& out) override;
  error why(std::string_view doing) override;
  void allow_writes(bool) override {}  // Nothing is written while closing: the write-ahead log holds it all.
  std::unique_ptr<job> make_backup_job(std::string path, engine::done done) override;

  rocksdb::DB& database() noexcept { return *database_; }

 private:
  explicit rocksdb_table(std::string path) : path_(std::move(path)) {}
  bool keep(rocksdb::Status what);
  /// The stored bytes of the row at `at`, from the overlay or the database; they live until the next find.
  found find(revision at, std::string_view& out);
  std::unique_ptr<rocksdb::Iterator> walk(revision after, revision upto);

  std::string path_;
  std::unique_ptr<rocksdb::DB> database_;
  rocksdb::WriteBatch batch_;
  std::map<revision, std::string> overlay_;  ///< Rows of the batch.
  bool unsynced_ = false;                    ///< Something was handed over.
  bool marked_copy_ = false;                 ///< The folder still says that it is a copy.
  rocksdb::PinnableSlice held_;
  std::unique_ptr<rocksdb::Iterator> scan_;
  bool scan_moved_ = false;
  std::string scan_end_;
  rocksdb::Slice scan_end_slice_;
  rocksdb::Status trouble_;
};

/// What RocksDB's status means to us, with the folder and what was being done in the note.
error rocksdb_error(const rocksdb::Status& what, const std::string& path, std::string_view doing);
std::unique_ptr<job> make_rocksdb_backup_job(rocksdb::DB& from, std::string path, engine::done done);

}  // namespace troupe::storage
