// Accepts incoming streams on one address. Destroying it stops accepting; accepted streams live on.
#pragma once
#include <functional>
#include <memory>

#include "net/stream.hpp"

namespace troupe::net {

class listener {
 public:
  virtual ~listener() = default;
  /// The bound address with the real port (asking for port 0 takes a free one).
  virtual endpoint address() const = 0;
};

class acceptor {
 public:
  virtual ~acceptor() = default;
  using accepted = std::function<void(stream_ptr)>;
  /// Listens on a literal address. `on_stream` runs on the acceptor's shard for each new stream.
  /// Fails with already_exists (port in use; the note names the owning process if it can be told),
  /// forbidden (privileged port) or invalid.
  virtual result<std::unique_ptr<listener>> listen(const endpoint& at, accepted on_stream) = 0;
};

}  // namespace troupe::net
