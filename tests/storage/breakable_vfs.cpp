#include "tests/storage/breakable_vfs.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <memory>

#include "tests/storage/rig.hpp"

namespace troupe::storage::testing {
namespace {

struct wrapped_file {
  sqlite3_file head;
  std::string* name;  ///< Null for files without one.
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
wrapped_file* of(sqlite3_file* file) { return reinterpret_cast<wrapped_file*>(file); }
sqlite3_vfs* system_vfs() { return sqlite3_vfs_find("unix"); }

int close_file(sqlite3_file* file) {
  const std::unique_ptr<std::string> name(std::exchange(of(file)->name, nullptr));
  return of(file)->real()->pMethods->xClose(of(file)->real());
}
int read_file_at(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
  return of(file)->real()->pMethods->xRead(of(file)->real(), to, size, at);
}
int write_file_at(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
  const int code = breakable_disk::get().written(
      *of(file)->name, {at, std::string(static_cast<const char*>(from), static_cast<std::size_t>(size)), false});
  return code != SQLITE_OK ? code : of(file)->real()->pMethods->xWrite(of(file)->real(), from, size, at);
}
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  const int code = breakable_disk::get().written(*of(file)->name, {size, {}, true});
  return code != SQLITE_OK ? code : of(file)->real()->pMethods->xTruncate(of(file)->real(), size);
}
int sync_file(sqlite3_file* file, int) { return breakable_disk::get().synced(*of(file)->name); }
int size_file(sqlite3_file* file, sqlite3_int64* size) {
  return of(file)->real()->pMethods->xFileSize(of(file)->real(), size);
}
int lock_file(sqlite3_file* file, int kind) { return of(file)->real()->pMethods->xLock(of(file)->real(), kind); }
int unlock_file(sqlite3_file* file, int kind) { return of(file)->real()->pMethods->xUnlock(of(file)->real(), kind); }
int check_lock(sqlite3_file* file, int* held) {
  return of(file)->real()->pMethods->xCheckReservedLock(of(file)->real(), held);
}
int control_file(sqlite3_file* file, int what, void* with) {
  return of(file)->real()->pMethods->xFileControl(of(file)->real(), what, with);
}
int sector_size(sqlite3_file* file) { return of(file)->real()->pMethods->xSectorSize(of(file)->real()); }
int traits(sqlite3_file* file) { return of(file)->real()->pMethods->xDeviceCharacteristics(of(file)->real()); }

const sqlite3_io_methods methods = {1,          close_file,    read_file_at, write_file_at, truncate_file,
                                    sync_file,  size_file,     lock_file,    unlock_file,   check_lock,
                                    control_file, sector_size, traits,       nullptr,       nullptr,
                                    nullptr,    nullptr,       nullptr,      nullptr};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  const int code = system_vfs()->xOpen(system_vfs(), name, of(file)->real(), flags, out_flags);
  if (code != SQLITE_OK) return code;
  of(file)->name = std::make_unique<std::string>(name != nullptr ? name : "").release();
  breakable_disk::get().opened(*of(file)->name);
  file->pMethods = &methods;
  return SQLITE_OK;
}
int delete_file(sqlite3_vfs*, const char* name, int sync_folder) {
  if (breakable_disk::get().is_cut()) return SQLITE_IOERR_DELETE;
  breakable_disk::get().removed(name);
  return system_vfs()->xDelete(system_vfs(), name, sync_folder);
}
int access_file(sqlite3_vfs*, const char* name, int flags, int* out) {
  return system_vfs()->xAccess(system_vfs(), name, flags, out);
}
int full_name(sqlite3_vfs*, const char* name, int size, char* out) {
  return system_vfs()->xFullPathname(system_vfs(), name, size, out);
}

sqlite3_vfs make_vfs() {
  sqlite3_vfs out = *system_vfs();
  out.iVersion = 1;
  out.pNext = nullptr;
  out.zName = breakable_disk::vfs_name;
  out.szOsFile = static_cast<int>(sizeof(wrapped_file)) + system_vfs()->szOsFile;
  out.xOpen = open_file;
  out.xDelete = delete_file;
  out.xAccess = access_file;
  out.xFullPathname = full_name;
  return out;
}
}  // namespace

breakable_disk& breakable_disk::get() {
  static breakable_disk disk;
  static sqlite3_vfs vfs = make_vfs();
  static const int registered = sqlite3_vfs_register(&vfs, 0);
  CHECK_THAT(registered == SQLITE_OK);
  return disk;
}

void breakable_disk::restart() {
  const std::lock_guard hold(mutex_);
  files_.clear();
  survivors_.clear();
  calls_ = syncs_ = cut_at_ = 0;
  cut_ = full_ = false;
  failing_tail_.clear();
}

void breakable_disk::cut_power_after(std::uint64_t calls, rng chance) {
  const std::lock_guard hold(mutex_);
  cut_at_ = calls_ + calls;
  chance_ = chance;
}

void breakable_disk::settle() {
  std::map<std::string, std::string> survivors;
  {
    const std::lock_guard hold(mutex_);
    survivors.swap(survivors_);
  }
  for (const auto& [name, content] : survivors) write_file(name, content);
  restart();
}

bool breakable_disk::is_cut() {
  const std::lock_guard hold(mutex_);
  return cut_;
}
void breakable_disk::fill_up(bool full) {
  const std::lock_guard hold(mutex_);
  full_ = full;
}
void breakable_disk::fail_syncs(std::string tail) {
  const std::lock_guard hold(mutex_);
  failing_tail_ = std::move(tail);
}
std::uint64_t breakable_disk::calls() {
  const std::lock_guard hold(mutex_);
  return calls_;
}

std::uint64_t breakable_disk::syncs() {
  const std::lock_guard hold(mutex_);
  return syncs_;
}

void breakable_disk::opened(const std::string& name) {
  const std::lock_guard hold(mutex_);
  if (!files_.contains(name)) files_[name].synced = read_file(name);
}
void breakable_disk::removed(const std::string& name) {
  const std::lock_guard hold(mutex_);
  files_.erase(name);
}

void breakable_disk::apply(std::string& to, const event& what) {
  const auto offset = static_cast<std::size_t>(what.offset);
  if (what.truncation) return to.resize(offset);
  if (to.size() < offset + what.data.size()) to.resize(offset + what.data.size());
  to.replace(offset, what.data.size(), what.data);
}

int breakable_disk::tick() {
  if (!cut_ && ++calls_ == cut_at_) {
    cut_ = true;
    for (auto& [name, file] : files_) {
      auto& content = survivors_[name] = file.synced;
      for (const auto& one : file.since)
        if (chance_.chance(50)) apply(content, one);
    }
  }
  return cut_ ? SQLITE_IOERR : SQLITE_OK;
}

constexpr std::size_t page = 4096;

int breakable_disk::written(const std::string& name, event what) {
  // However much is given at once, the kernel writes it back page by page.
  const std::lock_guard hold(mutex_);
  auto& since = files_[name].since;
  do {
    if (tick() != SQLITE_OK) return SQLITE_IOERR_WRITE;
    if (full_) return SQLITE_FULL;
    const auto n = std::min<std::size_t>(what.data.size(), page - static_cast<std::size_t>(what.offset) % page);
    since.push_back({what.offset, what.data.substr(0, n), what.truncation});
    what.offset += static_cast<std::int64_t>(n);
    what.data.erase(0, n);
  } while (!what.data.empty());
  return SQLITE_OK;
}

int breakable_disk::synced(const std::string& name) {
  const std::lock_guard hold(mutex_);
  if (tick() != SQLITE_OK || (!failing_tail_.empty() && name.ends_with(failing_tail_))) return SQLITE_IOERR_FSYNC;
  ++syncs_;
  image& file = files_[name];
  for (const auto& one : file.since) apply(file.synced, one);
  file.since.clear();
  return SQLITE_OK;
}

}  // namespace troupe::storage::testing
