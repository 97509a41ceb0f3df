// kine's table, indexes and main statements in C++: one connection per client, autocommit, no Go, no
// gRPC, no watch. An upper bound of what kine on SQLite can do. Schema and statements as in
// github.com/k3s-io/kine, pkg/drivers/sqlite and pkg/drivers/generic.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/sqlite/database.hpp"

namespace troupe::bench {

class kine_client {
 public:
  /// `safe`: synchronous FULL instead of kine's own NORMAL.
  kine_client(const std::string& path, bool safe);
  static void create_schema(const std::string& path);
  /// Preloading in one go, without syncs.
  static void begin_bulk(kine_client& on);
  static void end_bulk(kine_client& on);

  /// The new revision; 0 when the compare failed. `expected` 0 creates; an empty value with `erase` deletes.
  std::int64_t write(std::string_view key, std::string_view value, std::int64_t expected, bool erase);
  /// What kine reads for a list: the newest row of every name below `prefix` that is not deleted, with its value. How many.
  std::size_t list(std::string_view prefix);

 private:
  storage::database connection_;
  storage::statement newest_, newest_with_value_, insert_, list_;
};

}  // namespace troupe::bench
