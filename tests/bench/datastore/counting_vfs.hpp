// Counts what SQLite asks of the disk: bytes written and syncs. Nothing else changes.
#pragma once
#include <cstdint>

namespace troupe::bench {

struct disk_counts {
  std::uint64_t bytes = 0, writes = 0, syncs = 0;
};

/// While one lives it is the default VFS of this process. One at a time, one thread of use at a time.
class counting_vfs {
 public:
  counting_vfs();
  counting_vfs(const counting_vfs&) = delete;
  ~counting_vfs();
  /// Since the last call.
  disk_counts take();
};

}  // namespace troupe::bench
