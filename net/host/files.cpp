#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "net/host/real.hpp"
#include "net/host/trees.hpp"

namespace troupe::net::real {
namespace {

constexpr std::size_t file_bytes_max = 256 * 1024 * 1024;

error file_error(const std::string& doing, const std::string& path) {
  const int number = errno;
  auto code = errc::internal;
  if (number == ENOENT || number == ENOTDIR) code = errc::not_found;
  if (number == EACCES || number == EPERM || number == EROFS) code = errc::forbidden;
  if (number == EEXIST) code = errc::already_exists;
  return fail(code, doing + " " + path + ": " + std::strerror(number));
}

struct descriptor {
  explicit descriptor(int n) : number(n) {}
  ~descriptor() { if (number >= 0) ::close(number); }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  int number;
};

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

result<void> make_folders(const std::string& path, unsigned mode) {
  if (path.empty() || path == "/" || path == ".") return {};
  struct stat seen {};
  if (::stat(path.c_str(), &seen) == 0) {
    if (S_ISDIR(seen.st_mode)) return {};
    return fail(errc::already_exists, path + " is there and is no folder");
  }
  if (auto above = make_folders(folder_of(path), mode); !above) return above;
  if (::mkdir(path.c_str(), static_cast<mode_t>(mode)) != 0 && errno != EEXIST)
    return file_error("making folder", path);
  return {};
}

void sync_folder(const std::string& path) {
  const descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.number >= 0) ::fsync(folder.number);
}

/// Writes a synced temporary file beside `path` and answers its name.
result<std::string> write_beside(const std::string& path, std::string_view text, unsigned mode) {
  static std::atomic<unsigned> counter{0};
  const std::string name = path + ".tmp" + std::to_string(::getpid()) + "-" + std::to_string(++counter);
  const descriptor file(::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, static_cast<mode_t>(mode)));
  if (file.number < 0) return file_error("creating", name);
  const auto undo = [&name](error why) {
    ::unlink(name.c_str());
    return why;
  };
  if (::fchmod(file.number, static_cast<mode_t>(mode)) != 0) return undo(file_error("setting the mode of", name));
  while (!text.empty()) {
    const ssize_t n = ::write(file.number, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return undo(file_error("writing", name));
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(file.number) != 0) return undo(file_error("syncing", name));
  return name;
}

class real_files final : public files {
 public:
  result<std::string> read(const std::string& path) const override {
    const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.number < 0) return file_error("reading", path);
    std::string out;
    char piece[16 * 1024];
    for (;;) {
      const ssize_t n = ::read(file.number, piece, sizeof piece);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return file_error("reading", path);
      if (n == 0) return out;
      if (out.size() + static_cast<std::size_t>(n) > file_bytes_max) return fail(errc::too_large, path + " is too large");
      out.append(piece, static_cast<std::size_t>(n));
    }
  }

  result<void> write(const std::string& path, std::string_view text, unsigned mode) override {
    if (auto made = make_folders(folder_of(path), 0700); !made) return made;
    auto beside = write_beside(path, text, mode);
    if (!beside) return beside.why();
    if (::rename(beside->c_str(), path.c_str()) != 0) {
      auto why = file_error("replacing", path);
      ::unlink(beside->c_str());
      return why;
    }
    sync_folder(folder_of(path));
    return {};
  }

  result<std::string> read_at(const std::string& path, std::uint64_t offset, std::size_t bytes_max) const override {
    const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.number < 0) return file_error("reading", path);
    std::string out(bytes_max, '\0');
    ssize_t n = 0;
    do n = ::pread(file.number, out.data(), out.size(), static_cast<off_t>(offset));
    while (n < 0 && errno == EINTR);
    if (n < 0) return file_error("reading", path);
    out.resize(static_cast<std::size_t>(n));
    return out;
  }
  result<std::uint64_t> size(const std::string& path) const override {
    struct stat seen {};
    if (::stat(path.c_str(), &seen) != 0) return file_error("looking at", path);
    return static_cast<std::uint64_t>(seen.st_size);
  }

  result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      if (errno == ENOTEMPTY) errno = EEXIST;
      return file_error("renaming to " + to + ":", from);
    }
    sync_folder(folder_of(to));
    return {};
  }

  result<duration> measure_sync(const std::string& folder) override {
    const auto path = folder + "/sync-probe.tmp" + std::to_string(::getpid());
    const descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (file.number < 0) return file_error("creating", path);
    const std::string piece(4096, 'x');
    std::vector<duration> took;
    for (int i = 0; i < 100; ++i) {
      const auto from = std::chrono::steady_clock::now();
      if (::write(file.number, piece.data(), piece.size()) < 0 || ::fdatasync(file.number) != 0) {
        auto why = file_error("syncing", path);
        ::unlink(path.c_str());
        return why;
      }
      took.push_back(std::chrono::steady_clock::now() - from);
    }
    ::unlink(path.c_str());
    std::sort(took.begin(), took.end());
    return took[98];
  }

  result<wall_time> written_at(const std::string& path) const override {
    struct stat seen {};
    if (::stat(path.c_str(), &seen) != 0) return file_error("looking at", path);
    return wall_time(std::chrono::seconds(seen.st_mtim.tv_sec) + std::chrono::nanoseconds(seen.st_mtim.tv_nsec));
  }

  result<void> create(const std::string& path, std::string_view text, unsigned mode) override {
    if (auto made = make_folders(folder_of(path), 0700); !made) return made;
    auto beside = write_beside(path, text, mode);
    if (!beside) return beside.why();
    // A hard link appears whole or not at all, and never over a file that is there.
    const bool done = ::link(beside->c_str(), path.c_str()) == 0;
    auto why = done ? error{} : file_error("creating", path);
    ::unlink(beside->c_str());
    if (!done) return why;
    sync_folder(folder_of(path));
    return {};
  }

  result<void> remove(const std::string& path) override {
    if (::remove(path.c_str()) != 0 && errno != ENOENT) return file_error("removing", path);
    return {};
  }
  bool exists(const std::string& path) const override { return ::access(path.c_str(), F_OK) == 0; }
  result<void> make_folder(const std::string& path, unsigned mode) override {
    const bool fresh = !exists(path);
    if (auto made = make_folders(path, mode); !made) return made;
    // What others may write into is asked for in so many words: the process's mask does not narrow it.
    if (fresh && (mode & 022) && ::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0) return file_error("setting the mode of", path);
    return {};
  }

  result<void> link(const std::string& target, const std::string& path) override {
    if (auto made = make_folders(folder_of(path), 0700); !made) return made;
    const std::string beside = path + ".tmp" + std::to_string(::getpid());
    ::unlink(beside.c_str());
    if (::symlink(target.c_str(), beside.c_str()) != 0) return file_error("linking", path);
    if (::rename(beside.c_str(), path.c_str()) != 0) {
      auto why = file_error("replacing", path);
      ::unlink(beside.c_str());
      return why;
    }
    return {};
  }

  result<std::vector<file_entry>> list(const std::string& folder) const override { return trees::list_folder(folder); }
  result<void> remove_tree(const std::string& path) override { return trees::remove_tree(path); }
  result<void> copy(const std::string& from, const std::string& to) override { return trees::copy_tree(from, to); }
  result<std::string> sha256(const std::string& path) const override { return trees::digest_tree(path); }
  bool in_use(const std::string& path) const override { return trees::is_locked(path); }
};

}  // namespace

std::unique_ptr<files> make_files() { return std::make_unique<real_files>(); }

}  // namespace troupe::net::real
