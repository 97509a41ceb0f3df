// Makes a front; see messages.hpp. Pinned to its net shard, which owns all of its connections.
#pragma once
#include "actors/front/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::front {

struct front_config {
  std::size_t connections_max = 15000;   ///< More are closed at once.
  std::size_t body_max = net::http::body_bytes_max;
};

/// Which handler has a path: the longest prefix wins. Pure.
class prefix_table {
 public:
  void add(std::string prefix, handler_actor to);
  /// Null handle when nothing fits. A prefix ends at '/', at the path's end, or is "/".
  const handler_actor* find(std::string_view path) const;

 private:
  std::vector<std::pair<std::string, handler_actor>> rows_;
};

front_actor make_front(const rt::world& in, front_config config);

}  // namespace troupe::front
