#include "tests/bench/datastore/kine_like.hpp"

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace troupe::bench {
namespace {
void must(bool fine, sqlite3* on, const char* doing) {
  if (fine) return;
  std::fprintf(stderr, "kine_like: %s: %s\n", doing, on != nullptr ? sqlite3_errmsg(on) : "no connection");
  std::abort();
}
}  // namespace

void kine_client::create_schema(const std::string& path) {
  auto made = storage::open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, {});
  must(made.ok(), nullptr, "open");
  const char* sql =
      "PRAGMA journal_mode=WAL;"
      "CREATE TABLE kine(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, created INTEGER, deleted INTEGER,"
      " create_revision INTEGER NOT NULL, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);"
      "CREATE INDEX kine_name_index ON kine(name);"
      "CREATE INDEX kine_name_id_index ON kine(name, id);"
      "CREATE INDEX kine_id_deleted_index ON kine(id, deleted);"
      "CREATE INDEX kine_prev_revision_index ON kine(prev_revision);"
      "CREATE UNIQUE INDEX kine_name_prev_revision_uindex ON kine(name, prev_revision);"
      "CREATE INDEX kine_list_query_index ON kine(id, name, prev_revision) WHERE name <> 'compact_rev_key' AND"
      " prev_revision <> 0;"
      "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value)"
      " VALUES('compact_rev_key', 1, 0, 0, 0, 0, '', '')";
  must(storage::run_sql(made->get(), sql) == SQLITE_OK, made->get(), "schema");
}

kine_client::kine_client(const std::string& path, bool safe) {
  auto opened = storage::open_database(path, SQLITE_OPEN_READWRITE, {});
  must(opened.ok(), nullptr, "open");
  connection_ = std::move(*opened);
  sqlite3_busy_timeout(connection_.get(), 30'000);
  must(storage::run_sql(connection_.get(), safe ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL") == SQLITE_OK,
       connection_.get(), "pragma");
  const std::string columns =
      "SELECT (SELECT MAX(rkv.id) FROM kine AS rkv),"
      "(SELECT MAX(crkv.prev_revision) FROM kine AS crkv WHERE crkv.name = 'compact_rev_key'),"
      "kv.id, kv.name, kv.created, kv.deleted, kv.create_revision, kv.prev_revision, kv.lease";
  const std::string from = " FROM kine AS kv WHERE kv.id = (SELECT MAX(mkv.id) FROM kine AS mkv WHERE mkv.name = CAST(? AS TEXT))";
  must(newest_.prepare(connection_.get(), (columns + from).c_str()).ok(), connection_.get(), "prepare");
  must(newest_with_value_.prepare(connection_.get(), (columns + ", kv.value" + from).c_str()).ok(), connection_.get(), "prepare");
  must(list_
           .prepare(connection_.get(),
                    (columns + ", kv.value, kv.old_value FROM kine AS kv JOIN (SELECT MAX(mkv.id) AS id FROM kine AS mkv"
                     " WHERE mkv.name LIKE CAST(? AS TEXT) GROUP BY mkv.name) AS maxkv ON maxkv.id = kv.id"
                     " WHERE kv.deleted = 0 ORDER BY kv.name ASC").c_str())
           .ok(),
       connection_.get(), "prepare");
  must(insert_
           .prepare(connection_.get(),
                    "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value)"
                    " SELECT CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, (SELECT value FROM kine WHERE id = ?)")
           .ok(),
       connection_.get(), "prepare");
}

void kine_client::begin_bulk(kine_client& on) {
  must(storage::run_sql(on.connection_.get(), "PRAGMA synchronous=OFF;BEGIN") == SQLITE_OK, on.connection_.get(), "bulk");
}
void kine_client::end_bulk(kine_client& on) {
  must(storage::run_sql(on.connection_.get(), "COMMIT;PRAGMA synchronous=FULL;PRAGMA wal_checkpoint(FULL)") == SQLITE_OK,
       on.connection_.get(), "bulk");
}

std::int64_t kine_client::write(std::string_view key, std::string_view value, std::int64_t expected, bool erase) {
  auto& look = expected == 0 ? newest_ : newest_with_value_;
  look.bind(1, key);
  const int code = look.step();
  must(code == SQLITE_ROW || code == SQLITE_DONE, connection_.get(), "select");
  const bool found = code == SQLITE_ROW;
  const std::int64_t present = found ? look.number(2) : 0, created = found ? look.number(6) : 0;
  const bool live = found && look.number(5) == 0;
  look.reset();
  if (expected == 0 ? live : !live || present != expected) return 0;
  insert_.bind(1, key);
  insert_.bind(2, std::int64_t{expected == 0});
  insert_.bind(3, std::int64_t{erase});
  insert_.bind(4, created);
  insert_.bind(5, present);
  insert_.bind(6, std::int64_t{0});
  insert_.bind(7, value);
  insert_.bind(8, present);
  const int done = insert_.run();
  must(done == SQLITE_OK || (done & 0xff) == SQLITE_CONSTRAINT, connection_.get(), "insert");
  return done == SQLITE_OK ? sqlite3_last_insert_rowid(connection_.get()) : 0;
}

std::size_t kine_client::list(std::string_view prefix) {
  struct row { std::string name, value; };
  std::vector<row> rows;
  list_.bind(1, prefix);
  int code = SQLITE_ROW;
  while ((code = list_.step()) == SQLITE_ROW) rows.push_back({std::string(list_.blob(3)), std::string(list_.blob(9))});
  must(code == SQLITE_DONE, connection_.get(), "list");
  list_.reset();
  return rows.size();
}

}  // namespace troupe::bench
