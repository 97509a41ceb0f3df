// One gRPC completion queue and the thread that serves it, with timers and a way in for other threads.
//
// Owned by one adapter (an engine, a runtime's client), whose state lives on this thread alone and so needs no lock. While
// no call is under way the thread stays out of gRPC: all queues of a process share one epoll, and whichever thread waits in it
// does the reading for all, and then has to wake the one that was meant. A channel that is not connected yet makes progress
// only while somebody waits in there, so the thread leaves only after a call that went well.
// Nothing of gRPC runs in the process before the first loop is made.
#pragma once
#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "basis/clock.hpp"
#include "basis/task.hpp"

namespace troupe::net::rpc {

/// A deadline for gRPC: `from_now` counts from the moment at which the call is started.
gpr_timespec timespan(duration from_now);

class loop {
 public:
  /// `name`: of the thread, at most 15 characters.
  explicit loop(std::string name);
  loop(const loop&) = delete;
  /// Joins.
  ~loop();
  /// Another thread: waits for the thread's end; whoever owns the loop has asked it to stop() before.
  void join();

  /// Any thread: runs `what` on the loop's thread, soon. Dropped when the loop has ended.
  void post(task what);

  // What follows belongs to the loop's thread.
  using timer = std::pair<mono_time, std::uint64_t>;
  timer after(duration wait, task what);
  void cancel(const timer& which) { timers_.erase(which); }
  mono_time now() const;
  grpc::CompletionQueue* queue() { return &queue_; }
  using happened = callback<void(bool ok)>;
  /// A tag for one operation on queue(); `then` runs once, when it is done.
  void* expect(happened then);
  /// How the last call went.
  void went(bool well) { well_ = well; }
  /// Timers and posts are dropped from here on; the thread ends when every expected tag has come back.
  void stop();

 private:
  struct tag {
    happened then;
  };
  void run();
  bool rest();
  void take_posts();
  void run_timers();

  const std::string name_;
  grpc::CompletionQueue queue_;
  std::map<timer, task> timers_;
  std::uint64_t timers_made_ = 0;
  std::size_t expected_ = 0;   ///< Tags that have not come back.
  bool stopping_ = false, well_ = false;

  std::mutex mutex_;
  std::vector<task> posts_;
  std::condition_variable called_;
  bool resting_ = false;       ///< The thread waits for `called_`, not for the queue.
  bool woken_ = false, ended_ = false;
  grpc::Alarm wake_;
  std::thread thread_;
};

}  // namespace troupe::net::rpc
