#include "tests/bench/datastore/counting_vfs.hpp"

#include <sqlite3.h>

#include <atomic>
#include <cstdlib>

namespace troupe::bench {
namespace {
std::atomic<std::uint64_t> bytes_written, writes_made, syncs_made;
sqlite3_vfs* real_vfs = nullptr;

struct wrapped {
  sqlite3_file head;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
sqlite3_file* real_of(sqlite3_file* file) { return reinterpret_cast<wrapped*>(file)->real(); }
const sqlite3_io_methods& of(sqlite3_file* file) { return *real_of(file)->pMethods; }

int close_file(sqlite3_file* f) { return of(f).xClose(real_of(f)); }
int read_at(sqlite3_file* f, void* to, int size, sqlite3_int64 at) { return of(f).xRead(real_of(f), to, size, at); }
int write_at(sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
  bytes_written += static_cast<std::uint64_t>(size);
  ++writes_made;
  return of(f).xWrite(real_of(f), from, size, at);
}
int truncate(sqlite3_file* f, sqlite3_int64 size) { return of(f).xTruncate(real_of(f), size); }
int sync_file(sqlite3_file* f, int flags) {
  ++syncs_made;
  return of(f).xSync(real_of(f), flags);
}
int size_of(sqlite3_file* f, sqlite3_int64* size) { return of(f).xFileSize(real_of(f), size); }
int lock(sqlite3_file* f, int kind) { return of(f).xLock(real_of(f), kind); }
int unlock(sqlite3_file* f, int kind) { return of(f).xUnlock(real_of(f), kind); }
int check(sqlite3_file* f, int* held) { return of(f).xCheckReservedLock(real_of(f), held); }
int control(sqlite3_file* f, int what, void* with) { return of(f).xFileControl(real_of(f), what, with); }
int sector(sqlite3_file* f) { return of(f).xSectorSize(real_of(f)); }
int traits(sqlite3_file* f) { return of(f).xDeviceCharacteristics(real_of(f)); }
int shm_map(sqlite3_file* f, int at, int size, int extend, void volatile** out) {
  return of(f).xShmMap(real_of(f), at, size, extend, out);
}
int shm_lock(sqlite3_file* f, int at, int count, int flags) { return of(f).xShmLock(real_of(f), at, count, flags); }
void shm_barrier(sqlite3_file* f) { of(f).xShmBarrier(real_of(f)); }
int shm_unmap(sqlite3_file* f, int remove) { return of(f).xShmUnmap(real_of(f), remove); }

const sqlite3_io_methods methods = {2,    close_file, read_at, write_at, truncate, sync_file, size_of,     lock,      unlock, check,
                                    control, sector,  traits,  shm_map,  shm_lock, shm_barrier, shm_unmap, nullptr, nullptr};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  file->pMethods = nullptr;
  const int code = real_vfs->xOpen(real_vfs, name, real_of(file), flags, out);
  if (code == SQLITE_OK) file->pMethods = &methods;
  return code;
}
sqlite3_vfs counting;
}  // namespace

counting_vfs::counting_vfs() {
  real_vfs = sqlite3_vfs_find("unix");
  counting = *real_vfs;
  counting.pNext = nullptr;
  counting.zName = "counting";
  counting.szOsFile = static_cast<int>(sizeof(wrapped)) + real_vfs->szOsFile;
  counting.xOpen = open_file;
  if (sqlite3_vfs_register(&counting, 1) != SQLITE_OK) std::abort();
}
counting_vfs::~counting_vfs() {
  sqlite3_vfs_unregister(&counting);
  sqlite3_vfs_register(real_vfs, 1);
}
disk_counts counting_vfs::take() { return {bytes_written.exchange(0), writes_made.exchange(0), syncs_made.exchange(0)}; }

}  // namespace troupe::bench
