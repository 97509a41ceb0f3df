// The inside of a loop: the io_context, its timers, its inbox and what was written in this turn.
// A turn is one handler; sockets written to in it are flushed when it ends, so that small writes
// leave together.
#pragma once
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "net/asio/real.hpp"

namespace troupe::net::real {

class tcp_core;
class carrier;

/// Something with a socket on the loop. When the loop stops, what still waits for its socket is
/// woken once more, so that loop and resident do not keep each other for ever.
class loop_resident {
 public:
  virtual void evict() = 0;

 protected:
  ~loop_resident() = default;
};

class loop_core : public std::enable_shared_from_this<loop_core> {
 public:
  explicit loop_core(std::string name);
  ~loop_core();

  ::asio::io_context io{1};

  void post(task what);
  timer_id after(duration wait, task what);
  void cancel(timer_id which);
  void start();
  void stop();
  bool run_until(const std::function<bool()>& done, duration patience);
  /// On its own thread, or before it has one: what belongs to it has no lock.
  bool may_touch() const noexcept { return owner_ == std::thread::id() || here(); }
  bool here() const noexcept { return owner_ == std::this_thread::get_id(); }

  /// Ends a turn: flushes what was written in it. Every handler calls it last.
  void end_turn();
  /// `which` has something to flush when the turn ends.
  void mark_dirty(std::shared_ptr<tcp_core> which);
  /// The loop's one read buffer of read_bytes_max bytes; valid until the handler returns.
  char* read_buffer();
  /// Any thread: a port may be opened before the loop runs.
  void move_in(loop_resident* who);
  void move_out(loop_resident* who);
  /// What carries plain TCP connections; made when first asked for, on the loop's thread.
  carrier& carrying();
  /// An empty buffer for writing, with its capacity if one was given back before.
  std::string take_buffer();
  void give_back(std::string&& buffer);

 private:
  void drain_inbox();
  void arm_alarm();
  void run_due();

  std::string name_;
  std::mutex guard_;                                ///< Protects inbox_, stopped_ and residents_.
  std::vector<task> inbox_;
  bool stopped_ = false;                            ///< By guard_ too: nothing more is taken in.
  std::map<std::pair<mono_time, timer_id>, task> timers_;
  std::unordered_map<timer_id, mono_time> due_of_;  ///< Looked up only, never walked.
  ::asio::steady_timer alarm_;
  mono_time alarm_at_{};                            ///< When alarm_ is set for; zero when it is not.
  timer_id last_timer_ = 0;
  std::vector<std::shared_ptr<tcp_core>> dirty_;
  std::unordered_set<loop_resident*> residents_;    ///< All are treated alike, so their order does not matter.
  std::unique_ptr<char[]> read_buffer_;
  std::vector<std::string> spare_;
  std::size_t spare_bytes_ = 0;                     ///< Capacity of all spare ones.
  std::unique_ptr<carrier> carrier_;
  std::thread thread_;
  std::thread::id owner_;
};

}  // namespace troupe::net::real
