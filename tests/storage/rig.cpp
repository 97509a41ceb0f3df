#include "tests/storage/rig.hpp"

#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "storage/memory/memory.hpp"
#include "storage/rocksdb/rocksdb.hpp"
#include "storage/sim/sim.hpp"
#include "storage/sqlite/sqlite.hpp"

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

std::vector<rig_factory>& rig_factories() {
  static std::vector<rig_factory> all = {[] { return std::make_unique<memory_rig>(); },
                                         [] { return std::make_unique<sim_rig>(); }, make_sqlite_rig,
                                         [] { return std::make_unique<rocksdb_rig>("rocksdb"); }};
  return all;
}

committed_batch commit(rig& on, engine& e, std::vector<operation> batch) {
  const auto send = [&](std::vector<operation> some) {
    answer<committed_batch> out;
    e.commit(std::move(some), out.take());
    return out.get(on);
  };
  if (!e.shared() || batch.size() > batch_operations_max) return send(std::move(batch));
  const auto head = [&] {
    answer<result<revision>> now;
    e.read_head(now.take());
    return now.get(on).value();
  };
  committed_batch out;
  const revision before = head();
  revision newest = 0;
  for (auto& one : batch) {
    std::vector<operation> alone;
    alone.push_back(std::move(one));
    out.outcomes.push_back(send(std::move(alone)).outcomes.at(0));
    newest = std::max(newest, out.outcomes.back().at);
  }
  out.head = head();
  while (newest > 0 && (out.changes.empty() || out.changes.back().at < newest)) {  // What a watch brings takes its time.
    auto told = changes(on, e, before).value();
    if (!told.empty()) out.changes = std::move(told);
  }
  return out;
}

std::string told(const result<page>& what) {
  if (!what) return what.why().text();
  std::string out;
  for (const auto& one : what->records)
    out += one.key + "=" + one.value.str() + "@" + std::to_string(one.modified) + "/" + std::to_string(one.version) + " ";
  return out + (what->more ? "more" : "end");
}

scratch_folder::scratch_folder() {
  auto pattern = (std::filesystem::temp_directory_path() / "troupe-storage-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = pattern;
}
scratch_folder::~scratch_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string read_file(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}
void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

}  // namespace troupe::storage::testing
