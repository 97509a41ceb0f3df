#include "storage/sqlite/format.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <vector>

#include "storage/sqlite/table.hpp"
#include "storage/embedded/file_error.hpp"

namespace troupe::storage {
namespace {
constexpr const char* advice = "restore a backup over it, or move it away to begin empty; nothing was changed";

class descriptor {
 public:
  explicit descriptor(int fd) : fd_(fd) {}
  descriptor(const descriptor&) = delete;
  ~descriptor() { if (fd_ >= 0) ::close(fd_); }
  int get() const { return fd_; }
 private:
  int fd_;
};

struct header {
  std::array<unsigned char, 100> raw{};
  std::int64_t file_bytes = 0;
  std::uint32_t big_endian(std::size_t at) const {
    return static_cast<std::uint32_t>(raw[at]) << 24 | static_cast<std::uint32_t>(raw[at + 1]) << 16 |
           static_cast<std::uint32_t>(raw[at + 2]) << 8 | raw[at + 3];
  }
};

/// Through the VFS: a plain open and close would drop every lock this process has on the file.
result<header> read_header(const std::string& path, const std::string& vfs) {
  sqlite3_vfs* system = sqlite3_vfs_find(vfs.empty() ? nullptr : vfs.c_str());
  if (system == nullptr) return fail(errc::invalid, "no SQLite VFS is called " + vfs);
  std::vector<std::max_align_t> room(static_cast<std::size_t>(system->szOsFile) / sizeof(std::max_align_t) + 1);
  auto* file = reinterpret_cast<sqlite3_file*>(room.data());
  const std::unique_ptr<const char, void (*)(const char*)> name(
      sqlite3_create_filename(path.c_str(), "", "", 0, nullptr),
      [](const char* which) { sqlite3_free_filename(const_cast<char*>(which)); });
  int code = system->xOpen(system, name.get(), file, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, nullptr);
  header out;
  if (code == SQLITE_OK) {
    sqlite3_int64 size = 0;
    code = file->pMethods->xFileSize(file, &size);
    out.file_bytes = size;
    if (code == SQLITE_OK) code = file->pMethods->xRead(file, out.raw.data(), static_cast<int>(out.raw.size()), 0);
    if (code == SQLITE_IOERR_SHORT_READ) code = SQLITE_OK;  // The rest is zero, and will be refused as such.
  }
  if (file->pMethods != nullptr) file->pMethods->xClose(file);
  if (code != SQLITE_OK) return sqlite_error(code, path, "reading its header");
  return out;
}
}  // namespace

result<presence> inspect_file(const std::string& path, const std::string& vfs) {
  struct stat seen {};
  if (::stat(path.c_str(), &seen) != 0)
    return errno == ENOENT ? result<presence>(presence::absent) : system_error(errno, path, "looking at it");
  if (!S_ISREG(seen.st_mode)) return fail(errc::unsupported, path + " is not a file; name another path");
  const auto read = read_header(path, vfs);
  if (!read) return read.why();
  const header& head = *read;
  if (head.file_bytes < page_bytes)
    return fail(errc::corrupt, path + " is truncated to " + std::to_string(head.file_bytes) + " bytes; " + advice);
  if (std::memcmp(head.raw.data(), "SQLite format 3", 16) != 0)
    return fail(errc::corrupt, path + " does not begin like a database: it was overwritten; " + advice);
  if (head.big_endian(68) != static_cast<std::uint32_t>(application_id))
    return fail(errc::unsupported, path + " belongs to another application; name another path, nothing was changed");
  if (head.big_endian(60) > static_cast<std::uint32_t>(format_version))
    return fail(errc::unsupported, path + " has format " + std::to_string(head.big_endian(60)) +
                                       ", this build knows up to " + std::to_string(format_version) +
                                       "; start the newer build again, nothing was changed");
  if (head.big_endian(60) == 0 || (head.raw[16] << 8 | head.raw[17]) != page_bytes)
    return fail(errc::corrupt, path + " has a header that no build of ours writes; " + advice);
  // While a write-ahead log waits, the header may be ahead of the file: a checkpoint was cut short.
  struct stat waiting {};
  const bool has_log = ::stat((path + "-wal").c_str(), &waiting) == 0 && waiting.st_size > 0;
  if (!has_log && head.file_bytes / page_bytes < static_cast<std::int64_t>(head.big_endian(28)))
    return fail(errc::corrupt, path + " is truncated: it has " + std::to_string(head.file_bytes / page_bytes) + " of " +
                                   std::to_string(head.big_endian(28)) + " pages; " + advice);
  const auto folder = path.substr(0, path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/') + 1);
  for (const auto& needed : {path, folder.empty() ? std::string(".") : folder})
    if (::faccessat(AT_FDCWD, needed.c_str(), W_OK, AT_EACCESS) != 0)
      return system_error(errno, needed, "asking for the right to write");
  return presence::ours;
}

result<void> touch_private(const std::string& path) {
  const descriptor made(::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  if (made.get() < 0) return system_error(errno, path, "making it");
  return {};
}

result<void> sync_path(const std::string& path, bool folder) {
  const auto cut = path.find_last_of('/');
  const auto target = !folder ? path : cut == std::string::npos ? std::string(".") : path.substr(0, cut + 1);
  const descriptor opened(::open(target.c_str(), folder ? O_RDONLY | O_DIRECTORY | O_CLOEXEC : O_RDWR | O_CLOEXEC));
  if (opened.get() < 0) return system_error(errno, target, "opening it for a sync");
  if (::fsync(opened.get()) != 0) return system_error(errno, target, "syncing it");
  return {};
}

result<void> create_file(const std::string& path, const std::string& vfs) {
  const auto fresh = path + ".new-" + std::to_string(::getpid());
  ::unlink(fresh.c_str());  // Ours, from a process of the same number that died here.
  if (auto made = touch_private(fresh); !made) return made;
  const auto fill = [&]() -> result<void> {
    auto opened = open_database(fresh, SQLITE_OPEN_READWRITE, vfs);
    if (!opened) return opened.why();
    // One sync at the end does for all of it: nobody knows this file yet.
    const auto sql = "PRAGMA page_size=" + std::to_string(page_bytes) +
                     ";PRAGMA auto_vacuum=INCREMENTAL;PRAGMA locking_mode=EXCLUSIVE;PRAGMA synchronous=OFF;"
                     "PRAGMA journal_mode=MEMORY;PRAGMA application_id=" + std::to_string(application_id) +
                     ";PRAGMA user_version=" + std::to_string(format_version) + ";BEGIN;" + sqlite_table::schema + "COMMIT;";
    if (const int code = run_sql(opened->get(), sql.c_str()); code != SQLITE_OK)
      return sqlite_error(code, fresh, "writing the schema");
    if (auto ok = write_meta(opened->get(), {}); !ok) return ok;
    if (const int code = run_sql(opened->get(), "PRAGMA journal_mode=WAL"); code != SQLITE_OK)
      return sqlite_error(code, fresh, "switching to a write-ahead log");
    return {};
  };
  auto done = fill();
  if (done) done = sync_path(fresh, false);
  if (done && ::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0)
    done = system_error(errno, path, "moving the new file into place");
  if (done) return sync_path(path, true);
  for (const char* tail : {"", "-wal", "-journal", "-shm"}) ::unlink((fresh + tail).c_str());
  return done;
}

}  // namespace troupe::storage
