#include <rocksdb/utilities/checkpoint.h>
#include <unistd.h>

#include <filesystem>

#include "storage/embedded/jobs.hpp"
#include "storage/rocksdb/folder.hpp"
#include "storage/rocksdb/table.hpp"

namespace troupe::storage {
namespace {
namespace fs = std::filesystem;

/// RocksDB's checkpoint: the table files are linked, or copied to another file system, and the memory table
/// (a few MiB at most) is written out first. It is made under another name and moved into place when it is whole.
class backup_job final : public job {
 public:
  backup_job(rocksdb::DB& from, std::string path, engine::done done)
      : from_(&from), path_(std::move(path)), done_(std::move(done)) {}

  bool wants_flush() const override { return true; }
  bool run(store& on) override {
    done_(on.broken() ? fail(errc::closed, on.trouble().note) : copy());
    return true;
  }

 private:
  result<void> copy() {
    std::error_code wrong;
    if (fs::exists(path_, wrong)) return fail(errc::already_exists, path_ + " exists");
    const auto fresh = path_ + ".new-" + std::to_string(::getpid());
    fs::remove_all(fresh, wrong);  // Ours, from a process of the same number that died here.
    auto done = fill(fresh);
    if (done && ::rename(fresh.c_str(), path_.c_str()) != 0)
      done = fail(errc::already_exists, path_ + ": moving the copy into place failed");
    if (!done) fs::remove_all(fresh, wrong);
    return done;
  }
  result<void> fill(const std::string& fresh) {
    rocksdb::Checkpoint* raw = nullptr;
    auto said = rocksdb::Checkpoint::Create(from_, &raw);
    const std::unique_ptr<rocksdb::Checkpoint> maker(raw);
    if (said.ok()) said = maker->CreateCheckpoint(fresh);
    if (!said.ok()) {
      auto why = rocksdb_error(said, path_, "copying");
      return why.code == errc::corrupt ? fail(errc::unavailable, why.note) : why;
    }
    if (auto ok = claim_folder(fresh); !ok) return ok;
    std::error_code wrong;
    fs::permissions(fresh, fs::perms::owner_all, wrong);
    return mark_copy(fresh);
  }

  rocksdb::DB* from_;  ///< Lives longer than any job.
  std::string path_;
  engine::done done_;
};
}  // namespace

std::unique_ptr<job> make_rocksdb_backup_job(rocksdb::DB& from, std::string path, engine::done done) {
  return std::make_unique<backup_job>(from, std::move(path), std::move(done));
}

}  // namespace troupe::storage
