// The embedded engine: one SQLite file, one writer thread, nothing acknowledged before it is synced (but relaxed
// writes, docs/decisions/117).
//
// Format 1 (docs/decisions/101): application_id 'TRPE', user_version 1, 4 KiB pages, write-ahead
// log, synchronous FULL; an append-only table `log`, a checksum per record; the key index is kept
// in memory and rebuilt at open; values are not kept in memory.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "storage/embedded/engine.hpp"

namespace troupe::storage {

/// `path` is the database file; beside it SQLite keeps `<path>-wal`.
struct sqlite_config : embedded_config {
  std::string vfs;             ///< Name of a registered SQLite VFS; empty = the system's. Tests break disks with it.
};

/// Opens the file, or makes it (mode 0600) when there is none; the folder must exist.
/// A refused open changes nothing on disk and says which file, what happened and what to do:
/// `corrupt` (truncated, noise, a failed checksum), `unsupported` (another application's file or a newer
/// format), `forbidden` (no right to write there), `not_found` (no such folder), `already_exists` (another
/// process holds it), `internal`. Completions run on the engine's own thread. Opening a copy made by
/// backup() raises head and floor by `restore_margin_revisions`.
result<std::unique_ptr<engine>> open_sqlite(const sqlite_config& config);

}  // namespace troupe::storage
