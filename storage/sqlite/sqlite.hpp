// The embedded engine: one SQLite file, one writer thread, nothing acknowledged before it is synced.
//
// Format 1 (docs/decisions/101): application_id 'TRPE', user_version 1, 4 KiB pages, write-ahead
// log, synchronous FULL; an append-only table `log`, a checksum per record; the key index is kept
// in memory and rebuilt at open; values are not kept in memory.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "basis/clock.hpp"
#include "storage/engine.hpp"
#include "storage/log/compaction.hpp"

namespace troupe::storage {

struct sqlite_config {
  std::string path;            ///< The database file; beside it SQLite keeps `<path>-wal`.
  retention kept;
  std::size_t in_flight_operations_max = 4'096;          ///< Beyond it: overloaded.
  std::size_t in_flight_bytes_max = 16 * 1024 * 1024;    ///< Beyond it: overloaded, unless nothing is in flight.
  duration idle_wait = 200ms;  ///< How long the thread is idle before it purges and shrinks the file.
  std::string vfs;             ///< Name of a registered SQLite VFS; empty = the system's. Tests break disks with it.
  std::function<mono_time()> now;  ///< For the sync times in status(); without it they are 0. Any thread.
};

/// What is wrong with `config`, one sentence each; empty when it will do.
std::vector<std::string> problems(const sqlite_config& config);

/// Opens the file, or makes it (mode 0600) when there is none; the folder must exist.
/// A refused open changes nothing on disk and says which file, what happened and what to do:
/// `corrupt` (truncated, noise, a failed checksum), `unsupported` (another application's file or a newer
/// format), `forbidden` (no right to write there), `not_found` (no such folder), `already_exists` (another
/// process holds it), `internal`. Completions run on the engine's own thread. Opening a copy made by
/// backup() raises head and floor by `restore_margin_revisions`.
result<std::unique_ptr<engine>> open_sqlite(const sqlite_config& config);

}  // namespace troupe::storage
