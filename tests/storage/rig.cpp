#include "tests/storage/rig.hpp"

#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "storage/memory/memory.hpp"
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

class sqlite_rig final : public rig {
 public:
  std::string name() const override { return "sqlite"; }
  std::string path() const override { return folder_ / "state.db"; }
  std::unique_ptr<engine> open(retention kept) override { return open_at(path(), kept); }
  std::unique_ptr<engine> open_copy() override { return open_at(path() + ".copy", {}); }

 private:
  static std::unique_ptr<engine> open_at(const std::string& path, retention kept) {
    sqlite_config config;
    config.path = path;
    config.kept = kept;
    config.idle_wait = duration(0);
    auto opened = open_sqlite(config);
    if (!opened) throw std::runtime_error(opened.why().text());
    return std::move(*opened);
  }
  scratch_folder folder_;
};

}  // namespace

std::unique_ptr<rig> make_sqlite_rig() { return std::make_unique<sqlite_rig>(); }

std::vector<std::function<std::unique_ptr<rig>()>> all_rigs() {
  return {[] { return std::make_unique<memory_rig>(); }, [] { return std::make_unique<sim_rig>(); }, make_sqlite_rig};
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
