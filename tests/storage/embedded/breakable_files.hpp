// A disk for RocksDB that can be full, refuse to sync, or lose its power: then of each file some of what was written since
// its last sync is gone, and of each folder the last files made or renamed since its last sync are.
#pragma once
#include <rocksdb/file_system.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "basis/rng.hpp"

namespace troupe::storage::testing {

class breakable_files final : public rocksdb::FileSystemWrapper {
 public:
  breakable_files() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "breakable"; }

  /// The power goes at the `calls`-th change or sync from now; all later ones fail, and the files stay as they are until settle().
  void cut_power_after(std::uint64_t calls, rng chance);
  /// Takes from the files what did not survive the cut, and works again. The engine must be gone.
  void settle();
  bool is_cut();
  void fill_up(bool full);       ///< Appending fails: no space.
  void fail_syncs(bool failing);

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& how, std::unique_ptr<rocksdb::FSWritableFile>* out,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& how, std::unique_ptr<rocksdb::FSDirectory>* out,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& how, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& how, rocksdb::IODebugContext* debug) override;

  // For its files.
  rocksdb::IOStatus appended(const std::string& name, std::uint64_t bytes);
  rocksdb::IOStatus synced(const std::string& name);
  rocksdb::IOStatus folder_synced();

 private:
  struct file { std::uint64_t written = 0, synced = 0; };
  /// Made or renamed, while its folder was not synced. `replaced` is what stood at `to` before.
  struct entry { std::string from, to; std::optional<std::string> replaced; };
  rocksdb::IOStatus tick();

  std::mutex mutex_;
  std::map<std::string, file> files_;
  std::vector<entry> entries_;
  std::uint64_t calls_ = 0, cut_at_ = 0;
  rng chance_{0};
  bool cut_ = false, full_ = false, failing_ = false;
};

}  // namespace troupe::storage::testing
