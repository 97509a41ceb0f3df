#include "storage/embedded/jobs.hpp"

#include <optional>

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
    auto got = log_table::found::row;
    on.table().begin_scan(after_, upto_);
    while (!used.spent() && out_.size() < limit_ && (got = on.table().next(row)) == log_table::found::row) {
      ++used.rows;
      used.bytes += row.value.size();
      after_ = row.at;
      out_.push_back(row.to_change());
    }
    on.table().end_scan();
    if (got == log_table::found::failed) {
      on.break_down("reading changes");
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

class raise_job final : public job {
 public:
  raise_job(revision to, engine::done done) : to_(to), done_(std::move(done)) {}
  bool run(store& on) override {
    done_(on.raise(to_));
    return true;
  }

 private:
  revision to_;
  engine::done done_;
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
    auto got = log_table::found::row;
    result<void> fine;
    on.table().begin_scan(after_, INT64_MAX);
    while (!used.spent() && fine && (got = on.table().next(row)) == log_table::found::row) {
      ++used.rows;
      used.bytes += row.value.size();
      after_ = row.at;
      const key_state* now = on.index().find(row.key);
      if (now == nullptr || now->modified < row.at) fine = wrong(row.at, row.key, "is unknown to the index");
    }
    if (got == log_table::found::bad) fine = wrong(row.at, row.key, "has a checksum that does not match");
    on.table().end_scan();
    if (got == log_table::found::failed) {
      on.break_down("verifying the log");
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
        const auto got = on.table().read_link(now.modified, row);
      if (got == log_table::found::failed) {
        on.break_down("verifying the log");
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
std::unique_ptr<job> make_raise_job(revision to, engine::done done) {
  return std::make_unique<raise_job>(to, std::move(done));
}
std::unique_ptr<job> make_verify_job(engine::done done) { return std::make_unique<verify_job>(std::move(done)); }

}  // namespace troupe::storage
