//   commit() -> queue -> [ writer: apply* -> COMMIT -> completions -> upkeep ] -> slice of a job -> ...
//   relaxed:             [ writer: apply* -> completions ] ... COMMIT with the next durable one, or when due
#include "storage/embedded/engine.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "storage/embedded/jobs.hpp"

namespace troupe::storage {
namespace {
constexpr std::size_t group_bytes_max = 1024 * 1024;
constexpr std::size_t sync_samples = 256;

struct entry {
  std::vector<operation> batch;
  engine::commit_done done;
  std::size_t bytes = 0;
  std::unique_ptr<job> work;                ///< Set: not a commit.
  std::optional<outcome::kind> refused;     ///< Set: answered in its turn without being applied.
  const char* note = "";
  std::size_t operations = 0;
  committed_batch out;
};

class embedded_engine final : public engine {
 public:
  embedded_engine(const embedded_config& config, std::unique_ptr<store> opened, std::function<std::uint64_t()> file_bytes)
      : config_(config), file_bytes_(std::move(file_bytes)), store_(std::move(opened)) {
    published_.now = standing::leading;
    publish();
    writer_ = std::thread([this] { run(); });
  }
  ~embedded_engine() override {
    {
      const std::lock_guard hold(mutex_);
      stopping_ = true;
    }
    ready_.notify_one();
    writer_.join();
  }

  void commit(std::vector<operation> batch, commit_done done) override {
    entry fresh;
    fresh.operations = batch.size();
    for (const auto& one : batch) fresh.bytes += one.key.size() + one.value.size();
    fresh.batch = std::move(batch);
    fresh.done = std::move(done);
    enter(std::move(fresh));
  }
  void range(range_query what, range_done done) override { enter(make_range_job(std::move(what), std::move(done))); }
  void changes_after(revision after, std::size_t limit, changes_done done) override {
    enter(make_changes_job(after, limit, std::move(done)));
  }
  void compact(revision to, engine::done finished) override {
    enter(make_compact_job(to, [this, finished = std::move(finished)](result<void> what) {
      publish();  // Whoever has the answer also finds it in status().
      finished(std::move(what));
    }));
  }
  void backup(std::string path, engine::done finished) override {
    enter(store_->table().make_backup_job(std::move(path), std::move(finished)));
  }
  void raise_revision(revision to, engine::done finished) override {
    enter(make_raise_job(to, [this, finished = std::move(finished)](result<void> what) {
      publish();
      finished(std::move(what));
    }));
  }
  void verify(engine::done finished) override { enter(make_verify_job(std::move(finished))); }

  storage::status status() const override;
  void on_news(callback<void()> wake) override {
    {
      const std::lock_guard hold(wake_guard_);
      wake_ = std::move(wake);
    }
    tell_news();  // The disk may have failed before anybody asked.
  }

 private:
  void enter(std::unique_ptr<job> work) {
    entry fresh;
    fresh.work = std::move(work);
    enter(std::move(fresh));
  }
  void enter(entry fresh);
  void run();
  bool take(std::vector<entry>& group);
  std::optional<duration> patience() const;
  void settle_when_due();
  void run_group(std::vector<entry>& group);
  void run_slice(std::unique_ptr<job> work);
  void refuse(entry& one, outcome::kind what, std::string_view note);
  void retract(entry& one);
  void publish();
  void tell_news();
  void sample(mono_time began);

  const embedded_config config_;
  const std::function<std::uint64_t()> file_bytes_;
  std::unique_ptr<store> store_;            ///< Writer thread only, once it runs.
  std::deque<std::unique_ptr<job>> slow_;   ///< Writer thread only: begun, next slice in turn.
  bool idle_ = false;                       ///< Writer thread only: idle_wait has passed with nothing to do.
  std::optional<mono_time> flush_due_;      ///< Writer thread only: set while relaxed writes wait.
  std::optional<mono_time> rest_due_;       ///< Writer thread only: set since the last relaxed write.

  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<entry> queue_;
  std::size_t flying_operations_ = 0, flying_bytes_ = 0;
  bool stopping_ = false, waiting_ = false;
  storage::status published_;
  std::array<float, sync_samples> sync_ms_{};
  std::size_t sync_count_ = 0;
  std::mutex wake_guard_;                   ///< Protects wake_ and told_, and is held while wake_ runs. Taken before mutex_.
  callback<void()> wake_;
  bool told_ = false;
  std::thread writer_;
};

void embedded_engine::enter(entry fresh) {
  bool wake = false;
  std::vector<operation> dropped;  // Freed outside the lock.
  {
    const std::lock_guard hold(mutex_);
    if (fresh.operations > batch_operations_max) {
      fresh.refused = outcome::kind::too_large;
      fresh.note = "more operations than a batch may have";
    } else if (flying_operations_ > 0 && (flying_operations_ + fresh.operations > config_.in_flight_operations_max ||
                                          flying_bytes_ + fresh.bytes > config_.in_flight_bytes_max)) {
      fresh.refused = outcome::kind::overloaded;
      fresh.note = "too much is in flight";
    }
    if (fresh.refused) {
      dropped = std::exchange(fresh.batch, {});
      fresh.bytes = 0;
    } else {
      flying_operations_ += fresh.operations;
      flying_bytes_ += fresh.bytes;
    }
    queue_.push_back(std::move(fresh));
    wake = std::exchange(waiting_, false);
  }
  if (wake) ready_.notify_one();
}

/// How long the thread may wait for work before it has to do something by itself; nothing = for ever.
std::optional<duration> embedded_engine::patience() const {
  std::optional<duration> out;
  const auto no_longer_than = [&](duration most) { out = out ? std::min(*out, most) : most; };
  if (store_->untidy()) no_longer_than(config_.idle_wait);
  if (flush_due_) no_longer_than(*flush_due_ - config_.now());
  else if (rest_due_ && store_->reserving()) no_longer_than(*rest_due_ - config_.now());
  return out;
}

bool embedded_engine::take(std::vector<entry>& group) {
  group.clear();
  std::unique_lock hold(mutex_);
  const auto stirred = [this] { return !queue_.empty() || stopping_; };
  if (!stirred() && slow_.empty()) {
    if (!(idle_ && store_->untidy())) {
      const auto wait = patience();
      waiting_ = true;
      if (wait) ready_.wait_for(hold, *wait, stirred);
      else ready_.wait(hold, stirred);
      waiting_ = false;
      idle_ = !stirred() && store_->untidy() && *wait >= config_.idle_wait;
    }
  } else {
    idle_ = false;
  }
  if (!queue_.empty()) idle_ = false;
  if (queue_.empty()) return !(stopping_ && slow_.empty());
  std::size_t operations = 0, size = 0;
  while (!queue_.empty()) {
    entry& next = queue_.front();
    const bool fits = operations + next.operations <= batch_operations_max && size + next.bytes <= group_bytes_max;
    if (!group.empty() && (next.work != nullptr || !fits)) break;
    operations += next.operations;
    size += next.bytes;
    group.push_back(std::move(next));
    queue_.pop_front();
    if (group.back().work != nullptr) break;
  }
  return true;
}

void embedded_engine::run() {
  std::vector<entry> group;
  while (take(group)) {
    if (idle_) {
      store_->tidy();
      publish();
    } else if (!group.empty() && group.front().work != nullptr) {
      run_slice(std::move(group.front().work));
      publish();
    } else if (!group.empty()) {
      run_group(group);
    }
    settle_when_due();
    if (slow_.empty()) continue;
    auto work = std::move(slow_.front());
    slow_.pop_front();
    run_slice(std::move(work));
    if (store_->broken()) publish();
  }
  store_->flush();
  store_->rest();
}

void embedded_engine::settle_when_due() {
  if (!flush_due_ && !rest_due_) return;
  if (!store_->pending()) flush_due_.reset();
  const mono_time now = config_.now();
  if (flush_due_ && now >= *flush_due_) {
    store_->flush();
    flush_due_.reset();
    store_->upkeep();
  } else if (rest_due_ && now >= *rest_due_ && !flush_due_) {
    store_->rest();
    rest_due_.reset();
  }
  if (store_->broken()) publish();
}

void embedded_engine::run_slice(std::unique_ptr<job> work) {
  if (work->wants_flush()) store_->flush();
  if (!work->run(*store_)) slow_.push_back(std::move(work));
  store_->end_read();
}

void embedded_engine::refuse(entry& one, outcome::kind what, std::string_view note) {
  one.out.changes.clear();
  one.out.outcomes.assign(one.operations, outcome{what, 0, {}, std::string(note)});
}

/// The group did not make it: nobody may be told what its transaction showed.
void embedded_engine::retract(entry& one) {
  const bool unknown = store_->commit_failed();
  one.out.changes.clear();
  for (auto& said : one.out.outcomes) {
    if (said.what == outcome::kind::too_large) continue;
    const bool applied = said.what == outcome::kind::committed;
    said = {applied && unknown ? outcome::kind::outcome_unknown : outcome::kind::unavailable, 0, {}, store_->trouble().note};
  }
}

void embedded_engine::run_group(std::vector<entry>& group) {
  const bool was_broken = store_->broken();
  bool relaxed = false;
  for (auto& one : group) {
    for (const auto& asked : one.batch) relaxed = relaxed || asked.relaxed;
    if (one.refused) refuse(one, *one.refused, one.note);
    else if (was_broken) refuse(one, outcome::kind::unavailable, store_->trouble().note);
    else store_->apply(one.batch, one.out);
  }
  const mono_time began = config_.now ? config_.now() : mono_time{};
  const bool synced = store_->finish_group();
  if (relaxed && config_.now) {
    rest_due_ = began + config_.relaxed_quiet;
    if (store_->pending() && !flush_due_) flush_due_ = began + config_.relaxed_delay;
  }
  if (synced) flush_due_.reset();
  if (!was_broken && store_->broken())
    for (auto& one : group)
      if (!one.refused) retract(one);
  if (synced) sample(began);
  publish();
  std::size_t operations = 0, size = 0;
  for (const auto& one : group) {
    operations += one.refused ? 0 : one.operations;
    size += one.bytes;
  }
  {
    const std::lock_guard hold(mutex_);  // Before the completions: whoever commits from one finds room.
    flying_operations_ -= operations;
    flying_bytes_ -= size;
  }
  for (auto& one : group) {
    one.out.head = one.out.changes.empty() ? published_.head : one.out.changes.back().at;
    one.done(std::move(one.out));
    one.done = nullptr;
  }
  store_->upkeep();
  if (store_->broken()) publish();
}

void embedded_engine::sample(mono_time began) {
  if (!config_.now || store_->broken()) return;
  const auto took = std::chrono::duration<float, std::milli>(config_.now() - began).count();
  const std::lock_guard hold(mutex_);
  sync_ms_[sync_count_++ % sync_samples] = took;
}

void embedded_engine::publish() {
  bool fell = false;
  {
    const std::lock_guard hold(mutex_);
    if (!store_->broken()) {
      published_.head = store_->ends().head;
      published_.floor = store_->ends().floor;
      published_.keys = store_->index().live();
    } else {
      fell = std::exchange(published_.now, standing::closed) != standing::closed;
    }
  }
  if (fell) tell_news();
}

/// Once in a life there is news: that the engine has closed.
void embedded_engine::tell_news() {
  const std::lock_guard told(wake_guard_);
  {
    const std::lock_guard hold(mutex_);
    if (!wake_ || told_ || published_.now != standing::closed) return;
  }
  told_ = true;
  wake_();
}

storage::status embedded_engine::status() const {
  storage::status out;
  std::vector<float> samples;
  {
    const std::lock_guard hold(mutex_);
    out = published_;
    samples.assign(sync_ms_.begin(), sync_ms_.begin() + static_cast<std::ptrdiff_t>(std::min(sync_count_, sync_samples)));
  }
  if (!samples.empty()) {
    std::sort(samples.begin(), samples.end());
    out.sync_p50_ms = static_cast<double>(samples[samples.size() / 2]);
    out.sync_p99_ms = static_cast<double>(samples[samples.size() * 99 / 100]);
  }
  out.file_bytes = file_bytes_();
  return out;
}

}  // namespace

std::vector<std::string> problems(const embedded_config& config) {
  std::vector<std::string> out;
  if (config.path.empty()) out.push_back("path is empty");
  if (config.relaxed_delay < duration(0)) out.push_back("relaxed_delay is negative");
  if (config.relaxed_quiet < config.relaxed_delay) out.push_back("relaxed_quiet is shorter than relaxed_delay");
  if (config.kept.kept_revisions_min < 0) out.push_back("kept_revisions_min is negative");
  if (config.in_flight_operations_max < batch_operations_max)
    out.push_back("in_flight_operations_max is less than a batch may have");
  if (config.in_flight_bytes_max < value_bytes_max) out.push_back("in_flight_bytes_max is less than one value may have");
  return out;
}

std::unique_ptr<engine> make_embedded_engine(const embedded_config& config, std::unique_ptr<store> opened,
                                             std::function<std::uint64_t()> file_bytes) {
  return std::make_unique<embedded_engine>(config, std::move(opened), std::move(file_bytes));
}

}  // namespace troupe::storage
