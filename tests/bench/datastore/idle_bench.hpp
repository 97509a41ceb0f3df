// What an idle cluster costs the disk, and what a long life does to the files. Each prints a table on standard error
// and answers its part of the bench's JSON document.
#pragma once
#include <string>

namespace troupe::bench {

/// 100 nodes for ten minutes of virtual time: a Lease every 10 s each, a status heartbeat every 5 min each, an event every
/// 30 s. Syncs and bytes of SQLite with relaxed writes, without, and of kine's statements.
std::string run_idle100(const std::string& folder);
/// `updates` over 10,000 keys, letting go all but the newest thousand or two revisions, on SQLite and on RocksDB: file size against live
/// data, longest commit, time to open again.
std::string run_long_life(const std::string& folder, long updates);

}  // namespace troupe::bench
