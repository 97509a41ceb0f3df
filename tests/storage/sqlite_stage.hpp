// What the tests of the SQLite engine share: opening one, and keeping it busy.
#pragma once
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>

#include "storage/sqlite/sqlite.hpp"
#include "tests/storage/rig.hpp"
#include "tests/storage/embedded/writer.hpp"

namespace troupe::storage::testing {

/// A rig that needs no pumping and opens nothing: the engine has a thread of its own.
struct no_pump final : rig {
  std::string name() const override { return "sqlite"; }
  std::unique_ptr<engine> open(retention) override { return nullptr; }
  std::unique_ptr<engine> open_copy() override { return nullptr; }
  std::string path() const override { return {}; }
};

inline sqlite_config config_at(const std::string& path, const char* vfs = "") {
  sqlite_config out;
  out.path = path;
  out.vfs = vfs;
  return out;
}
inline std::unique_ptr<engine> open_at(const std::string& path, const char* vfs = "") {
  auto opened = open_sqlite(config_at(path, vfs));
  REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? std::string() : opened.why().text()));
  return std::move(*opened);
}

}  // namespace troupe::storage::testing
