// storage_writer KIND PATH FIRST [mixed]: keeps 32 creations in flight until it is killed, and says on standard output
// which were acknowledged. A program of its own, because a fork of a process with RocksDB's threads has none of them.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "storage/rocksdb/rocksdb.hpp"
#include "storage/sqlite/sqlite.hpp"
#include "tests/storage/embedded/writer.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;

namespace {
std::unique_ptr<engine> open(const std::string& kind, const std::string& path) {
  sqlite_config sqlite;
  rocksdb_config rocksdb;
  for (embedded_config* one : {static_cast<embedded_config*>(&sqlite), static_cast<embedded_config*>(&rocksdb)}) {
    one->path = path;
    one->now = [] { return std::chrono::steady_clock::now(); };
    one->relaxed_delay = 20ms;
  }
  rocksdb.write_buffer_bytes = 64 * 1024;  // So that tables are written while we die.
  auto opened = kind == "sqlite" ? open_sqlite(sqlite) : open_rocksdb(rocksdb);
  if (opened) return std::move(*opened);
  (void)!::write(2, opened.why().note.data(), opened.why().note.size());
  return nullptr;
}
}  // namespace

int main(int count, char** words) {
  if (count < 4) return 2;
  auto opened = open(words[1], words[2]);
  if (opened == nullptr) return 1;
  const bool mixed = count > 4 && std::strcmp(words[4], "mixed") == 0;
  steady_writer writer(*opened, std::strtoull(words[3], nullptr, 10), [&](std::uint64_t number, revision at) {
    const acknowledgement said{number, at};
    if (::write(1, &said, sizeof said) != sizeof said) ::_exit(3);
  }, mixed);
  for (int i = 0; i < 32; ++i) writer.next();
  for (;;) ::pause();
}
