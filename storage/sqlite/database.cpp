#include "storage/sqlite/database.hpp"

namespace troupe::storage {

result<database> open_database(const std::string& path, int flags, const std::string& vfs) {
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, vfs.empty() ? nullptr : vfs.c_str());
  database out(raw);
  if (code != SQLITE_OK) return sqlite_error(code, path, "opening it");
  sqlite3_extended_result_codes(raw, 1);
  return out;
}

int run_sql(sqlite3* on, const char* sql) { return sqlite3_exec(on, sql, nullptr, nullptr, nullptr); }

error sqlite_error(int code, const std::string& path, std::string_view doing) {
  const auto note = [&](std::string_view advice) {
    return path + ": " + std::string(doing) + " failed: " + sqlite3_errstr(code) + " (SQLite " + std::to_string(code) +
           "); " + std::string(advice);
  };
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return fail(errc::already_exists, note("another process holds the file; stop it first"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return fail(errc::corrupt, note("restore a backup over it, or move it away to begin empty"));
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return fail(errc::forbidden, note("give this user the right to write the file and its folder"));
    case SQLITE_FULL: return fail(errc::unavailable, note("the disk is full; make room and start again"));
    case SQLITE_IOERR: return fail(errc::unavailable, note("the disk did not do what it was asked; see the kernel's log"));
    default: return fail(errc::internal, note("this is a fault of ours"));
  }
}

result<void> statement::prepare(sqlite3* on, const char* sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(on, sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  body_.reset(raw);
  if (code != SQLITE_OK) return fail(code == SQLITE_ERROR ? errc::corrupt : errc::internal, sqlite3_errmsg(on));
  return {};
}

}  // namespace troupe::storage
