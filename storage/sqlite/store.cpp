#include "storage/sqlite/store.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "storage/log/compare.hpp"
#include "storage/sqlite/format.hpp"

namespace troupe::storage {
namespace {
constexpr int checkpoint_frames = 1'000;  ///< SQLite's own default; 4 MiB.
constexpr int shrink_pages = 64;

std::int64_t ask_number(sqlite3* on, const char* sql) {
  statement ask;
  if (!ask.prepare(on, sql) || ask.step() != SQLITE_ROW) return 0;
  return ask.number(0);
}
}  // namespace

store::store(const sqlite_config& config) : path_(config.path), vfs_(config.vfs), rule_(config.kept) {}

store::~store() = default;

result<std::unique_ptr<store>> store::open(const sqlite_config& config) {
  auto seen = inspect_file(config.path, config.vfs);
  if (seen && *seen == presence::absent) {
    if (auto made = create_file(config.path, config.vfs); !made && made.code() != errc::already_exists) return made.why();
    seen = inspect_file(config.path, config.vfs);
  }
  if (!seen) return seen.why();
  std::unique_ptr<store> out(new store(config));
  struct stat before {};
  const auto log_path = config.path + "-wal";
  const bool had_log = ::stat(log_path.c_str(), &before) == 0;
  auto done = out->connect();
  if (done) done = out->load();
  if (done) return out;
  const error why = out->refusal(done.why());
  out.reset();
  // SQLite makes an empty write-ahead log when it looks at a file; the refused open takes it away again.
  if (!had_log && why.code != errc::already_exists && ::stat(log_path.c_str(), &before) == 0 && before.st_size == 0)
    ::unlink(log_path.c_str());
  return why;
}

result<void> store::connect() {
  auto opened = open_database(path_, SQLITE_OPEN_READWRITE, vfs_);
  if (!opened) return opened.why();
  connection_ = std::move(*opened);
  // Until the file has been accepted, closing must not write to it.
  sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  const char* settings =
      "PRAGMA locking_mode=EXCLUSIVE;PRAGMA synchronous=FULL;PRAGMA wal_autocheckpoint=0;PRAGMA cache_size=-2048;"
      "PRAGMA mmap_size=0;PRAGMA temp_store=MEMORY;PRAGMA journal_size_limit=16777216;SELECT count(*) FROM sqlite_schema";
  if (const int code = run_sql(connection_.get(), settings); code != SQLITE_OK)
    return sqlite_error(code, path_, "opening it");
  return table_.prepare(connection_.get());
}

error store::refusal(const error& why) const {
  if (why.code != errc::corrupt || why.note.starts_with(path_)) return why;
  return fail(errc::corrupt, path_ + ": " + why.note +
                                 "; restore a backup over it, or move it away to begin empty; nothing was changed");
}

result<void> store::load() {
  const auto meta = read_meta(connection_.get());
  if (!meta) return meta.why();
  ends_ = meta->ends;
  purged_to_ = ends_.floor;
  revision last = ends_.floor;
  log_row row;
  int code = SQLITE_OK;
  table_.begin_scan(0, INT64_MAX);
  auto got = log_table::found::none;
  result<void> fine;
  while (fine && (got = table_.next(row, code)) == log_table::found::row) fine = load_row(row, last);
  if (got == log_table::found::bad)
    fine = fail(errc::corrupt, "the checksum of revision " + std::to_string(row.at) + " (key " + std::string(row.key) +
                                   ") does not match");
  table_.end_scan();
  if (!fine) return fine;
  if (got == log_table::found::failed) return sqlite_error(code, path_, "reading the log");
  if (last < ends_.head && ends_.head > ends_.floor)
    return fail(errc::corrupt, "revisions " + std::to_string(last + 1) + " to " + std::to_string(ends_.head) + " are missing");
  ends_.head = std::max(ends_.head, last);
  if (meta->copy)
    if (auto ok = become_restored(*meta); !ok) return ok;
  sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  sqlite3_wal_hook(connection_.get(), [](void* me, sqlite3*, const char*, int frames) {
    static_cast<store*>(me)->log_frames_ = frames;
    return SQLITE_OK;
  }, this);
  return {};
}

result<void> store::load_row(const log_row& row, revision& last) {
  const key_state* before = index_.find(row.key);
  const bool was_live = before != nullptr && before->live();
  if (row.at > ends_.floor) {
    if (row.at != last + 1)
      return fail(errc::corrupt, "revisions " + std::to_string(last + 1) + " to " + std::to_string(row.at - 1) + " are missing");
    last = row.at;
    const bool follows = row.version == 1 ? !was_live : was_live && before->modified == row.previous;
    if (!follows)
      return fail(errc::corrupt, "revision " + std::to_string(row.at) + " of key " + std::string(row.key) +
                                     " does not follow the one before it");
  }
  const bool erased = row.kind == row_kind::erase;
  const key_state next{row.created, row.at, row.version, record_bytes(row.key.size(), row.value.size())};
  dead_bytes_ += dying_bytes(before, next);
  if (row.at <= ends_.floor && (was_live || erased)) purged_to_ = std::min(purged_to_, row.at - 1);
  index_.set(row.key, next);
  return {};
}

result<void> store::become_restored(const meta_values& copy) {
  ends_ = bounds{ends_.head, copy.ends.floor}.restored();
  if (!begin() || !write_ends() || !commit()) return *trouble_;
  return {};
}

void store::break_down(int code, std::string_view doing) {
  if (trouble_) return;
  trouble_ = sqlite_error(code, path_, doing);
  if (in_transaction_) table_.rollback();
  in_transaction_ = false;
  // A disk that failed once is not written to again, not even while closing.
  sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

bool store::begin() {
  if (in_transaction_) return true;
  if (broken()) return false;
  if (const int code = table_.begin(); code != SQLITE_OK) {
    break_down(code, "beginning a transaction");
    return false;
  }
  return in_transaction_ = true;
}

bool store::commit() {
  if (const int code = table_.commit(); code != SQLITE_OK) {
    commit_failed_ = !broken();
    break_down(code, "committing");
    return false;
  }
  in_transaction_ = false;
  return true;
}

void store::apply(std::vector<operation>& batch, committed_batch& out) {
  out.outcomes.reserve(batch.size());
  out.changes.reserve(batch.size());
  for (auto& asked : batch) {
    outcome& said = out.outcomes.emplace_back();
    if (broken()) continue;  // "unavailable", which is what an outcome begins as.
    const key_state* now = index_.find(asked.key);
    said.what = judge(asked, now);
    if (said.what == outcome::kind::committed) {
      write(asked, now, said, out.changes);
    } else if (said.what == outcome::kind::too_large) {
      said.note = too_large_note(asked);
    } else if (now != nullptr && now->live()) {
      auto row = read(now->modified);
      if (row) {
        said.present = row->to_record();
      } else {
        said.what = outcome::kind::unavailable;
        said.note = row.why().text();
      }
    }
  }
  out.head = ends_.head;
}

void store::write(operation& asked, const key_state* now, outcome& said, std::vector<change>& changes) {
  if (!begin()) {
    said.what = outcome::kind::unavailable;
    return;
  }
  said.at = ends_.head + 1;
  const key_state next = next_state(asked, now, said.at);
  log_row row;
  row.at = said.at;
  row.kind = next.live() ? row_kind::put : row_kind::erase;
  row.previous = now != nullptr ? now->modified : 0;
  row.created = next.created;
  row.version = next.version;
  row.key = asked.key;
  if (next.live()) row.value = asked.value.view();
  if (const int code = table_.insert(row); code != SQLITE_OK) {
    said.what = outcome::kind::unavailable;
    return break_down(code, "writing a record");
  }
  ++ends_.head;
  ++written_rows_;
  dead_bytes_ += dying_bytes(now, next);
  change& told = changes.emplace_back();
  told.at = said.at;
  told.created = next.created;
  told.previous = now != nullptr && now->live() ? now->modified : 0;
  told.version = next.version;
  told.erased = !next.live();
  if (next.live()) told.value = std::move(asked.value);
  index_.set(asked.key, next);
  told.key = std::move(asked.key);
}

void store::finish_group() {
  end_read();
  if (in_transaction_ && !broken()) {
    if (const revision floor = crowded_floor(ends_, rule_, dead_bytes_); floor > ends_.floor && purged_to_ >= purge_limit()) {
      ends_.floor = floor;
      write_ends();
    }
    purge(deletes_per_row_max * written_rows_);
    if (!broken()) commit();
  }
  written_rows_ = 0;
}

bool store::write_ends() {
  if (auto ok = write_meta(connection_.get(), {ends_, false}); ok) return true;
  const int code = sqlite3_extended_errcode(connection_.get());
  break_down(code == SQLITE_OK ? SQLITE_IOERR : code, "raising the floor");
  return false;
}

void store::purge(std::size_t deletes_max) {
  const revision upto = purge_limit();
  if (upto <= purged_to_ || deletes_max == 0 || broken()) return;
  // A row lets go of one row, a tombstone of two; creations of none, so the list may be longer than needed.
  if (const int code = table_.list_doomed(purged_to_, upto, deletes_max, doomed_); code != SQLITE_OK)
    return break_down(code, "looking for old records");
  std::size_t deleted = 0;
  for (const auto& one : doomed_) {
    if (deleted >= deletes_max) return;
    const auto let_go = [&](revision which, std::uint32_t cost) {
      if (const int code = table_.erase(which); code != SQLITE_OK) return break_down(code, "deleting an old record");
      dead_bytes_ -= std::min<std::uint64_t>(dead_bytes_, cost);
      ++deleted;
    };
    if (one.previous_bytes != 0) let_go(one.previous, one.previous_bytes);
    if (one.tombstone && !broken()) {
      let_go(one.at, record_bytes(one.key.size(), 0));
      const key_state* now = index_.find(one.key);
      if (now != nullptr && now->modified == one.at) index_.drop(one.key);
    }
    if (broken()) return;
    purged_to_ = one.at;
    shrinkable_ = true;
  }
  if (doomed_.size() < deletes_max) purged_to_ = upto;
}

result<void> store::compact(revision to) {
  if (broken()) return fail(errc::unavailable, trouble_->note);
  if (auto ok = ends_.readable(std::max(to, ends_.floor)); !ok) return ok.why();
  const revision floor = raised_floor(ends_, rule_, to);
  if (floor == ends_.floor) return {};
  if (!begin()) return fail(errc::unavailable, trouble_->note);
  const revision before = std::exchange(ends_.floor, floor);
  if (write_ends() && commit()) return {};
  ends_.floor = before;
  return fail(commit_failed_ ? errc::outcome_unknown : errc::unavailable, trouble_->note);
}

void store::tidy() {
  if (purge_limit() > purged_to_) {
    if (!begin()) return;
    purge(idle_purge_rows_max);
    if (!broken()) commit();
  } else if (shrinkable_) {
    const auto free = ask_number(connection_.get(), "PRAGMA freelist_count");
    shrinkable_ = free > shrink_pages && free * 4 > ask_number(connection_.get(), "PRAGMA page_count");
    if (!shrinkable_) {
      if (std::exchange(shrunk_, false)) checkpoint();  // Only this makes the file itself shorter.
      return;
    }
    shrunk_ = true;
    const auto sql = "PRAGMA incremental_vacuum(" + std::to_string(shrink_pages) + ")";
    if (const int code = run_sql(connection_.get(), sql.c_str()); code != SQLITE_OK) break_down(code, "shrinking the file");
  }
  checkpoint_when_due();
}

void store::checkpoint_when_due() {
  if (log_frames_ >= checkpoint_frames) checkpoint();
}

void store::checkpoint() {
  if (broken()) return;
  end_read();
  const int code = sqlite3_wal_checkpoint_v2(connection_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  log_frames_ = 0;
  if (code != SQLITE_OK) break_down(code, "copying the write-ahead log back");
}

result<log_row> store::read(revision at) {
  if (broken()) return fail(errc::closed, trouble_->note);
  end_read();
  reading_ = true;
  log_row out;
  int code = SQLITE_OK;
  switch (table_.read(at, out, code)) {
    case log_table::found::row: return out;
    case log_table::found::none: return fail(errc::not_found, "revision " + std::to_string(at) + " is not in the log");
    case log_table::found::bad:
      return fail(errc::corrupt, "the checksum of revision " + std::to_string(at) + " (key " + std::string(out.key) +
                                     ") does not match; restore a backup");
    case log_table::found::failed: break;
  }
  end_read();
  break_down(code, "reading a record");
  return fail(errc::closed, trouble_->note);
}

result<std::optional<log_row>> store::read_at(const key_state& newest, revision at, std::size_t& rows_read) {
  revision walk = newest.modified;
  while (walk > at) {
    log_row link;
    int code = SQLITE_OK;
    ++rows_read;
    const auto got = table_.read_link(walk, link, code);
    if (got == log_table::found::failed) {
      break_down(code, "reading a record");
      return fail(errc::closed, trouble_->note);
    }
    if (got != log_table::found::row || link.previous >= walk)
      return fail(errc::corrupt, "revision " + std::to_string(walk) + " is not in the log; restore a backup");
    // Before a first version lies nothing, or a tombstone that may have been purged.
    if (link.version == 1 && link.previous <= at) return std::optional<log_row>{};
    walk = link.previous;
  }
  ++rows_read;
  auto row = read(walk);
  if (!row) {
    if (row.code() != errc::not_found) return row.why();
    return fail(errc::corrupt, row.why().note + "; restore a backup");
  }
  if (row->kind == row_kind::erase) return std::optional<log_row>{};
  return std::optional<log_row>(*row);
}

}  // namespace troupe::storage
