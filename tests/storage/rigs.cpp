// The engines that need nothing but this machine.
#include <deque>

#include "storage/memory/memory.hpp"
#include "storage/rocksdb/rocksdb.hpp"
#include "storage/sim/sim.hpp"
#include "storage/sqlite/sqlite.hpp"
#include "tests/storage/rig.hpp"

namespace troupe::storage::testing {
namespace {

class memory_rig final : public rig {
 public:
  std::string name() const override { return "memory"; }
  std::string path() const override { return "memory"; }
  std::unique_ptr<engine> open(retention kept) override {
    disk_->log.set_retention(kept);
    return make_memory_engine(disk_, [this](task what) { waiting_.push_back(std::move(what)); });
  }
  std::unique_ptr<engine> open_copy() override {
    auto copy = std::make_shared<memory_disk>(memory_disk{disk_->copies.at("memory.copy").restored(), {}});
    return make_memory_engine(copy, [this](task what) { waiting_.push_back(std::move(what)); });
  }
  void pump() override {
    while (!waiting_.empty()) {
      auto next = std::move(waiting_.front());
      waiting_.pop_front();
      next();
    }
  }

 private:
  std::shared_ptr<memory_disk> disk_ = std::make_shared<memory_disk>();
  std::deque<task> waiting_;
};

class sim_rig final : public rig {
 public:
  std::string name() const override { return "sim"; }
  std::string path() const override { return "sim"; }
  std::unique_ptr<engine> open(retention kept) override {
    disk_->log.set_retention(kept);
    return std::make_unique<sim::sim_engine>(agenda_, rng(7), disk_);
  }
  std::unique_ptr<engine> open_copy() override {
    auto copy = std::make_shared<memory_disk>(memory_disk{disk_->copies.at("sim.copy").restored(), {}});
    return std::make_unique<sim::sim_engine>(agenda_, rng(8), copy);
  }
  void pump() override {
    while (const auto due = agenda_.next_due()) {
      agenda_.advance_to(*due);
      agenda_.run_one();
    }
  }

 private:
  agenda agenda_;
  std::shared_ptr<memory_disk> disk_ = std::make_shared<memory_disk>();
};

/// An engine that writes on a disk of this machine.
template <class Config, result<std::unique_ptr<engine>> (*Open)(const Config&)>
class disk_rig final : public rig {
 public:
  explicit disk_rig(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }
  std::string path() const override { return folder_ / "state"; }
  std::unique_ptr<engine> open(retention kept) override { return open_at(path(), kept); }
  std::unique_ptr<engine> open_copy() override { return open_at(path() + ".copy", {}); }
  bool on_disk() const override { return true; }
  result<std::unique_ptr<engine>> open_with(embedded_config with) override {
    Config config;
    static_cast<embedded_config&>(config) = std::move(with);
    if (config.path.empty()) config.path = path();
    return Open(config);
  }

 private:
  std::unique_ptr<engine> open_at(const std::string& path, retention kept) {
    embedded_config config;
    config.path = path;
    config.kept = kept;
    config.idle_wait = duration(0);
    auto opened = open_with(config);
    if (!opened) throw std::runtime_error(opened.why().text());
    return std::move(*opened);
  }
  std::string name_;
  scratch_folder folder_;
};
using sqlite_rig = disk_rig<sqlite_config, open_sqlite>;
using rocksdb_rig = disk_rig<rocksdb_config, open_rocksdb>;

}  // namespace

std::unique_ptr<rig> make_sqlite_rig() { return std::make_unique<sqlite_rig>("sqlite"); }

std::vector<std::function<std::unique_ptr<rig>()>> all_rigs() {
  return {[] { return std::make_unique<memory_rig>(); }, [] { return std::make_unique<sim_rig>(); }, make_sqlite_rig,
          [] { return std::make_unique<rocksdb_rig>("rocksdb"); }};
}

}  // namespace troupe::storage::testing
