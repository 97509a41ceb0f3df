#include "storage/sqlite/table.hpp"

#include <algorithm>

#include "storage/embedded/jobs.hpp"
#include "storage/log/compare.hpp"
#include "storage/sqlite/gathering.hpp"

namespace troupe::storage {
namespace {
// A checkpoint costs two syncs and writes every page that changed, which under many writers is as much as the commits themselves:
// then it comes after so many of them, in a longer log. With small commits a longer log gains nothing and was measured slower.
constexpr int checkpoint_frames = 1'000;       ///< SQLite's own default; 4 MiB.
constexpr int checkpoint_frames_max = 8'000;   ///< 32 MiB.
constexpr int checkpoint_commits = 32;
constexpr int log_bytes_kept = 16'777'216, log_bytes_kept_max = 50'331'648;   ///< Of its file, when the log begins anew.
constexpr int shrink_pages = 64;
}  // namespace

result<void> write_meta(sqlite3* on, const meta_values& values) {
  statement put;
  if (auto ok = put.prepare(on, "INSERT OR REPLACE INTO meta VALUES(CAST(?1 AS TEXT),?2,?3)"); !ok) return ok;
  for (const auto& [name, value] : values.numbers()) {
    put.bind(1, name);
    put.bind(2, value);
    put.bind(3, number_checksum(name, value));
    if (const int code = put.run(); code != SQLITE_OK) return sqlite_error(code, "meta", "writing " + std::string(name));
  }
  return {};
}

result<std::unique_ptr<sqlite_table>> sqlite_table::open(const std::string& path, const std::string& vfs) {
  std::unique_ptr<sqlite_table> out(new sqlite_table(path));
  if (auto ok = out->connect(vfs); !ok) return ok.why();
  return out;
}

result<void> sqlite_table::connect(const std::string& vfs) {
  auto opened = open_database(path_, SQLITE_OPEN_READWRITE, gathering_vfs(vfs));
  if (!opened) return opened.why();
  connection_ = std::move(*opened);
  // Until the file has been accepted, closing must not write to it.
  sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  const char* settings =
      "PRAGMA locking_mode=EXCLUSIVE;PRAGMA synchronous=FULL;PRAGMA wal_autocheckpoint=0;PRAGMA cache_size=-2048;"
      "PRAGMA mmap_size=0;PRAGMA temp_store=MEMORY;PRAGMA journal_size_limit=16777216;SELECT count(*) FROM sqlite_schema";
  static_assert(log_bytes_kept == 16777216);
  if (const int code = run_sql(connection_.get(), settings); code != SQLITE_OK)
    return sqlite_error(code, path_, "opening it");
  sqlite3_wal_hook(connection_.get(), [](void* me, sqlite3*, const char*, int frames) {
    static_cast<sqlite_table*>(me)->committed(frames);
    return SQLITE_OK;
  }, this);
  const std::pair<statement*, const char*> all[] = {
      {&begin_, "BEGIN IMMEDIATE"},
      {&commit_, "COMMIT"},
      {&rollback_, "ROLLBACK"},
      {&insert_, "INSERT INTO log VALUES(?,?,?,?,?,?,?,?,?)"},
      {&erase_, "DELETE FROM log WHERE rev=?"},
      {&read_, "SELECT rev,kind,prev,created,version,lease,crc,key,value FROM log WHERE rev=?"},
      {&link_, "SELECT rev,kind,prev,created,version FROM log WHERE rev=?"},
      {&scan_, "SELECT rev,kind,prev,created,version,lease,crc,key,value FROM log WHERE rev>? AND rev<=? ORDER BY rev"},
      {&doomed_,
       "SELECT rev,kind,CASE WHEN version=1 THEN 0 ELSE prev END,"
       "(SELECT length(b.key)+length(b.value) FROM log b WHERE b.rev=a.prev AND a.version<>1),"
       "CASE kind WHEN 2 THEN key END FROM log a WHERE rev>? AND rev<=? ORDER BY rev LIMIT ?"}};
  for (const auto& [which, sql] : all)
    if (auto ok = which->prepare(connection_.get(), sql); !ok) return ok;
  return {};
}

void sqlite_table::allow_writes(bool allowed) {
  sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, allowed ? 0 : 1, nullptr);
}

std::int64_t sqlite_table::ask_number(const char* sql) {
  statement ask;
  if (!ask.prepare(connection_.get(), sql) || ask.step() != SQLITE_ROW) return 0;
  return ask.number(0);
}

void sqlite_table::committed(int frames) {
  const int added = frames > log_frames_ ? frames - log_frames_ : frames;
  usual_frames_ += (added - usual_frames_) / 16.0;
  log_frames_ = frames;
  longest_ = std::max(longest_, frames);
}

bool sqlite_table::is_long() const { return longest_ > checkpoint_frames * 5 / 4; }

int sqlite_table::frames_wanted() const { return std::clamp(static_cast<int>(usual_frames_ * checkpoint_commits), checkpoint_frames, checkpoint_frames_max); }

bool sqlite_table::upkeep() { return log_frames_ < frames_wanted() || checkpoint(); }

bool sqlite_table::checkpoint() {
  // A log that is cut and grows again has its size to be synced, too.
  if (const bool longer = frames_wanted() > checkpoint_frames; longer != std::exchange(longer_, longer)) {
    const auto sql = "PRAGMA journal_size_limit=" + std::to_string(longer ? log_bytes_kept_max : log_bytes_kept);
    code_ = run_sql(connection_.get(), sql.c_str());
    if (code_ != SQLITE_OK) return false;
  }
  // Nobody reads beside us, so that a log that is to be short again can be cut at once.
  const bool cut = is_long() && !longer_;
  if (cut) longest_ = 0;
  code_ = sqlite3_wal_checkpoint_v2(connection_.get(), nullptr, cut ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  log_frames_ = 0;
  return code_ == SQLITE_OK;
}

bool sqlite_table::shrink(bool& more) {
  const auto free = ask_number("PRAGMA freelist_count");
  more = free > shrink_pages && free * 4 > ask_number("PRAGMA page_count");
  if (!more && is_long()) {
    // Idle after large commits, for the moment or for long: each look forgets half of them.
    usual_frames_ /= 2;
    more = frames_wanted() > checkpoint_frames;
    return more || checkpoint();
  }
  if (!more) return !std::exchange(shrunk_, false) || checkpoint();  // Only this makes the file itself shorter.
  shrunk_ = true;
  const auto sql = "PRAGMA incremental_vacuum(" + std::to_string(shrink_pages) + ")";
  code_ = run_sql(connection_.get(), sql.c_str());
  return code_ == SQLITE_OK;
}

std::unique_ptr<job> sqlite_table::make_backup_job(std::string path, engine::done done) {
  return make_sqlite_backup_job(connection_.get(), std::move(path), std::move(done));
}

bool sqlite_table::write_meta(const meta_values& values) {
  if (storage::write_meta(connection_.get(), values)) return true;
  code_ = sqlite3_extended_errcode(connection_.get());
  if (code_ == SQLITE_OK) code_ = SQLITE_IOERR;
  return false;
}

result<meta_values> sqlite_table::read_meta() {
  statement get;
  if (auto ok = get.prepare(connection_.get(), "SELECT k, v, crc FROM meta"); !ok) return ok.why();
  meta_values out;
  std::size_t seen = 0;
  int code = SQLITE_ROW;
  while ((code = get.step()) == SQLITE_ROW) {
    const auto name = get.blob(0);
    const auto value = get.number(1);
    if (number_checksum(name, value) != static_cast<std::uint32_t>(get.number(2)))
      return fail(errc::corrupt, "the checksum of meta " + std::string(name) + " does not match");
    seen += out.take(name, value) ? 1 : 0;
  }
  if (code != SQLITE_DONE) return sqlite_error(code, "meta", "reading it");
  if (seen != meta_values::count && seen != meta_values::count_min)
    return fail(errc::corrupt, "meta has " + std::to_string(seen) + " of " + std::to_string(meta_values::count) + " rows");
  return out;
}

bool sqlite_table::insert(const log_row& row) {
  insert_.bind(1, row.at);
  insert_.bind(2, static_cast<std::int64_t>(row.kind));
  insert_.bind(3, row.previous);
  insert_.bind(4, row.created);
  insert_.bind(5, row.version);
  insert_.bind(6, row.lease);
  insert_.bind(7, static_cast<std::int64_t>(row.checksum()));
  insert_.bind(8, row.key);
  insert_.bind(9, row.value);
  return run(insert_);
}

bool sqlite_table::erase(revision at) {
  erase_.bind(1, at);
  return run(erase_);
}

log_table::found sqlite_table::take(statement& from, log_row& out) {
  const int code = from.step();
  if (code == SQLITE_DONE) return found::none;
  if (code != SQLITE_ROW) {
    code_ = code;
    return found::failed;
  }
  out.at = from.number(0);
  out.kind = static_cast<row_kind>(from.number(1));
  out.previous = from.number(2);
  out.created = from.number(3);
  out.version = from.number(4);
  out.lease = from.number(5);
  out.key = from.blob(7);
  out.value = from.blob(8);
  return out.known_kind() && out.checksum() == static_cast<std::uint32_t>(from.number(6)) ? found::row : found::bad;
}

log_table::found sqlite_table::read(revision at, log_row& out) {
  read_.bind(1, at);
  return take(read_, out);
}

log_table::found sqlite_table::read_link(revision at, log_row& out) {
  link_.bind(1, at);
  const int code = link_.step();
  if (code != SQLITE_ROW) {
    link_.reset();
    if (code == SQLITE_DONE) return found::none;
    code_ = code;
    return found::failed;
  }
  out.at = link_.number(0);
  out.kind = static_cast<row_kind>(link_.number(1));
  out.previous = link_.number(2);
  out.created = link_.number(3);
  out.version = link_.number(4);
  link_.reset();
  return found::row;
}

void sqlite_table::begin_scan(revision after, revision upto) {
  scan_.bind(1, after);
  scan_.bind(2, upto);
}

log_table::found sqlite_table::next(log_row& out) {
  return take(scan_, out);
}

bool sqlite_table::list_doomed(revision after, revision upto, std::size_t limit, std::vector<doomed>& out) {
  out.clear();
  doomed_.bind(1, after);
  doomed_.bind(2, upto);
  doomed_.bind(3, static_cast<std::int64_t>(limit));
  int code = SQLITE_ROW;
  while ((code = doomed_.step()) == SQLITE_ROW) {
    doomed& one = out.emplace_back();
    one.at = doomed_.number(0);
    one.tombstone = static_cast<row_kind>(doomed_.number(1)) == row_kind::erase;
    if (!doomed_.is_null(3)) {
      one.previous = doomed_.number(2);
      one.previous_bytes = static_cast<std::uint32_t>(doomed_.number(3)) + record_overhead_bytes;
    }
    if (one.tombstone) one.key = doomed_.blob(4);
  }
  doomed_.reset();
  if (code != SQLITE_DONE) code_ = code;
  return code == SQLITE_DONE;
}

}  // namespace troupe::storage
