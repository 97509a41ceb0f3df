#include "net/host/trees.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>

#include "basis/bytes.hpp"
#include "basis/check.hpp"

namespace troupe::net::real::trees {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t piece_bytes = 256 * 1024;

error tree_error(const std::string& doing, const std::string& path, int number) {
  auto code = errc::internal;
  if (number == ENOENT || number == ENOTDIR) code = errc::not_found;
  if (number == EACCES || number == EPERM || number == EROFS) code = errc::forbidden;
  if (number == EEXIST) code = errc::already_exists;
  return fail(code, doing + " " + path + ": " + std::strerror(number));
}

struct open_file {
  open_file(const std::string& path, int how) : number(::open(path.c_str(), how | O_CLOEXEC, 0600)) {}
  ~open_file() { if (number >= 0) ::close(number); }
  open_file(const open_file&) = delete;
  open_file& operator=(const open_file&) = delete;
  int number;
};

result<void> each_piece(const std::string& path, const std::function<result<void>(std::string_view)>& take) {
  const open_file file(path, O_RDONLY);
  if (file.number < 0) return tree_error("reading", path, errno);
  std::string piece(piece_bytes, '\0');
  for (;;) {
    const auto got = ::read(file.number, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tree_error("reading", path, errno);
    if (got == 0) return {};
    if (auto took = take({piece.data(), static_cast<std::size_t>(got)}); !took) return took;
  }
}

class digest {
 public:
  digest() { CHECK_THAT(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1); }
  void add(std::string_view text) { CHECK_THAT(EVP_DigestUpdate(context_.get(), text.data(), text.size()) == 1); }
  std::string finish() {
    std::string out(32, '\0');
    unsigned size = 0;
    CHECK_THAT(EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(out.data()), &size) == 1);
    return out;
  }

 private:
  struct freeing {
    void operator()(EVP_MD_CTX* what) const { EVP_MD_CTX_free(what); }
  };
  std::unique_ptr<EVP_MD_CTX, freeing> context_{EVP_MD_CTX_new()};
};

result<std::string> digest_file(const std::string& path) {
  digest sum;
  auto read = each_piece(path, [&](std::string_view piece) { return sum.add(piece), result<void>(); });
  if (!read) return read.why();
  return sum.finish();
}

/// The files below a folder, by their paths relative to it, sorted.
result<std::vector<std::string>> files_below(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code bad;
  for (fs::recursive_directory_iterator at(folder, bad), end; !bad && at != end; at.increment(bad))
    if (at->symlink_status(bad).type() == fs::file_type::regular) out.push_back(at->path().lexically_relative(folder).string());
  if (bad) return tree_error("reading", folder, bad.value());
  std::sort(out.begin(), out.end());
  return out;
}

result<void> sync_folder(const std::string& path) {
  const open_file folder(path, O_RDONLY | O_DIRECTORY);
  if (folder.number < 0 || ::fsync(folder.number) != 0) return tree_error("syncing", path, errno);
  return {};
}

result<void> copy_file(const std::string& from, const std::string& to) {
  const open_file file(to, O_WRONLY | O_CREAT | O_EXCL);
  if (file.number < 0) return tree_error("creating", to, errno);
  auto done = each_piece(from, [&](std::string_view piece) -> result<void> {
    while (!piece.empty()) {
      const auto put = ::write(file.number, piece.data(), piece.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return tree_error("writing", to, errno);
      piece.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
  });
  if (done && ::fsync(file.number) != 0) done = tree_error("syncing", to, errno);
  return done;
}

result<void> copy_below(const std::string& from, const std::string& to) {
  auto names = files_below(from);
  if (!names) return names.why();
  if (::mkdir(to.c_str(), 0700) != 0) return tree_error("making folder", to, errno);
  for (const auto& name : *names) {
    std::error_code bad;
    fs::create_directories(fs::path(to + "/" + name).parent_path(), bad);
    if (bad) return tree_error("making the folder of", to + "/" + name, bad.value());
    if (auto done = copy_file(from + "/" + name, to + "/" + name); !done) return done;
  }
  return sync_folder(to);
}
}  // namespace

result<std::vector<file_entry>> list_folder(const std::string& folder) {
  std::vector<file_entry> out;
  std::error_code bad;
  for (fs::directory_iterator at(folder, bad), end; !bad && at != end; at.increment(bad)) {
    struct stat seen {};
    if (::lstat(at->path().c_str(), &seen) != 0) continue;   // gone meanwhile
    file_entry one{at->path().filename().string(), static_cast<std::uint64_t>(seen.st_size),
                   wall_time(std::chrono::seconds(seen.st_mtim.tv_sec) + std::chrono::nanoseconds(seen.st_mtim.tv_nsec)), S_ISDIR(seen.st_mode)};
    if (one.folder) {
      one.bytes = 0;
      if (const auto below = files_below(at->path().string()); below.ok())
        for (const auto& name : *below)
          if (::lstat((at->path().string() + "/" + name).c_str(), &seen) == 0) one.bytes += static_cast<std::uint64_t>(seen.st_size);
    }
    out.push_back(std::move(one));
  }
  if (bad) return tree_error("reading", folder, bad.value());
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

result<void> remove_tree(const std::string& path) {
  std::error_code bad;
  fs::remove_all(path, bad);
  if (bad && bad != std::errc::no_such_file_or_directory) return tree_error("removing", path, bad.value());
  return {};
}

result<void> copy_tree(const std::string& from, const std::string& to) {
  struct stat seen {};
  if (::stat(from.c_str(), &seen) != 0) return tree_error("reading", from, errno);
  if (::access(to.c_str(), F_OK) == 0) return tree_error("creating", to, EEXIST);
  auto done = S_ISDIR(seen.st_mode) ? copy_below(from, to) : copy_file(from, to);
  const auto above = fs::path(to).parent_path().string();
  if (done) return sync_folder(above.empty() ? "." : above);
  if (auto undone = remove_tree(to); !undone) return fail(done.why().code, done.why().note + "; and " + undone.why().note);
  return done;
}

result<std::string> digest_tree(const std::string& path) {
  struct stat seen {};
  if (::stat(path.c_str(), &seen) != 0) return tree_error("reading", path, errno);
  if (!S_ISDIR(seen.st_mode)) return digest_file(path);
  auto names = files_below(path);
  if (!names) return names.why();
  digest all;
  for (const auto& name : *names) {
    const auto one = digest_file(path + "/" + name);
    if (!one) return one.why();
    all.add(to_hex(*one) + "  " + name + "\n");
  }
  return all.finish();
}

bool is_locked(const std::string& path) {
  const open_file file(path, O_RDONLY);
  if (file.number < 0) return false;
  struct flock asked {};
  asked.l_type = F_WRLCK;
  asked.l_whence = SEEK_SET;   // and a length of 0: all of it
  if (::fcntl(file.number, F_OFD_GETLK, &asked) == 0 && asked.l_type != F_UNLCK) return true;
  // The other kind of lock has no question, only an attempt; closing lets it go.
  return ::flock(file.number, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace troupe::net::real::trees
