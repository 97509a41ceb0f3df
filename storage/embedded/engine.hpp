// The engine around a log on this machine: one writer thread that takes whatever has queued while the last commit
// was synced, without waiting for more; that is the whole of group commit. SQLite and RocksDB differ in the table.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "basis/clock.hpp"
#include "storage/embedded/store.hpp"

namespace troupe::storage {

/// What all engines on this machine have in common.
struct embedded_config {
  std::string path;            ///< SQLite: the file; RocksDB: the folder.
  retention kept;
  std::size_t in_flight_operations_max = 4'096;          ///< Beyond it: overloaded.
  std::size_t in_flight_bytes_max = 16 * 1024 * 1024;    ///< Beyond it: overloaded, unless nothing is in flight.
  duration idle_wait = 200ms;  ///< How long the thread is idle before it purges and shrinks the files.
  duration relaxed_delay = 10s;  ///< How long relaxed writes wait for a sync at most; what power loss may cost of them.
  duration relaxed_quiet = 60s;  ///< How long after the last of them a sudden end no longer raises the head.
  /// For relaxed writes and for the sync times in status(); without it nothing is relaxed and they are 0. Any thread.
  std::function<mono_time()> now;
};

/// What is wrong with `config`, one sentence each; empty when it will do.
std::vector<std::string> problems(const embedded_config& config);

/// An engine on a loaded store; `file_bytes` is called by any thread.
std::unique_ptr<engine> make_embedded_engine(const embedded_config& config, std::unique_ptr<store> opened,
                                             std::function<std::uint64_t()> file_bytes);

}  // namespace troupe::storage
