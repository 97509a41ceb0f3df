#include "net/rpc/loop.hpp"

#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <pthread.h>

#include <memory>

namespace troupe::net::rpc {
namespace {
constexpr std::int64_t nanoseconds_per_second = 1'000'000'000;

gpr_timespec absolute(mono_time at) {
  const auto count = at.time_since_epoch().count();
  return {count / nanoseconds_per_second, static_cast<std::int32_t>(count % nanoseconds_per_second), GPR_CLOCK_MONOTONIC};
}
}  // namespace

gpr_timespec timespan(duration from_now) { return gpr_time_from_micros(from_now / 1us, GPR_TIMESPAN); }

loop::loop(std::string name) : name_(std::move(name)) {
  // The library would write to standard error; whatever matters comes back as a status.
  gpr_set_log_function([](gpr_log_func_args*) {});
  thread_ = std::thread([this] { run(); });
}

loop::~loop() { join(); }

void loop::join() {
  if (thread_.joinable()) thread_.join();
}

mono_time loop::now() const {
  const auto at = gpr_now(GPR_CLOCK_MONOTONIC);
  return mono_time(duration(at.tv_sec * nanoseconds_per_second + at.tv_nsec));
}

void loop::post(task what) {
  const std::lock_guard hold(mutex_);
  if (ended_) return;
  posts_.push_back(std::move(what));
  if (resting_) return called_.notify_one();
  if (std::exchange(woken_, true)) return;
  // Under the lock: the thread must not end between the question and the alarm.
  wake_.Set(&queue_, gpr_time_0(GPR_CLOCK_MONOTONIC), nullptr);
}

loop::timer loop::after(duration wait, task what) {
  const timer out{now() + wait, ++timers_made_};
  timers_.emplace(out, std::move(what));
  return out;
}

void* loop::expect(happened then) {
  ++expected_;
  return std::make_unique<tag>(tag{std::move(then)}).release();
}

void loop::stop() { stopping_ = true; }

/// Waits for a post or a timer without the queue, when nothing is to come from there. False when something is.
bool loop::rest() {
  if (stopping_ || !well_ || expected_ > 0) return false;
  std::unique_lock hold(mutex_);
  if (woken_) return false;
  resting_ = true;
  const auto called = [this] { return !posts_.empty(); };
  // Both clocks are the monotonic one.
  if (timers_.empty()) called_.wait(hold, called);
  else called_.wait_until(hold, std::chrono::steady_clock::time_point(timers_.begin()->first.first.time_since_epoch()), called);
  resting_ = false;
  return true;
}

void loop::take_posts() {
  std::vector<task> some;
  {
    const std::lock_guard hold(mutex_);
    woken_ = false;
    some.swap(posts_);
  }
  for (auto& what : some) what();
}

void loop::run_timers() {
  while (!timers_.empty() && timers_.begin()->first.first <= now()) {
    auto due = timers_.extract(timers_.begin());
    due.mapped()();
  }
}

void loop::run() {
  pthread_setname_np(pthread_self(), name_.c_str());
  bool shut = false;
  for (;;) {
    if (stopping_ && expected_ == 0 && !shut) {  // What comes back may begin one thing more, such as a stream's end.
      shut = true;
      const std::lock_guard hold(mutex_);
      ended_ = true;
      queue_.Shutdown();
    }
    if (rest()) {
      take_posts();
      if (!stopping_) run_timers();
      continue;
    }
    void* what = nullptr;
    bool ok = false;
    const auto until = timers_.empty() || stopping_ ? gpr_inf_future(GPR_CLOCK_MONOTONIC) : absolute(timers_.begin()->first.first);
    const auto got = queue_.AsyncNext(&what, &ok, until);
    if (got == grpc::CompletionQueue::SHUTDOWN) break;
    if (got == grpc::CompletionQueue::GOT_EVENT) {
      if (what == nullptr) {
        if (!stopping_) take_posts();
      } else {
        const std::unique_ptr<tag> done(static_cast<tag*>(what));
        done->then(ok);
        --expected_;
      }
    }
    if (!stopping_) run_timers();
  }
  timers_.clear();
  posts_.clear();
}

}  // namespace troupe::net::rpc
