// UDP. A socket lives its whole life on the net shard; datagrams that cannot be sent are lost, as datagrams may be.
#pragma once
#include <functional>
#include <memory>
#include <string_view>

#include "basis/ids.hpp"
#include "basis/result.hpp"

namespace troupe::net {

inline constexpr std::size_t datagram_bytes_max = 65507;

class datagram_socket {
 public:
  virtual ~datagram_socket() = default;
  virtual void send(const endpoint& to, std::string_view data) = 0;
  /// As bound; with the real port where 0 was asked for.
  virtual endpoint address() const = 0;
};

class datagrams {
 public:
  virtual ~datagrams() = default;
  using received = std::function<void(const endpoint& from, std::string_view data)>;
  /// Binds a literal address; port 0 takes a free one, which nobody can foretell. `on_data` runs on the shard, never inside a
  /// call of ours, and never after the socket is gone. Fails with already_exists, forbidden, invalid or unavailable.
  virtual result<std::unique_ptr<datagram_socket>> open(const endpoint& at, received on_data) = 0;
};

}  // namespace troupe::net
