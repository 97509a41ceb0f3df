#include "storage/sim/sim.hpp"

namespace troupe::storage::sim {
namespace {
duration between(rng& chance, duration least, duration most) {
  return least + duration(static_cast<std::int64_t>(chance.below(static_cast<std::uint64_t>((most - least).count()) + 1)));
}
}  // namespace

sim_engine::sim_engine(agenda& when, rng chance, std::shared_ptr<memory_disk> disk, sim_config config)
    : when_(&when), chance_(chance), disk_(std::move(disk)), config_(config) {}

sim_engine::~sim_engine() {
  if (waiting_) when_->cancel(due_);
  waiting_ = true;  // run_next() must not enter the agenda any more.
  while (!queue_.empty()) run_next();
}

void sim_engine::enter(job what, duration least, duration most) {
  if (crashed_) return;
  const mono_time begins = std::max(free_at_, when_->now());
  free_at_ = begins + between(chance_, least, most);
  queue_.push_back(std::move(what));
  due_times_.push_back(free_at_);
  if (waiting_) return;
  waiting_ = true;
  due_ = when_->in(free_at_ - when_->now(), [this] { waiting_ = false; run_next(); });
}

void sim_engine::run_next() {
  job next = std::move(queue_.front());
  queue_.pop_front();
  due_times_.pop_front();
  if (!waiting_ && !queue_.empty()) {
    waiting_ = true;
    due_ = when_->in(due_times_.front() - when_->now(), [this] { waiting_ = false; run_next(); });
  }
  if (next.work) return next.work();
  next.committed(run_commit(std::move(next.batch)));
}

committed_batch sim_engine::refuse(std::size_t count, outcome::kind what, const char* note) const {
  committed_batch out;
  out.head = disk_->log.ends().head;
  out.outcomes.assign(count, outcome{what, 0, {}, note});
  return out;
}

committed_batch sim_engine::run_commit(std::vector<operation> batch) {
  const auto count = batch.size();
  if (count > batch_operations_max)
    return refuse(count, outcome::kind::too_large, "more operations than a batch may have");
  if (fault_ == fault::disk_full) become(standing::closed);
  if (standing_ == standing::closed) return refuse(count, outcome::kind::unavailable, "the disk is full");
  if (fault_ == fault::leaderless) return refuse(count, outcome::kind::unavailable, "no leader");
  if (fault_ == fault::unavailable) return refuse(count, outcome::kind::unavailable, "scripted");
  if (fault_ == fault::outcome_unknown) {
    if (chance_.chance(50)) disk_->log.apply(std::move(batch));
    return refuse(count, outcome::kind::outcome_unknown, "scripted");
  }
  return disk_->log.apply(std::move(batch));
}

void sim_engine::crash() {
  if (crashed_) return;
  crashed_ = true;
  if (waiting_) when_->cancel(due_);
  waiting_ = false;
  auto lost = std::exchange(queue_, {});
  due_times_.clear();
  for (auto& one : lost) {
    if (!chance_.chance(50)) break;  // A log has no holes: nothing after the first loss is there.
    if (!one.work) run_commit(std::move(one.batch));
  }
  standing_ = standing::closed;  // Nobody is woken: the process that would listen is dead.
}

void sim_engine::set_fault(fault what) {
  if (crashed_ || standing_ == standing::closed) return;
  fault_ = what;
  become(what == fault::leaderless ? standing::leaderless : standing::leading);
}

void sim_engine::become(standing now) {
  if (standing_ == now) return;
  standing_ = now;
  if (wake_) wake_();
}

void sim_engine::commit(std::vector<operation> batch, commit_done done) {
  enter({std::move(batch), std::move(done), {}}, config_.commit_min, config_.commit_max);
}

template <class Done, class Work>
void sim_engine::read(Done done, Work work) {
  job entry;
  entry.work = [this, done = std::move(done), work = std::move(work)]() mutable {
    if (standing_ == standing::closed) return done(fail(errc::closed, "the disk is full"));
    done(work());
  };
  enter(std::move(entry), config_.read_min, config_.read_max);
}

void sim_engine::range(range_query what, range_done done) {
  read(std::move(done), [this, what = std::move(what)] { return disk_->log.range(what); });
}
void sim_engine::changes_after(revision after, std::size_t limit, changes_done done) {
  read(std::move(done), [this, after, limit] { return disk_->log.changes_after(after, limit); });
}
void sim_engine::compact(revision to, engine::done finished) {
  read(std::move(finished), [this, to]() -> result<void> {
    if (fault_ != fault::none) return fail(errc::unavailable, "scripted");
    return disk_->log.compact(to);
  });
}
void sim_engine::raise_revision(revision to, engine::done finished) {
  read(std::move(finished), [this, to]() -> result<void> {
    if (fault_ != fault::none) return fail(errc::unavailable, "scripted");
    disk_->log.raise(to);
    return {};
  });
}
void sim_engine::backup(std::string path, engine::done finished) {
  read(std::move(finished), [this, path = std::move(path)]() -> result<void> {
    if (!disk_->copies.emplace(path, disk_->log).second) return fail(errc::already_exists, path + " exists");
    return {};
  });
}
void sim_engine::verify(engine::done finished) {
  read(std::move(finished), [this] { return disk_->log.verify(); });
}

storage::status sim_engine::status() const {
  storage::status out;
  out.head = disk_->log.ends().head;
  out.floor = disk_->log.ends().floor;
  out.keys = disk_->log.live();
  out.file_bytes = disk_->log.bytes_kept();
  out.now = standing_;
  out.sync_p50_ms = std::chrono::duration<double, std::milli>(config_.commit_min + config_.commit_max).count() / 2;
  out.sync_p99_ms = std::chrono::duration<double, std::milli>(config_.commit_max).count();
  return out;
}

}  // namespace troupe::storage::sim
