// The machine we run on: its files and its facts. Simulated machines keep files in memory and
// survive a crash of their process.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "basis/clock.hpp"
#include "basis/result.hpp"

namespace troupe::net {

/// One entry of a folder.
struct file_entry {
  std::string name;
  std::uint64_t bytes = 0;              ///< Of a folder: of all the files in it.
  wall_time written{};
  bool folder = false;
};

/// Small files, whole. Calls are short and block (those on trees as long as the tree is large); any thread.
class files {
 public:
  virtual ~files() = default;
  virtual result<std::string> read(const std::string& path) const = 0;      ///< not_found | forbidden | internal.
  /// At most `bytes_max` bytes from `offset`, "" at or behind the end. For files that others write while we read: logs.
  virtual result<std::string> read_at(const std::string& path, std::uint64_t offset, std::size_t bytes_max) const {
    auto all = read(path);
    if (!all.ok()) return all;
    return offset < all->size() ? all->substr(offset, bytes_max) : std::string();
  }
  virtual result<std::uint64_t> size(const std::string& path) const {      ///< Bytes; not_found | forbidden.
    const auto all = read(path);
    return all.ok() ? result<std::uint64_t>(all->size()) : result<std::uint64_t>(all.why());
  }
  /// Replaces atomically (temporary file, sync, rename) with this mode; makes missing folders (0700).
  virtual result<void> write(const std::string& path, std::string_view text, unsigned mode) = 0;
  /// Writes only when there is no such file: already_exists otherwise. Atomic against other processes.
  virtual result<void> create(const std::string& path, std::string_view text, unsigned mode) = 0;
  virtual result<void> remove(const std::string& path) = 0;                 ///< ok when absent.
  /// Gives a file or folder another name on the same disk; not_found | already_exists (a folder is never replaced).
  virtual result<void> rename(const std::string& from, const std::string& to) = 0;
  /// When a file was last written; not_found.
  virtual result<wall_time> written_at(const std::string& path) const = 0;
  virtual bool exists(const std::string& path) const = 0;
  virtual result<void> make_folder(const std::string& path, unsigned mode) = 0;
  /// How long the disk below `folder` takes to make 4 KiB durable: the 99th percentile of a hundred appends. Blocks for it.
  virtual result<duration> measure_sync(const std::string& folder) = 0;
  virtual result<void> link(const std::string& target, const std::string& path) = 0;  ///< Symbolic; replaces.

  // Trees: a file, or a folder with what is in it. Links are not followed and not copied.
  virtual result<std::vector<file_entry>> list(const std::string& folder) const = 0;  ///< By name; not_found.
  virtual result<void> remove_tree(const std::string& path) = 0;            ///< ok when absent.
  /// Copies and syncs; already_exists when `to` is there; nothing is left of a copy that failed.
  virtual result<void> copy(const std::string& from, const std::string& to) = 0;
  /// SHA-256, 32 raw bytes, of a file's bytes. Of a folder: of a line "<hex of the file's SHA-256>  <path>\n" per file, in
  /// the order of their paths (what `sha256sum` prints).
  virtual result<std::string> sha256(const std::string& path) const = 0;
  /// True when another process holds an advisory lock on the file, as databases do on theirs (etcd: flock; SQLite and
  /// RocksDB: fcntl). Not for files that this process has locked itself: looking would let an fcntl lock go.
  virtual bool in_use(const std::string& path) const = 0;
};

struct machine_facts {
  std::string hostname;                 ///< Lower case.
  std::string default_address;          ///< Source address of the default route; 127.0.0.1 when there is none.
  std::string kernel, os_image, architecture, machine_id, system_uuid, boot_id;
  unsigned cpus = 1;
  std::uint64_t memory_bytes = 0, disk_bytes = 0, disk_free_bytes = 0;
};

class machine {
 public:
  virtual ~machine() = default;
  virtual machine_facts facts(const std::string& disk_path) const = 0;
};

}  // namespace troupe::net
