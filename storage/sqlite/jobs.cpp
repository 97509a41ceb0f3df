#include "storage/sqlite/jobs.hpp"

#include <unistd.h>

#include <optional>

#include "storage/sqlite/format.hpp"

namespace troupe::storage {
namespace {

/// Keeps a revision readable while a job of several slices needs it. Lives no longer than the store.
class pin {
 public:
  void take(store& on, revision at) {
    on.pin(at);
    on_ = &on;
    at_ = at;
  }
  void release() {
    if (on_ != nullptr) on_->unpin(at_);
    on_ = nullptr;
  }

 private:
  store* on_ = nullptr;
  revision at_ = 0;
};

struct budget {
  std::size_t rows = 0, bytes = 0, keys = 0;
  bool spent() const noexcept { return rows >= slice_rows_max || bytes >= slice_bytes_max || keys >= slice_keys_max; }
};

class range_job final : public job {
 public:
  range_job(range_query what, engine::range_done done)
      : what_(std::move(what)), done_(std::move(done)), cursor_(what_.from) {}

  bool run(store& on) override {
    if (!begun_) {
      const auto at = on.ends().readable(what_.at);
      if (!at) return finish(at.why());
      out_.head = *at;
      begun_ = true;
      pin_.take(on, *at);
    }
    if (on.broken()) return finish(fail(errc::closed, on.trouble().note));
    budget used;
    std::optional<error> wrong;
    bool paused = false;
    on.index().walk(cursor_, what_.to, [&](std::string_view key, const key_state& newest) {
      if (used.spent()) {
        cursor_ = key;
        paused = true;
        return false;
      }
      return visit(on, newest, used, wrong);
    });
    if (wrong) return finish(*wrong);
    return paused ? false : finish(std::move(out_));
  }

 private:
  bool visit(store& on, const key_state& newest, budget& used, std::optional<error>& wrong) {
    ++used.keys;
    if (newest.modified <= out_.head && !newest.live()) return true;
    const bool full = what_.limit > 0 && out_.records.size() == what_.limit;
    if (full && newest.modified <= out_.head) {
      out_.more = true;
      return false;
    }
    auto row = on.read_at(newest, out_.head, used.rows);
    if (!row) {
      wrong = row.why();
      return false;
    }
    if (!row->has_value()) return true;
    if (full) {
      out_.more = true;
      return false;
    }
    used.bytes += (*row)->key.size() + (*row)->value.size();
    out_.records.push_back((*row)->to_record());
    return true;
  }
  bool finish(result<page> with) {
    pin_.release();
    done_(std::move(with));
    return true;
  }

  range_query what_;
  engine::range_done done_;
  std::string cursor_;
  page out_;
  pin pin_;
  bool begun_ = false;
};

class changes_job final : public job {
 public:
  changes_job(revision after, std::size_t limit, engine::changes_done done)
      : after_(after), limit_(limit == 0 ? SIZE_MAX : limit), done_(std::move(done)) {}

  bool run(store& on) override {
    if (!begun_) {
      if (auto ok = on.ends().followable(after_); !ok) return finish(ok.why());
      upto_ = on.ends().head;
      begun_ = true;
      pin_.take(on, after_);
    }
    if (on.broken()) return finish(fail(errc::closed, on.trouble().note));
    budget used;
    log_row row;
    int code = SQLITE_OK;
    auto got = log_table::found::row;
    on.table().begin_scan(after_, upto_);
    while (!used.spent() && out_.size() < limit_ && (got = on.table().next(row, code)) == log_table::found::row) {
      ++used.rows;
      used.bytes += row.value.size();
      after_ = row.at;
      out_.push_back(row.to_change());
    }
    on.table().end_scan();
    if (got == log_table::found::failed) {
      on.break_down(code, "reading changes");
      return finish(fail(errc::closed, on.trouble().note));
    }
    if (got == log_table::found::bad)
      return finish(fail(errc::corrupt, "the checksum of revision " + std::to_string(row.at) + " does not match"));
    return got == log_table::found::none || out_.size() >= limit_ ? finish(std::move(out_)) : false;
  }

 private:
  bool finish(result<std::vector<change>> with) {
    pin_.release();
    done_(std::move(with));
    return true;
  }

  revision after_, upto_ = 0;
  std::size_t limit_;
  engine::changes_done done_;
  std::vector<change> out_;
  pin pin_;
  bool begun_ = false;
};

class compact_job final : public job {
 public:
  compact_job(revision to, engine::done done) : to_(to), done_(std::move(done)) {}
  bool run(store& on) override {
    done_(on.compact(to_));
    return true;
  }

 private:
  revision to_;
  engine::done done_;
};

/// SQLite's online backup on the writer's own connection: what is committed meanwhile is carried over by
/// SQLite, so it never begins anew. Each slice is synced, so that no large sync waits at the end.
class backup_job final : public job {
 public:
  backup_job(std::string path, engine::done done) : path_(std::move(path)), done_(std::move(done)) {}
  ~backup_job() override { abandon(); }

  bool run(store& on) override {
    if (on.broken()) return finish(fail(errc::closed, on.trouble().note));
    if (copy_ == nullptr)
      if (auto ok = begin(on); !ok) return finish(ok);
    const int code = sqlite3_backup_step(copy_, slice_backup_pages);
    if (code != SQLITE_OK && code != SQLITE_DONE) return finish(sqlite_error(code, path_, "copying pages"));
    if (code == SQLITE_OK) {
      auto synced = sync_path(path_, false);
      return synced ? false : finish(synced);
    }
    return finish(complete(on));
  }

 private:
  result<void> begin(store& on) {
    if (auto made = touch_private(path_); !made) return made;
    made_ = true;
    auto opened = open_database(path_, SQLITE_OPEN_READWRITE, {});
    if (!opened) return opened.why();
    to_ = std::move(*opened);
    const int code = run_sql(to_.get(), "PRAGMA locking_mode=EXCLUSIVE;PRAGMA journal_mode=OFF;PRAGMA synchronous=OFF;"
                                        "PRAGMA cache_size=-1024");
    if (code != SQLITE_OK) return sqlite_error(code, path_, "preparing the copy");
    copy_ = sqlite3_backup_init(to_.get(), "main", on.connection(), "main");
    if (copy_ == nullptr) return sqlite_error(sqlite3_extended_errcode(to_.get()), path_, "beginning the copy");
    return {};
  }
  result<void> complete(store& on) {
    if (const int code = sqlite3_backup_finish(std::exchange(copy_, nullptr)); code != SQLITE_OK)
      return sqlite_error(code, path_, "finishing the copy");
    if (auto ok = write_meta(to_.get(), {on.ends(), true}); !ok) return ok;
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

  std::string path_;
  engine::done done_;
  database to_;
  sqlite3_backup* copy_ = nullptr;
  bool made_ = false;  ///< The file is ours to remove.
};

/// First every row against its checksum and the index, then every index entry against its row.
class verify_job final : public job {
 public:
  explicit verify_job(engine::done done) : done_(std::move(done)) {}

  bool run(store& on) override {
    if (on.broken()) return finish(fail(errc::closed, on.trouble().note));
    return rows_done_ ? check_keys(on) : check_rows(on);
  }

 private:
  bool check_rows(store& on) {
    budget used;
    log_row row;
    int code = SQLITE_OK;
    auto got = log_table::found::row;
    result<void> fine;
    on.table().begin_scan(after_, INT64_MAX);
    while (!used.spent() && fine && (got = on.table().next(row, code)) == log_table::found::row) {
      ++used.rows;
      used.bytes += row.value.size();
      after_ = row.at;
      const key_state* now = on.index().find(row.key);
      if (now == nullptr || now->modified < row.at) fine = wrong(row.at, row.key, "is unknown to the index");
    }
    if (got == log_table::found::bad) fine = wrong(row.at, row.key, "has a checksum that does not match");
    on.table().end_scan();
    if (got == log_table::found::failed) {
      on.break_down(code, "verifying the log");
      fine = fail(errc::closed, on.trouble().note);
    }
    if (!fine) return finish(fine);
    rows_done_ = got == log_table::found::none;
    return false;
  }
  bool check_keys(store& on) {
    budget used;
    result<void> fine;
    bool paused = false;
    on.index().walk(cursor_, {}, [&](std::string_view key, const key_state& now) {
      if (used.spent()) {
        cursor_ = key;
        paused = true;
        return false;
      }
      ++used.rows;
      log_row row;
      int code = SQLITE_OK;
      const auto got = on.table().read_link(now.modified, row, code);
      if (got == log_table::found::failed) {
        on.break_down(code, "verifying the log");
        fine = fail(errc::closed, on.trouble().note);
      } else if (got != log_table::found::row) {
        fine = wrong(now.modified, key, "is not in the log");
      }
      return fine.ok();
    });
    return paused && fine ? false : finish(fine);
  }
  static error wrong(revision at, std::string_view key, std::string_view how) {
    return fail(errc::corrupt, "revision " + std::to_string(at) + " of key " + std::string(key) + " " + std::string(how) +
                                   "; restore a backup");
  }
  bool finish(result<void> with) {
    done_(std::move(with));
    return true;
  }

  engine::done done_;
  revision after_ = 0;
  std::string cursor_;
  bool rows_done_ = false;
};

}  // namespace

std::unique_ptr<job> make_range_job(range_query what, engine::range_done done) {
  return std::make_unique<range_job>(std::move(what), std::move(done));
}
std::unique_ptr<job> make_changes_job(revision after, std::size_t limit, engine::changes_done done) {
  return std::make_unique<changes_job>(after, limit, std::move(done));
}
std::unique_ptr<job> make_compact_job(revision to, engine::done done) {
  return std::make_unique<compact_job>(to, std::move(done));
}
std::unique_ptr<job> make_backup_job(std::string path, engine::done done) {
  return std::make_unique<backup_job>(std::move(path), std::move(done));
}
std::unique_ptr<job> make_verify_job(engine::done done) { return std::make_unique<verify_job>(std::move(done)); }

}  // namespace troupe::storage
