#include "storage/sqlite/gathering.hpp"

#include <sqlite3.h>

#include <memory>
#include <new>
#include <string_view>
#include <utility>

namespace troupe::storage {
namespace {
constexpr int frame_head_bytes = 24;

/// A log's file. The real one's lies behind it in the memory that SQLite gave.
struct gathered {
  sqlite3_file head;
  std::string waits;
  sqlite3_int64 at = 0;         ///< Where `waits` belongs.
  bool ends_commit = false;     ///< The page that comes is a commit's last.

  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  const sqlite3_io_methods& real_calls() { return *real()->pMethods; }
  int flush() {
    if (waits.empty()) return SQLITE_OK;
    const int code = real_calls().xWrite(real(), waits.data(), static_cast<int>(waits.size()), at);
    waits.clear();   // after a failure too: the commit fails with it, and SQLite writes over it
    return code;
  }
};
gathered& of(sqlite3_file* file) { return *reinterpret_cast<gathered*>(file); }

/// A frame's header names the size of the database behind the commit, and 0 in every frame but a commit's last.
bool is_commit_head(std::string_view piece) {
  return piece.size() == frame_head_bytes && piece.substr(4, 4) != std::string_view("\0\0\0\0", 4);
}

int close_file(sqlite3_file* f) {
  auto& me = of(f);
  const int flushed = me.flush(), closed = me.real_calls().xClose(me.real());
  me.~gathered();
  return flushed != SQLITE_OK ? flushed : closed;
}
int write_at(sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
  auto& me = of(f);
  const std::string_view piece(static_cast<const char*>(from), static_cast<std::size_t>(size));
  const bool follows = at == me.at + static_cast<sqlite3_int64>(me.waits.size()) && me.waits.size() + piece.size() <= gathered_max;
  if (!follows)
    if (const int code = me.flush(); code != SQLITE_OK) return code;
  if (me.waits.empty()) me.at = at;
  me.waits.append(piece);
  const bool last = std::exchange(me.ends_commit, is_commit_head(piece));
  return last ? me.flush() : SQLITE_OK;
}
int read_at(sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
  auto& me = of(f);
  const int code = me.flush();
  return code != SQLITE_OK ? code : me.real_calls().xRead(me.real(), to, size, at);
}
int truncate(sqlite3_file* f, sqlite3_int64 size) {
  auto& me = of(f);
  const int code = me.flush();
  return code != SQLITE_OK ? code : me.real_calls().xTruncate(me.real(), size);
}
int sync_file(sqlite3_file* f, int flags) {
  auto& me = of(f);
  const int code = me.flush();
  return code != SQLITE_OK ? code : me.real_calls().xSync(me.real(), flags);
}
int size_of(sqlite3_file* f, sqlite3_int64* size) {
  auto& me = of(f);
  const int code = me.flush();
  return code != SQLITE_OK ? code : me.real_calls().xFileSize(me.real(), size);
}
int lock(sqlite3_file* f, int kind) { return of(f).real_calls().xLock(of(f).real(), kind); }
int unlock(sqlite3_file* f, int kind) { return of(f).real_calls().xUnlock(of(f).real(), kind); }
int check(sqlite3_file* f, int* held) { return of(f).real_calls().xCheckReservedLock(of(f).real(), held); }
int control(sqlite3_file* f, int what, void* with) { return of(f).real_calls().xFileControl(of(f).real(), what, with); }
int sector(sqlite3_file* f) { return of(f).real_calls().xSectorSize(of(f).real()); }
int traits(sqlite3_file* f) { return of(f).real_calls().xDeviceCharacteristics(of(f).real()); }

/// Version 1: a log is neither mapped nor shared.
const sqlite3_io_methods calls = {1,    close_file, read_at, write_at, truncate, sync_file, size_of, lock,    unlock,  check,
                                  control, sector,  traits,  nullptr,  nullptr,  nullptr,   nullptr, nullptr, nullptr};

struct gathering {
  sqlite3_vfs head;
  sqlite3_vfs* under;
  std::string name;
};
int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* under = reinterpret_cast<gathering*>(vfs)->under;
  if ((flags & SQLITE_OPEN_WAL) == 0) return under->xOpen(under, name, file, flags, out);
  auto* made = new (file) gathered();   // in the memory that SQLite gave; close_file ends it
  made->real()->pMethods = nullptr;
  const int code = under->xOpen(under, name, made->real(), flags, out);
  made->head.pMethods = made->real()->pMethods != nullptr ? &calls : nullptr;   // with methods SQLite closes it, failed or not
  if (made->head.pMethods == nullptr) made->~gathered();
  return code;
}
}  // namespace

std::string gathering_vfs(const std::string& under) {
  auto* real = sqlite3_vfs_find(under.empty() ? nullptr : under.c_str());
  if (real == nullptr) return {};
  auto name = std::string("troupe-gathering-").append(real->zName);
  auto* mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);
  sqlite3_mutex_enter(mutex);
  if (sqlite3_vfs_find(name.c_str()) == nullptr) {
    auto made = std::make_unique<gathering>();
    made->head = *real;
    made->under = real;
    made->name = name;
    made->head.pNext = nullptr;
    made->head.zName = made->name.c_str();
    made->head.szOsFile = static_cast<int>(sizeof(gathered)) + real->szOsFile;
    made->head.xOpen = open_file;
    if (sqlite3_vfs_register(&made->head, 0) == SQLITE_OK) made.release();   // SQLite's own for as long as the process lives
    else name.clear();
  }
  sqlite3_mutex_leave(mutex);
  return name;
}

}  // namespace troupe::storage
