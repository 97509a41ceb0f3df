#include <unistd.h>

#include "storage/embedded/jobs.hpp"
#include "storage/sqlite/format.hpp"
#include "storage/sqlite/table.hpp"

namespace troupe::storage {
namespace {
constexpr int slice_backup_pages = 256;

/// SQLite's online backup on the writer's own connection: what is committed meanwhile is carried over by
/// SQLite, so it never begins anew. Each slice is synced, so that no large sync waits at the end.
class backup_job final : public job {
 public:
  backup_job(sqlite3* from, std::string path, engine::done done)
      : from_(from), path_(std::move(path)), done_(std::move(done)) {}
  ~backup_job() override { abandon(); }

  bool wants_flush() const override { return true; }  // SQLite copies nothing out of an open transaction.
  bool run(store& on) override {
    if (on.broken()) return finish(fail(errc::closed, on.trouble().note));
    if (copy_ == nullptr)
      if (auto ok = begin(); !ok) return finish(ok);
    const int code = sqlite3_backup_step(copy_, slice_backup_pages);
    if (code != SQLITE_OK && code != SQLITE_DONE) return finish(sqlite_error(code, path_, "copying pages"));
    if (code == SQLITE_OK) {
      auto synced = sync_path(path_, false);
      return synced ? false : finish(synced);
    }
    return finish(complete(on));
  }

 private:
  result<void> begin() {
    if (auto made = touch_private(path_); !made) return made;
    made_ = true;
    auto opened = open_database(path_, SQLITE_OPEN_READWRITE, {});
    if (!opened) return opened.why();
    to_ = std::move(*opened);
    const int code = run_sql(to_.get(), "PRAGMA locking_mode=EXCLUSIVE;PRAGMA journal_mode=OFF;PRAGMA synchronous=OFF;"
                                        "PRAGMA cache_size=-1024");
    if (code != SQLITE_OK) return sqlite_error(code, path_, "preparing the copy");
    copy_ = sqlite3_backup_init(to_.get(), "main", from_, "main");
    if (copy_ == nullptr) return sqlite_error(sqlite3_extended_errcode(to_.get()), path_, "beginning the copy");
    return {};
  }
  result<void> complete(store& on) {
    if (const int code = sqlite3_backup_finish(std::exchange(copy_, nullptr)); code != SQLITE_OK)
      return sqlite_error(code, path_, "finishing the copy");
    if (auto ok = write_meta(to_.get(), {on.ends(), 0, true}); !ok) return ok;
    if (const int code = sqlite3_close(to_.release()); code != SQLITE_OK) return sqlite_error(code, path_, "closing the copy");
    if (auto ok = sync_path(path_, false); !ok) return ok;
    if (auto ok = sync_path(path_, true); !ok) return ok;
    made_ = false;
    return {};
  }
  void abandon() {
    if (copy_ != nullptr) sqlite3_backup_finish(std::exchange(copy_, nullptr));
    to_.reset();
    if (!std::exchange(made_, false)) return;
    ::unlink(path_.c_str());
    ::unlink((path_ + "-wal").c_str());
  }
  bool finish(result<void> with) {
    abandon();
    done_(std::move(with));
    return true;
  }

  sqlite3* from_;  ///< Lives longer than any job.
  std::string path_;
  engine::done done_;
  database to_;
  sqlite3_backup* copy_ = nullptr;
  bool made_ = false;  ///< The file is ours to remove.
};

}  // namespace

std::unique_ptr<job> make_sqlite_backup_job(sqlite3* from, std::string path, engine::done done) {
  return std::make_unique<backup_job>(from, std::move(path), std::move(done));
}

}  // namespace troupe::storage
