// What the tests of the SQLite engine share: opening one, and keeping it busy.
#pragma once
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>

#include "storage/sqlite/sqlite.hpp"
#include "tests/storage/rig.hpp"

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

/// Keeps `flying` creations of unused keys in flight; each acknowledged one is handed to `acknowledged`.
class steady_writer {
 public:
  steady_writer(engine& e, std::uint64_t first, std::function<void(std::uint64_t, revision)> acknowledged)
      : engine_(e), next_(first), acknowledged_(std::move(acknowledged)) {}
  void next() {
    const auto number = next_++;
    std::vector<operation> batch;
    batch.push_back(create(numbered("/k/", number), std::string(200 + number * 37 % 1500, static_cast<char>('a' + number % 26))));
    engine_.commit(std::move(batch), [this, number](committed_batch out) {
      const auto& said = out.outcomes.at(0);
      if (said.what != outcome::kind::committed) return;
      acknowledged_(number, said.at);
      if (!stop_) next();
    });
  }
  std::atomic<bool> stop_ = false;

 private:
  engine& engine_;
  std::atomic<std::uint64_t> next_;
  std::function<void(std::uint64_t, revision)> acknowledged_;
};
}  // namespace troupe::storage::testing
