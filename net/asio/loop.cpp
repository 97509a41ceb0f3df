#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <pthread.h>
#include <signal.h>

#include "basis/check.hpp"
#include "net/asio/loop_core.hpp"
#include "net/asio/carrier.hpp"
#include "net/asio/tcp_core.hpp"

namespace troupe::net::real {
namespace {
constexpr std::size_t spare_bytes_max = 512 * 1024;
mono_time clock_now() { return std::chrono::time_point_cast<duration>(std::chrono::steady_clock::now()); }
}  // namespace

loop_core::loop_core(std::string name) : name_(std::move(name)), alarm_(io) {}
loop_core::~loop_core() = default;

carrier& loop_core::carrying() {
  if (!carrier_) carrier_ = std::make_unique<carrier>(*this);
  return *carrier_;
}

void loop_core::post(task what) {
  bool wake = false;
  {
    std::lock_guard lock(guard_);
    if (stopped_) return;
    wake = inbox_.empty();
    inbox_.push_back(std::move(what));
  }
  // One wake-up for all that gathers until the loop comes to it.
  if (wake) ::asio::post(io, [self = shared_from_this()] { self->drain_inbox(); });
}

void loop_core::drain_inbox() {
  std::vector<task> now;
  {
    std::lock_guard lock(guard_);
    now.swap(inbox_);
  }
  for (auto& each : now) {
    task run = std::move(each);
    run();
  }
  end_turn();
}

timer_id loop_core::after(duration wait, task what) {
  CHECK_THAT(may_touch());
  if (stopped_) return 0;
  const auto at = clock_now() + std::max(wait, duration::zero());
  const auto id = ++last_timer_;
  timers_.emplace(std::pair{at, id}, std::move(what));
  due_of_.emplace(id, at);
  arm_alarm();
  return id;
}

void loop_core::cancel(timer_id which) {
  CHECK_THAT(may_touch());
  const auto found = due_of_.find(which);
  if (found == due_of_.end()) return;
  // What the task owns may itself cancel timers while it dies, so it dies last.
  auto node = timers_.extract({found->second, which});
  due_of_.erase(found);
}

void loop_core::arm_alarm() {
  if (timers_.empty()) return;
  const auto first = timers_.begin()->first.first;
  if (alarm_at_ != mono_time{} && alarm_at_ <= first) return;  // It comes early enough and looks again then.
  alarm_at_ = first;
  alarm_.expires_at(first);
  alarm_.async_wait([weak = weak_from_this()](const ::asio::error_code& bad) {
    const auto self = weak.lock();
    if (bad || !self) return;
    self->alarm_at_ = {};
    self->run_due();
    self->arm_alarm();
    self->end_turn();
  });
}

void loop_core::run_due() {
  const auto now = clock_now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    auto node = timers_.extract(timers_.begin());
    due_of_.erase(node.key().second);
    node.mapped()();
  }
}

void loop_core::start() {
  CHECK_THAT(!thread_.joinable());
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // Signals are for the main thread; ours inherits none.
  thread_ = std::thread([this] {
    owner_ = std::this_thread::get_id();
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    const auto work = ::asio::make_work_guard(io);
    io.run();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void loop_core::stop() {
  io.stop();
  if (thread_.joinable()) thread_.join();
  // What waits holds handles of its own, also of this loop; let all of it go, here, now.
  owner_ = std::this_thread::get_id();
  for (bool more = true; more;) {
    std::vector<task> inbox;
    {
      std::lock_guard lock(guard_);
      stopped_ = true;
      inbox.swap(inbox_);
    }
    auto timers = std::exchange(timers_, {});
    due_of_.clear();
    auto dirty = std::exchange(dirty_, {});
    more = !inbox.empty() || !timers.empty() || !dirty.empty();
  }
  std::vector<loop_resident*> last;
  {
    std::lock_guard lock(guard_);
    last.assign(residents_.begin(), residents_.end());
  }
  for (auto* each : last) each->evict();
  io.restart();
  io.poll();
}

bool loop_core::run_until(const std::function<bool()>& done, duration patience) {
  owner_ = std::this_thread::get_id();
  const auto work = ::asio::make_work_guard(io);
  const auto deadline = clock_now() + patience;
  end_turn();  // Of the caller, who may have written before.
  while (!done() && clock_now() < deadline) {
    if (io.stopped()) io.restart();
    io.run_one_until(deadline);
    end_turn();
  }
  return done();
}

void loop_core::mark_dirty(std::shared_ptr<tcp_core> which) { dirty_.push_back(std::move(which)); }

void loop_core::end_turn() {
  while (!dirty_.empty()) {  // A drained sink may write again.
    const auto now = std::exchange(dirty_, {});
    for (const auto& each : now) each->flush_turn();
  }
}

void loop_core::move_in(loop_resident* who) {
  std::lock_guard lock(guard_);
  residents_.insert(who);
}

void loop_core::move_out(loop_resident* who) {
  std::lock_guard lock(guard_);
  residents_.erase(who);
}

char* loop_core::read_buffer() {
  if (!read_buffer_) read_buffer_ = std::make_unique_for_overwrite<char[]>(read_bytes_max);
  return read_buffer_.get();
}

std::string loop_core::take_buffer() {
  if (spare_.empty()) return {};
  std::string out = std::move(spare_.back());
  spare_.pop_back();
  spare_bytes_ -= out.capacity();
  return out;
}

void loop_core::give_back(std::string&& buffer) {
  if (spare_bytes_ + buffer.capacity() > spare_bytes_max) {
    std::string().swap(buffer);
    return;
  }
  spare_bytes_ += buffer.capacity();
  buffer.clear();
  spare_.push_back(std::move(buffer));
  buffer = std::string();
}

loop::loop(std::string name) : core_(std::make_shared<loop_core>(std::move(name))) {}
loop::~loop() { core_->stop(); }
void loop::post(task what) { core_->post(std::move(what)); }
timer_id loop::after(duration wait, task what) { return core_->after(wait, std::move(what)); }
void loop::cancel(timer_id which) { core_->cancel(which); }
mono_time loop::now() const { return clock_now(); }
void loop::start() { core_->start(); }
void loop::stop() { core_->stop(); }
bool loop::run_until(const std::function<bool()>& done, duration patience) { return core_->run_until(done, patience); }
bool loop::here() const noexcept { return core_->here(); }

std::unique_ptr<loop> make_shard(std::string name) { return std::make_unique<loop>(std::move(name)); }

}  // namespace troupe::net::real
