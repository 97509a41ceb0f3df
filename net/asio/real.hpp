// Makes the ports of net real: sockets of this machine on event loops of our own. Composition
// (bin, node) and tests include this; everybody else holds the ports.
//
// A loop is one io_context on one thread. All that was made on a loop lives on its thread; things
// may outlive the loop object (they keep its insides), but nothing runs once it has stopped.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "net/datagram.hpp"
#include "net/dialer.hpp"
#include "net/listener.hpp"
#include "net/shard.hpp"

namespace troupe::net::real {

class loop_core;

class loop final : public shard {
 public:
  explicit loop(std::string name);
  ~loop() override;                     ///< Stops. Not from the loop's own thread.
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;

  void post(task what) override;
  timer_id after(duration wait, task what) override;
  void cancel(timer_id which) override;
  mono_time now() const override;

  /// Runs the loop on a thread of its own (named after the loop, all signals blocked). Once.
  void start();
  /// Ends the thread and waits for it; what was not run is dropped. Idempotent, not from that thread.
  void stop();
  /// Instead of start(): runs the loop on the calling thread until `done` says true or `patience`
  /// is over; the answer is what `done` says at the end.
  bool run_until(const std::function<bool()>& done, duration patience);
  /// True on the thread that runs this loop.
  bool here() const noexcept;

  const std::shared_ptr<loop_core>& core() const noexcept { return core_; }

 private:
  std::shared_ptr<loop_core> core_;
};

std::unique_ptr<loop> make_shard(std::string name);
std::unique_ptr<dialer> make_dialer(const loop& on);
std::unique_ptr<datagrams> make_datagrams(const loop& on);

/// Lets the acceptors of several loops share one port: the first to listen binds it, the others
/// take from the same queue of the kernel. Any thread.
class port_book;
std::shared_ptr<port_book> make_port_book();
std::unique_ptr<acceptor> make_acceptor(const loop& on, std::shared_ptr<port_book> shared = nullptr);

/// After close(), how long a peer may take to read the rest and to end its own half.
inline constexpr duration close_linger = std::chrono::seconds(5);
/// How long accepting rests when the process has no descriptors left.
inline constexpr duration accept_rest = std::chrono::milliseconds(200);
/// Bytes read at once; one buffer of this size per loop. Eight pieces of a tunnel (its piece_max; decision 178): a little more or less
/// would end each reading in a small frame, a record and a segment of its own.
inline constexpr std::size_t read_bytes_max = 8 * (32 * 1024 - 64);
/// Bytes that may gather in one turn of the loop before they are sent at once: half of what one reading becomes.
inline constexpr std::size_t gather_bytes_max = 136 * 1024;

}  // namespace troupe::net::real
