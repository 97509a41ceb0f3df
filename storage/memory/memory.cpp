#include "storage/memory/memory.hpp"

namespace troupe::storage {
namespace {

class memory_engine final : public engine {
 public:
  memory_engine(std::shared_ptr<memory_disk> disk, post_function post)
      : disk_(std::move(disk)), post_(std::move(post)) {}

  void commit(std::vector<operation> batch, commit_done done) override {
    if (batch.size() > batch_operations_max) {
      committed_batch refused;
      refused.head = disk_->log.ends().head;
      refused.outcomes.assign(batch.size(), outcome{outcome::kind::too_large, 0, {}, "more operations than a batch may have"});
      return finish(std::move(done), std::move(refused));
    }
    finish(std::move(done), disk_->log.apply(std::move(batch)));
  }
  void range(range_query what, range_done done) override { finish(std::move(done), disk_->log.range(what)); }
  void changes_after(revision after, std::size_t limit, changes_done done) override {
    finish(std::move(done), disk_->log.changes_after(after, limit));
  }
  void compact(revision to, engine::done finished) override { finish(std::move(finished), disk_->log.compact(to)); }
  void raise_revision(revision to, engine::done finished) override {
    disk_->log.raise(to);
    finish(std::move(finished), result<void>());
  }
  void backup(std::string path, engine::done finished) override {
    const bool fresh = disk_->copies.emplace(path, disk_->log).second;
    finish(std::move(finished), fresh ? result<void>() : fail(errc::already_exists, path + " exists"));
  }
  void verify(engine::done finished) override { finish(std::move(finished), disk_->log.verify()); }

  storage::status status() const override {
    storage::status out;
    out.head = disk_->log.ends().head;
    out.floor = disk_->log.ends().floor;
    out.keys = disk_->log.live();
    out.file_bytes = disk_->log.bytes_kept();
    out.now = standing::leading;
    return out;
  }
  void on_news(callback<void()>) override {}  // It never changes.

 private:
  template <class Done, class Value>
  void finish(Done done, Value value) {
    post_([done = std::move(done), value = std::move(value)]() mutable { done(std::move(value)); });
  }

  std::shared_ptr<memory_disk> disk_;
  post_function post_;
};

}  // namespace

std::unique_ptr<engine> make_memory_engine(std::shared_ptr<memory_disk> disk, post_function post) {
  return std::make_unique<memory_engine>(std::move(disk), std::move(post));
}

}  // namespace troupe::storage
