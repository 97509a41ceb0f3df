// A disk for SQLite that can be full, refuse to sync, or lose its power. It keeps what a real disk
// would surely hold (everything up to the last sync of a file) apart from what was only written.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "basis/rng.hpp"

namespace troupe::storage::testing {

class breakable_disk {
 public:
  /// The registered one; its VFS is called `vfs_name`. One test at a time.
  static breakable_disk& get();
  static constexpr const char* vfs_name = "breakable";

  /// Forgets everything and works again.
  void restart();
  /// The power goes at the `calls`-th write, truncation or sync from now: each write since its file's last
  /// sync survives with probability 1/2, later calls fail. The files stay as they are until settle().
  void cut_power_after(std::uint64_t calls, rng chance);
  /// Writes what survived the cut over the real files, and works again. The engine must be gone.
  void settle();
  bool is_cut();
  void fill_up(bool full);            ///< Writes fail with SQLITE_FULL.
  void fail_syncs(std::string tail);  ///< Syncs of files whose name ends so fail; empty = none.
  std::uint64_t calls();
  std::uint64_t syncs();

  // For the VFS only.
  struct event {
    std::int64_t offset = 0;
    std::string data;
    bool truncation = false;
  };
  struct image {
    std::string synced;
    std::vector<event> since;
  };
  void opened(const std::string& name);
  void removed(const std::string& name);
  /// SQLITE_OK when the disk still works.
  int written(const std::string& name, event what);
  int synced(const std::string& name);

 private:
  int tick();
  static void apply(std::string& to, const event& what);

  std::mutex mutex_;
  std::map<std::string, image> files_;
  std::map<std::string, std::string> survivors_;
  std::uint64_t calls_ = 0, syncs_ = 0, cut_at_ = 0;
  rng chance_{0};
  bool cut_ = false, full_ = false;
  std::string failing_tail_;
};

}  // namespace troupe::storage::testing
