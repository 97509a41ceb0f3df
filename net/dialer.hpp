// Makes outgoing streams: over TCP, or through a tunnel, or in simulation.
#pragma once
#include "basis/clock.hpp"
#include "basis/task.hpp"
#include "net/stream.hpp"

namespace troupe::net {

class dialer {
 public:
  virtual ~dialer() = default;
  using dialed = callback<void(result<stream_ptr>)>;
  /// Connects to `at` within `patience` (names are resolved, addresses tried in turn). Finishes on
  /// the dialer's shard with the stream, or refused | timeout | unavailable and a note that names
  /// the address. Dropping the dialer drops what is under way without a call.
  virtual void dial(const endpoint& at, duration patience, dialed done) = 0;
};

}  // namespace troupe::net
