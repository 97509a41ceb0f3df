// One TCP socket on its loop. The stream that a holder owns is a thin handle on it, so that bytes
// queued before close() still leave when the handle is gone.
#pragma once
#include <asio/ip/tcp.hpp>

#include <optional>

#include "net/asio/loop_core.hpp"
#include "net/stream.hpp"

namespace troupe::net::real {

class tcp_core final : public loop_resident, public std::enable_shared_from_this<tcp_core> {
 public:
  /// Takes over a connected, non-blocking descriptor.
  tcp_core(std::shared_ptr<loop_core> on, int fd, bool v6);
  ~tcp_core();

  void start(stream_sink* sink);
  void write(std::string_view data);
  std::size_t unsent() const noexcept { return out_.size() - sent_; }
  void pause() { paused_ = true; }
  void resume();
  void close();
  void let_go();           ///< The handle dies: aborts unless closing.
  void flush_turn();       ///< The turn ends.
  /// Nobody listens, nothing is queued and nothing has ended: it may be released. Sends what gathered in this turn.
  bool is_free();
  /// Gives the descriptor up to whoever carries it from now on. Only while is_free(). What was not read stays with it.
  int release();
  const std::shared_ptr<loop_core>& on() const noexcept { return loop_; }
  void evict() override;   ///< The loop has stopped.
  endpoint address(bool far) const;

 private:
  void arm_read();
  void arm_write();
  void readable();
  void flush();
  void write_failed(int number);
  void finish(error why);
  void deliver_end();
  void drop_socket(bool reset);
  bool wants_data() const noexcept { return closing_ || (sink_ && !paused_); }

  std::shared_ptr<loop_core> loop_;
  ::asio::ip::tcp::socket socket_;
  int fd_;
  stream_sink* sink_ = nullptr;
  std::string out_;
  std::size_t sent_ = 0;
  std::optional<error> end_;
  timer_id linger_ = 0;
  bool reading_ = false, writing_ = false;    ///< A wait for readiness is under way.
  bool paused_ = false, closing_ = false, gone_ = false, over_ = false, told_ = false;
  bool dirty_ = false, above_ = false, far_ended_ = false, broken_ = false;
};

/// The stream of `core`.
stream_ptr make_tcp_stream(std::shared_ptr<tcp_core> core);
/// Sets what every connection of ours has: no delay, keep-alive.
void dress_socket(int fd);
/// endpoint of a socket address.
endpoint to_endpoint(const ::asio::ip::tcp::endpoint& at);
/// The code and words for a failed system call on a connection.
error socket_error(int number, std::string_view doing);

}  // namespace troupe::net::real
