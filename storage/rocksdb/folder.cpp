#include "storage/rocksdb/folder.hpp"
#include "storage/embedded/file_error.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace troupe::storage {
namespace {
namespace fs = std::filesystem;
constexpr const char* identity_name = "/TROUPE";
constexpr const char* copy_name = "/TROUPE-COPY";
constexpr std::string_view identity_word = "troupe rocksdb format ";

result<void> sync_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return system_error(errno, path, "opening it for a sync");
  const int said = ::fsync(fd), why = errno;
  ::close(fd);
  return said == 0 ? result<void>() : system_error(why, path, "syncing it");
}

result<void> write_small(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return system_error(errno, path, "making it");
  const bool fine = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  const int why = errno;
  ::close(fd);
  return fine ? result<void>() : system_error(why, path, "writing it");
}

result<void> check_identity(const std::string& path) {
  std::ifstream file(path + identity_name, std::ios::binary);
  std::string line;
  std::getline(file, line);
  if (!line.starts_with(identity_word))
    return fail(errc::corrupt, path + identity_name + " does not say what it should: it was overwritten; restore a backup "
                                                      "of the folder, or move it away to begin empty; nothing was changed");
  const int format = std::atoi(line.c_str() + identity_word.size());
  if (format > rocksdb_format_version)
    return fail(errc::unsupported, path + " has format " + std::to_string(format) + ", this build knows up to " +
                                       std::to_string(rocksdb_format_version) +
                                       "; start the newer build again, nothing was changed");
  return {};
}
}  // namespace

result<folder_state> inspect_folder(const std::string& path) {
  struct stat seen {};
  if (::stat(path.c_str(), &seen) != 0)
    return errno == ENOENT ? result<folder_state>(folder_state::absent) : system_error(errno, path, "looking at it");
  if (!S_ISDIR(seen.st_mode)) return fail(errc::unsupported, path + " is not a folder; name another path");
  if (::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0)
    return system_error(errno, path, "asking for the right to write");
  std::error_code wrong;
  bool identity = false, others = false;
  for (fs::directory_iterator at(path, wrong), end; !wrong && at != end; at.increment(wrong)) {
    const auto name = at->path().filename().string();
    (name == identity_name + 1 ? identity : others) = true;
  }
  if (wrong) return system_error(wrong.value(), path, "looking into it");
  if (!identity && others)
    return fail(errc::unsupported, path + " belongs to another application; name another path, nothing was changed");
  if (!identity) return folder_state::empty;
  if (auto ok = check_identity(path); !ok) return ok.why();
  return folder_state::ours;
}

result<void> claim_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_error(errno, path, "making it");
  const auto text = std::string(identity_word) + std::to_string(rocksdb_format_version) + "\n";
  if (auto ok = write_small(path + identity_name, text); !ok) return ok;
  if (auto ok = sync_folder(path); !ok) return ok;
  return sync_above(path);
}

result<void> sync_above(const std::string& path) {
  const auto above = fs::path(path).parent_path().string();
  return sync_folder(above.empty() ? "." : above);
}

bool is_marked_copy(const std::string& path) { return ::access((path + copy_name).c_str(), F_OK) == 0; }

result<void> mark_copy(const std::string& path) {
  if (auto ok = write_small(path + copy_name, "This is a backup. Opened, it goes on with higher revisions.\n"); !ok) return ok;
  return sync_folder(path);
}

result<void> unmark_copy(const std::string& path) {
  if (::unlink((path + copy_name).c_str()) != 0 && errno != ENOENT)
    return system_error(errno, path, "taking the mark of a copy away");
  return sync_folder(path);
}

std::uint64_t folder_bytes(const std::string& path) {
  std::uint64_t out = 0;
  std::error_code wrong;
  for (fs::directory_iterator at(path, wrong), end; !wrong && at != end; at.increment(wrong)) {
    std::error_code ignored;
    const auto size = at->file_size(ignored);
    if (!ignored) out += size;
  }
  return out;
}

}  // namespace troupe::storage
