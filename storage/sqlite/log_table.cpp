#include "storage/sqlite/log_table.hpp"

#include <array>
#include <cstring>

#include "storage/log/checksum.hpp"
#include "storage/log/compare.hpp"

namespace troupe::storage {
namespace {
// The same bytes on every machine: eight little-endian ones per number, the key's length so that key
// and value cannot trade places.
template <std::size_t N>
std::uint32_t checksum_numbers(const std::array<std::int64_t, N>& numbers) noexcept {
  std::array<char, N * 8> raw;
  for (std::size_t i = 0; i < N; ++i)
    for (std::size_t b = 0; b < 8; ++b)
      raw[i * 8 + b] = static_cast<char>(static_cast<std::uint64_t>(numbers[i]) >> (8 * b));
  return crc32c({raw.data(), raw.size()});
}

std::uint32_t meta_checksum(std::string_view name, std::int64_t value) noexcept {
  return crc32c(name, checksum_numbers(std::array{value}));
}
}  // namespace

std::uint32_t log_row::checksum() const noexcept {
  const std::uint32_t numbers = checksum_numbers(std::array<std::int64_t, 7>{
      at, static_cast<std::int64_t>(kind), previous, created, version, lease, static_cast<std::int64_t>(key.size())});
  return crc32c(value, crc32c(key, numbers));
}

record log_row::to_record() const {
  return {std::string(key), bytes(std::string(value)), created, at, version};
}

change log_row::to_change() const {
  change out;
  out.at = at;
  out.key = key;
  if (kind == row_kind::put) out.value = bytes(std::string(value));
  out.created = created;
  out.previous = version == 1 ? 0 : previous;  // A creation's chain leads to a tombstone: nothing live is replaced.
  out.version = version;
  out.erased = kind == row_kind::erase;
  return out;
}

result<void> write_meta(sqlite3* on, const meta_values& values) {
  statement put;
  if (auto ok = put.prepare(on, "INSERT OR REPLACE INTO meta VALUES(CAST(?1 AS TEXT),?2,?3)"); !ok) return ok;
  const std::pair<std::string_view, std::int64_t> rows[] = {
      {"head_rev", values.ends.head}, {"compact_rev", values.ends.floor}, {"copy", values.copy ? 1 : 0}};
  for (const auto& [name, value] : rows) {
    put.bind(1, name);
    put.bind(2, value);
    put.bind(3, meta_checksum(name, value));
    if (const int code = put.run(); code != SQLITE_OK) return sqlite_error(code, "meta", "writing " + std::string(name));
  }
  return {};
}

result<meta_values> read_meta(sqlite3* on) {
  statement get;
  if (auto ok = get.prepare(on, "SELECT k, v, crc FROM meta"); !ok) return ok.why();
  meta_values out;
  int seen = 0, code = SQLITE_ROW;
  while ((code = get.step()) == SQLITE_ROW) {
    const auto name = get.blob(0);
    const auto value = get.number(1);
    if (meta_checksum(name, value) != static_cast<std::uint32_t>(get.number(2)))
      return fail(errc::corrupt, "the checksum of meta " + std::string(name) + " does not match");
    if (name == "head_rev") { out.ends.head = value; ++seen; }
    if (name == "compact_rev") { out.ends.floor = value; ++seen; }
    if (name == "copy") { out.copy = value != 0; ++seen; }
  }
  if (code != SQLITE_DONE) return sqlite_error(code, "meta", "reading it");
  if (seen != 3) return fail(errc::corrupt, "meta has " + std::to_string(seen) + " of 3 rows");
  return out;
}

result<void> log_table::prepare(sqlite3* on) {
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
    if (auto ok = which->prepare(on, sql); !ok) return ok;
  return {};
}

int log_table::insert(const log_row& row) {
  insert_.bind(1, row.at);
  insert_.bind(2, static_cast<std::int64_t>(row.kind));
  insert_.bind(3, row.previous);
  insert_.bind(4, row.created);
  insert_.bind(5, row.version);
  insert_.bind(6, row.lease);
  insert_.bind(7, static_cast<std::int64_t>(row.checksum()));
  insert_.bind(8, row.key);
  insert_.bind(9, row.value);
  return insert_.run();
}

int log_table::erase(revision at) {
  erase_.bind(1, at);
  return erase_.run();
}

log_table::found log_table::take(statement& from, int code, log_row& out) {
  if (code == SQLITE_DONE) return found::none;
  if (code != SQLITE_ROW) return found::failed;
  out.at = from.number(0);
  out.kind = static_cast<row_kind>(from.number(1));
  out.previous = from.number(2);
  out.created = from.number(3);
  out.version = from.number(4);
  out.lease = from.number(5);
  out.key = from.blob(7);
  out.value = from.blob(8);
  const bool known = out.kind == row_kind::put || out.kind == row_kind::erase;
  return known && out.checksum() == static_cast<std::uint32_t>(from.number(6)) ? found::row : found::bad;
}

log_table::found log_table::read(revision at, log_row& out, int& code) {
  read_.bind(1, at);
  code = read_.step();
  return take(read_, code, out);
}

log_table::found log_table::read_link(revision at, log_row& out, int& code) {
  link_.bind(1, at);
  code = link_.step();
  if (code != SQLITE_ROW) {
    link_.reset();
    return code == SQLITE_DONE ? found::none : found::failed;
  }
  out.at = link_.number(0);
  out.kind = static_cast<row_kind>(link_.number(1));
  out.previous = link_.number(2);
  out.created = link_.number(3);
  out.version = link_.number(4);
  link_.reset();
  return found::row;
}

void log_table::begin_scan(revision after, revision upto) {
  scan_.bind(1, after);
  scan_.bind(2, upto);
}

log_table::found log_table::next(log_row& out, int& code) {
  code = scan_.step();
  return take(scan_, code, out);
}

int log_table::list_doomed(revision after, revision upto, std::size_t limit, std::vector<doomed>& out) {
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
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

}  // namespace troupe::storage
