#include "storage/rocksdb/table.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include <cstring>

#include "storage/embedded/jobs.hpp"
#include "storage/log/compare.hpp"
#include "storage/rocksdb/folder.hpp"

namespace troupe::storage {
namespace {
constexpr std::size_t head_bytes = 5 * 8 + 4 + 4;

void put_number(std::string& to, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to.push_back(static_cast<char>(value >> (8 * i)));
}
std::uint64_t get_number(std::string_view from, std::size_t at, int bytes) {
  std::uint64_t out = 0;
  for (int i = bytes - 1; i >= 0; --i) out = out << 8 | static_cast<unsigned char>(from[at + static_cast<std::size_t>(i)]);
  return out;
}
/// Big-endian behind an 'l', so that keys are in revision order.
std::string key_of(revision at) {
  std::string out(1, 'l');
  for (int i = 7; i >= 0; --i) out.push_back(static_cast<char>(static_cast<std::uint64_t>(at) >> (8 * i)));
  return out;
}
revision revision_of(std::string_view key) {
  std::uint64_t out = 0;
  for (const char c : key.substr(1)) out = out << 8 | static_cast<unsigned char>(c);
  return static_cast<revision>(out);
}
std::string_view view(const rocksdb::Slice& of) { return {of.data(), of.size()}; }

std::string encoded(const log_row& row) {
  std::string out;
  out.reserve(head_bytes + row.key.size() + row.value.size());
  for (const std::int64_t one : {static_cast<std::int64_t>(row.kind), row.previous, row.created, row.version, row.lease})
    put_number(out, static_cast<std::uint64_t>(one), 8);
  put_number(out, row.checksum(), 4);
  put_number(out, row.key.size(), 4);
  return out.append(row.key).append(row.value);
}
/// False when it cannot be one of our rows.
bool decode(revision at, std::string_view from, log_row& out) {
  out = {};
  out.at = at;
  if (from.size() < head_bytes) return false;
  const auto number = [&](std::size_t which) { return static_cast<std::int64_t>(get_number(from, which * 8, 8)); };
  out.kind = static_cast<row_kind>(number(0));
  out.previous = number(1);
  out.created = number(2);
  out.version = number(3);
  out.lease = number(4);
  const std::size_t key_bytes = get_number(from, 44, 4);
  if (key_bytes > from.size() - head_bytes) return false;
  out.key = from.substr(head_bytes, key_bytes);
  out.value = from.substr(head_bytes + key_bytes);
  return out.known_kind();
}
bool checked(revision at, std::string_view from, log_row& out) {
  return decode(at, from, out) && out.checksum() == static_cast<std::uint32_t>(get_number(from, 40, 4));
}

/// RocksDB's own words go nowhere: what matters comes back as a status.
class silence final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::Options options_for(const rocksdb_config& config) {
  rocksdb::Options out;
  out.info_log = std::make_shared<silence>();
  if (config.environment != nullptr) out.env = config.environment;
  out.write_buffer_size = config.write_buffer_bytes;
  out.max_write_buffer_number = 3;  // One is filled while two are written out; with two, commits waited for the disk.
  out.target_file_size_base = config.write_buffer_bytes;
  out.max_bytes_for_level_base = 2 * config.write_buffer_bytes;
  out.level0_file_num_compaction_trigger = 2;
  out.level_compaction_dynamic_level_bytes = true;  // Little dead room, at the price of nothing here.
  out.max_background_jobs = 2;
  out.max_file_opening_threads = 1;
  out.max_open_files = config.open_files_max;
  out.max_total_wal_size = 4 * config.write_buffer_bytes;
  out.max_manifest_file_size = 1024 * 1024;
  out.stats_dump_period_sec = out.stats_persist_period_sec = 0;
  out.skip_stats_update_on_db_open = true;
  out.track_and_verify_wals_in_manifest = true;
  out.compression = rocksdb::kLZ4Compression;
  // What was purged goes soon: a file with many deletions is compacted without waiting for its level to fill.
  out.table_properties_collector_factories.push_back(rocksdb::NewCompactOnDeletionCollectorFactory(1024, 512));
  rocksdb::BlockBasedTableOptions blocks;
  blocks.block_cache = rocksdb::NewLRUCache(config.block_cache_bytes, 0);
  blocks.cache_index_and_filter_blocks = true;
  blocks.block_size = 8 * 1024;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(blocks));
  return out;
}
}  // namespace

error rocksdb_error(const rocksdb::Status& what, const std::string& path, std::string_view doing) {
  const auto text = what.ToString();
  const auto note = [&](std::string_view advice) {
    return path + ": " + std::string(doing) + " failed: " + text + " (RocksDB); " + std::string(advice);
  };
  if (what.IsIOError() && (text.find("lock") != std::string::npos && text.find("LOCK") != std::string::npos))
    return fail(errc::already_exists, note("another process holds the folder; stop it first"));
  if (what.IsNoSpace()) return fail(errc::unavailable, note("the disk is full; make room and start again"));
  if (what.IsCorruption() || what.IsInvalidArgument() || what.IsNotFound() || what.IsPathNotFound() || what.IsNotSupported())
    return fail(errc::corrupt, note("restore a backup over the folder, or move it away to begin empty"));
  if (text.find("Permission denied") != std::string::npos)
    return fail(errc::forbidden, note("give this user the right to write the folder"));
  if (what.IsIOError()) return fail(errc::unavailable, note("the disk did not do what it was asked; see the kernel's log"));
  return fail(errc::internal, note("this is a fault of ours"));
}

result<std::unique_ptr<rocksdb_table>> rocksdb_table::open(const rocksdb_config& config, bool fresh) {
  std::unique_ptr<rocksdb_table> out(new rocksdb_table(config.path));
  auto options = options_for(config);
  // Never over a folder that has lost its CURRENT file: what is left of it is somebody's data.
  options.create_if_missing = fresh;
  rocksdb::DB* raw = nullptr;
  const auto said = rocksdb::DB::Open(options, config.path, &raw);
  out->database_.reset(raw);
  if (!said.ok()) return rocksdb_error(said, config.path, "opening it");
  if (fresh && (!out->write_meta({}) || !out->commit())) return out->why("writing a new log");
  out->marked_copy_ = is_marked_copy(config.path);
  return out;
}

bool rocksdb_table::keep(rocksdb::Status what) {
  if (what.ok()) return true;
  trouble_ = std::move(what);
  return false;
}
error rocksdb_table::why(std::string_view doing) { return rocksdb_error(trouble_, path_, doing); }

bool rocksdb_table::commit() {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  if (batch_.Count() > 0) {
    if (!keep(database_->Write(synced, &batch_))) return false;  // Syncs what was handed over, too.
  } else if (unsynced_ && !keep(database_->SyncWAL())) {
    return false;
  }
  rollback();
  unsynced_ = false;
  if (!std::exchange(marked_copy_, false)) return true;
  // The jump of a restored copy is on disk; were it not for the mark it would not be made again.
  const auto ok = unmark_copy(path_);
  if (!ok) trouble_ = rocksdb::Status::IOError(ok.why().note);
  return ok.ok();
}
void rocksdb_table::rollback() {
  batch_.Clear();
  overlay_.clear();
}
bool rocksdb_table::hand_over() {
  if (batch_.Count() == 0) return true;
  unsynced_ = true;
  if (!keep(database_->Write(rocksdb::WriteOptions(), &batch_))) return false;
  rollback();
  return true;
}

bool rocksdb_table::insert(const log_row& row) {
  auto& text = overlay_[row.at] = encoded(row);
  return keep(batch_.Put(key_of(row.at), text));
}
bool rocksdb_table::erase(revision at) {
  overlay_.erase(at);
  return keep(batch_.SingleDelete(key_of(at)));  // Each row is put once.
}

bool rocksdb_table::write_meta(const meta_values& values) {
  for (const auto& [name, value] : values.numbers()) {
    std::string text;
    put_number(text, static_cast<std::uint64_t>(value), 8);
    put_number(text, number_checksum(name, value), 4);
    if (!keep(batch_.Put("m" + std::string(name), text))) return false;
  }
  return true;
}

result<meta_values> rocksdb_table::read_meta() {
  meta_values out;
  for (const auto& [name, zero] : meta_values{}.numbers()) {
    std::string text;
    const auto said = database_->Get({}, "m" + std::string(name), &text);
    if (!said.ok()) return rocksdb_error(said, path_, "reading " + std::string(name));
    const auto value = text.size() == 12 ? static_cast<std::int64_t>(get_number(text, 0, 8)) : zero;
    if (text.size() != 12 || get_number(text, 8, 4) != number_checksum(name, value))
      return fail(errc::corrupt, "the checksum of meta " + std::string(name) + " does not match");
    out.take(name, value);
  }
  out.copy = marked_copy_;
  return out;
}

log_table::found rocksdb_table::find(revision at, std::string_view& out) {
  if (const auto waiting = overlay_.find(at); waiting != overlay_.end()) {
    out = waiting->second;
    return found::row;
  }
  held_.Reset();
  const auto said = database_->Get({}, database_->DefaultColumnFamily(), key_of(at), &held_);
  if (said.IsNotFound()) return found::none;
  if (said.IsCorruption()) return found::bad;  // A block that does not match its checksum: this row is lost, the rest is not.
  if (!keep(said)) return found::failed;
  out = view(held_);
  return found::row;
}

log_table::found rocksdb_table::read(revision at, log_row& out) {
  std::string_view text;
  out = {};
  out.at = at;
  const auto got = find(at, text);
  if (got != found::row) return got;
  return checked(at, text, out) ? found::row : found::bad;
}
log_table::found rocksdb_table::read_link(revision at, log_row& out) {
  std::string_view text;
  const auto got = find(at, text);
  if (got != found::row) return got;
  return decode(at, text, out) ? found::row : found::none;
}

std::unique_ptr<rocksdb::Iterator> rocksdb_table::walk(revision after, revision upto) {
  hand_over();
  rocksdb::ReadOptions how;
  how.fill_cache = false;
  scan_end_ = upto == INT64_MAX ? "m" : key_of(upto + 1);
  scan_end_slice_ = scan_end_;
  how.iterate_upper_bound = &scan_end_slice_;
  std::unique_ptr<rocksdb::Iterator> out(database_->NewIterator(how));
  out->Seek(key_of(after + 1));
  return out;
}
void rocksdb_table::begin_scan(revision after, revision upto) {
  scan_ = walk(after, upto);
  scan_moved_ = false;
}
log_table::found rocksdb_table::next(log_row& out) {
  // Moving on first would lose the views of the row that was told last, so the step comes before all but the first.
  if (scan_moved_) scan_->Next();
  scan_moved_ = true;
  if (!scan_->Valid()) return keep(scan_->status()) ? found::none : found::failed;
  if (scan_->key().size() != 9) return found::bad;
  return checked(revision_of(view(scan_->key())), view(scan_->value()), out) ? found::row : found::bad;
}

bool rocksdb_table::list_doomed(revision after, revision upto, std::size_t limit, std::vector<doomed>& out) {
  out.clear();
  const auto at = walk(after, upto);
  for (; at->Valid() && out.size() < limit; at->Next()) {
    log_row row, before;
    const revision here = revision_of(view(at->key()));
    if (!decode(here, view(at->value()), row)) return keep(rocksdb::Status::Corruption("a record that cannot be read"));
    doomed& one = out.emplace_back();
    one.at = here;
    one.tombstone = row.kind == row_kind::erase;
    if (one.tombstone) one.key = row.key;
    if (row.version == 1 || row.previous == 0) continue;
    const auto got = read_link(row.previous, before);
    if (got == found::failed) return false;
    if (got != found::row) continue;
    one.previous = row.previous;
    one.previous_bytes = record_bytes(before.key.size(), before.value.size());
  }
  return keep(at->status());
}

std::unique_ptr<job> rocksdb_table::make_backup_job(std::string path, engine::done done) {
  return make_rocksdb_backup_job(*database_, std::move(path), std::move(done));
}

}  // namespace troupe::storage
