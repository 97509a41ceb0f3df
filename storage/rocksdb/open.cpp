#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "storage/rocksdb/folder.hpp"
#include "storage/rocksdb/rocksdb.hpp"
#include "storage/rocksdb/table.hpp"

namespace troupe::storage {
namespace {
/// Makes an empty log under another name and moves it into place, so that a half-made one is never taken for whole.
result<void> make_log(const rocksdb_config& config) {
  auto with = config;
  with.path = config.path + ".new-" + std::to_string(::getpid());
  std::error_code wrong;
  std::filesystem::remove_all(with.path, wrong);  // Ours, from a process of the same number that died here.
  auto done = claim_folder(with.path);
  if (done)
    if (auto made = rocksdb_table::open(with, true); !made) done = made.why();
  if (done && std::rename(with.path.c_str(), config.path.c_str()) != 0)
    done = fail(errc::already_exists, config.path + ": moving the new folder into place failed; somebody else was faster");
  if (done) return sync_above(config.path);
  std::filesystem::remove_all(with.path, wrong);
  return done;
}

result<std::unique_ptr<store>> open_store(const rocksdb_config& config) {
  const auto seen = inspect_folder(config.path);
  if (!seen) return seen.why();
  if (*seen != folder_state::ours)
    if (auto made = make_log(config); !made) return made.why();
  auto table = rocksdb_table::open(config, false);
  if (!table) return table.why();
  auto out = std::make_unique<store>(std::move(*table), config.path, config.kept, config.now != nullptr);
  if (auto done = out->load(); !done) {
    if (done.code() != errc::corrupt || done.why().note.starts_with(config.path)) return done.why();
    return fail(errc::corrupt, config.path + ": " + done.why().note +
                                   "; restore a backup over the folder, or move it away to begin empty");
  }
  return out;
}
}  // namespace

result<std::unique_ptr<engine>> open_rocksdb(const rocksdb_config& config) {
  if (const auto wrong = problems(config); !wrong.empty()) return fail(errc::invalid, wrong.front());
  auto opened = open_store(config);
  if (!opened) return opened.why();
  return make_embedded_engine(config, std::move(*opened), [path = config.path] { return folder_bytes(path); });
}

}  // namespace troupe::storage
