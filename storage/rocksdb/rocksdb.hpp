// The same log on RocksDB: for disks that hate small scattered writes. Chosen by name; a process that does not open
// one starts no thread of RocksDB's and allocates nothing for it.
//
// Format 1 (docs/decisions/118): a folder with a file TROUPE that says so; 'l' and eight big-endian bytes -> a
// record with its checksum; 'm' and a name -> a number with its checksum. One writer, group commit, synced.
#pragma once
#include <memory>

#include "storage/embedded/engine.hpp"

namespace rocksdb {
class Env;
}

namespace troupe::storage {

/// `path` is a folder; its parent must exist.
struct rocksdb_config : embedded_config {
  std::size_t write_buffer_bytes = 4 * 1024 * 1024;  ///< Two of them at most.
  std::size_t block_cache_bytes = 4 * 1024 * 1024;
  int open_files_max = 64;
  rocksdb::Env* environment = nullptr;               ///< Where RocksDB's files are; null: on this machine. Outlives the engine.
};

/// Opens the folder, or makes it (mode 0700) when there is none or it is empty. Promises and errors as open_sqlite,
/// with one difference: a folder that is ours but damaged may have been looked at with write access before it
/// is refused. backup() makes a folder, whose files may share their blocks with ours (hard links) on one file system.
result<std::unique_ptr<engine>> open_rocksdb(const rocksdb_config& config);

}  // namespace troupe::storage
