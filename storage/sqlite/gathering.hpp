// A VFS between SQLite and the real one that writes a transaction's pages into the write-ahead log with one call.
//
// SQLite writes each page of a log in two pieces, its header of 24 bytes and the page, each with a system call of its own: a
// hundred records that are committed together are some hundred calls. Here pieces that follow each other wait in memory until
// the commit's last page, a sync, a read or `gathered_max` bytes; what reaches the disk, and in which order around a sync, is
// the same. An error is told by the call that writes, which is one of the same commit.
//
// Only for a connection that has its log for itself (locking_mode=EXCLUSIVE): another's reads would not see what waits.
// The log's format: sqlite.org/fileformat2.html, section 4.
#pragma once
#include <cstddef>
#include <string>

namespace troupe::storage {

/// Bytes that wait at most; the buffer stays as long as the log is open. SQLite's own VFS moves less than 128 KiB with one call: of exactly
/// so many it moves none.
constexpr std::size_t gathered_max = 124 * 1024;

/// The name of the VFS that gathers before `under` (empty: the system's), registered by the first who asks and never removed.
/// Empty when SQLite knows no such VFS. Any thread.
std::string gathering_vfs(const std::string& under);

}  // namespace troupe::storage
