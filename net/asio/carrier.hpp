// Carries bytes between two plain TCP connections of one loop: the cheap way that net::splice takes when it can.
//
// All pairs of a loop share one edge-triggered epoll descriptor, which the loop waits for as for a socket. So a message
// costs one recv and one send; registering for the next one costs nothing. What a peer does not take at once, at most one
// read's worth, is kept until it does, and only then owns memory.
#pragma once
#include <asio/posix/stream_descriptor.hpp>

#include <memory>
#include <vector>

#include "net/asio/loop_core.hpp"
#include "net/relay/relay.hpp"

namespace troupe::net::real {

class carried_pair;

/// One per loop, made with its first pair; owned by the loop and used on its thread only.
class carrier {
 public:
  explicit carrier(loop_core& on);
  carrier(const carrier&) = delete;
  /// False when the kernel refuses one more; `data` comes back with the descriptor's events.
  bool watch(int fd, void* data);
  /// `which` has more to read than one turn's share.
  void later(std::weak_ptr<carried_pair> which);

 private:
  void arm();
  void turn();
  loop_core& loop_;
  ::asio::posix::stream_descriptor epoll_;
  std::vector<std::weak_ptr<carried_pair>> again_;
};

/// Takes over both descriptors (connected, non-blocking, not waited for by anybody). Contract: net::splice.
std::unique_ptr<relay> carry(std::shared_ptr<loop_core> on, int first, int second, callback<void(error)> ended);

}  // namespace troupe::net::real
