// SQLite's handles with owners, and its codes as ours. One connection belongs to one thread.
#pragma once
#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "basis/result.hpp"

namespace troupe::storage {

struct close_database {
  void operator()(sqlite3* which) const noexcept { sqlite3_close_v2(which); }
};
using database = std::unique_ptr<sqlite3, close_database>;

/// A connection for one thread; `flags` are SQLITE_OPEN_*. The error names the file.
result<database> open_database(const std::string& path, int flags, const std::string& vfs);
/// Runs SQL without results; SQLITE_OK or the extended code.
int run_sql(sqlite3* on, const char* sql);
/// What SQLite's code means to us, with the file and what was being done in the note.
error sqlite_error(int code, const std::string& path, std::string_view doing);

/// A prepared statement. Blobs are bound without a copy: they must live until the step is done.
class statement {
 public:
  statement() = default;
  result<void> prepare(sqlite3* on, const char* sql);

  void bind(int at, std::int64_t value) { sqlite3_bind_int64(body_.get(), at, value); }
  void bind(int at, std::string_view value) {
    sqlite3_bind_blob64(body_.get(), at, value.empty() ? "" : value.data(), value.size(), SQLITE_STATIC);
  }
  /// SQLITE_ROW, SQLITE_DONE or an error's extended code.
  int step() { return sqlite3_step(body_.get()); }
  /// Makes it ready again; ends the read it may hold open.
  void reset() { sqlite3_reset(body_.get()); }
  /// step() and reset() for a statement without rows; SQLITE_OK when done.
  int run() {
    const int code = step();
    reset();
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
  }
  std::int64_t number(int column) { return sqlite3_column_int64(body_.get(), column); }
  bool is_null(int column) { return sqlite3_column_type(body_.get(), column) == SQLITE_NULL; }
  /// Valid until the next step or reset.
  std::string_view blob(int column) {
    const void* data = sqlite3_column_blob(body_.get(), column);
    return {static_cast<const char*>(data), static_cast<std::size_t>(sqlite3_column_bytes(body_.get(), column))};
  }

 private:
  struct finalize {
    void operator()(sqlite3_stmt* which) const noexcept { sqlite3_finalize(which); }
  };
  std::unique_ptr<sqlite3_stmt, finalize> body_;
};

}  // namespace troupe::storage
