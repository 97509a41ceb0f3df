#include <sys/stat.h>
#include <unistd.h>

#include "storage/sqlite/format.hpp"
#include "storage/sqlite/sqlite.hpp"
#include "storage/sqlite/table.hpp"

namespace troupe::storage {
namespace {
error refusal(const std::string& path, const error& why) {
  if (why.code != errc::corrupt || why.note.starts_with(path)) return why;
  return fail(errc::corrupt, path + ": " + why.note +
                                 "; restore a backup over it, or move it away to begin empty; nothing was changed");
}

result<std::unique_ptr<store>> open_store(const sqlite_config& config) {
  auto seen = inspect_file(config.path, config.vfs);
  if (seen && *seen == presence::absent) {
    if (auto made = create_file(config.path, config.vfs); !made && made.code() != errc::already_exists) return made.why();
    seen = inspect_file(config.path, config.vfs);
  }
  if (!seen) return seen.why();
  struct stat before {};
  const auto log_path = config.path + "-wal";
  const bool had_log = ::stat(log_path.c_str(), &before) == 0;
  std::optional<error> why;
  if (auto table = sqlite_table::open(config.path, config.vfs); !table) {
    why = table.why();
  } else {
    auto out = std::make_unique<store>(std::move(*table), config.path, config.kept, config.now != nullptr);
    auto done = out->load();
    if (done) return out;
    why = done.why();
  }
  // SQLite makes an empty write-ahead log when it looks at a file; the refused open takes it away again.
  if (!had_log && why->code != errc::already_exists && ::stat(log_path.c_str(), &before) == 0 && before.st_size == 0)
    ::unlink(log_path.c_str());
  return refusal(config.path, *why);
}
}  // namespace

result<std::unique_ptr<engine>> open_sqlite(const sqlite_config& config) {
  if (const auto wrong = problems(config); !wrong.empty()) return fail(errc::invalid, wrong.front());
  auto opened = open_store(config);
  if (!opened) return opened.why();
  return make_embedded_engine(config, std::move(*opened), [path = config.path] {
    std::uint64_t out = 0;
    for (const char* tail : {"", "-wal"}) {
      struct stat seen {};
      if (::stat((path + tail).c_str(), &seen) == 0) out += static_cast<std::uint64_t>(seen.st_size);
    }
    return out;
  });
}

}  // namespace troupe::storage
