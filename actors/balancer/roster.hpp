// Which server to use. No clock, no actor, no I/O.
//
// Every agent puts the servers into an order of its own (a hash of node name and server), so that
// agents spread by themselves and choose alike after a restart. The fallback (the host of --server)
// comes last unless it is one of the servers.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "basis/ids.hpp"

namespace troupe::balancer {

struct close_relays { endpoint at; };
struct use_server { endpoint at; };
using effect = std::variant<close_relays, use_server>;

class roster {
 public:
  enum class health : std::uint8_t { unknown, ready, unready, lost };
  struct row {
    endpoint at;
    health state = health::unknown;
    bool fallback = false;
  };

  roster(endpoint fallback, node_name self);
  /// A newer list; an empty one is ignored. The removed drain: no new dials, relays stay.
  std::vector<effect> replace(std::vector<endpoint> servers);
  std::vector<effect> unready(const endpoint& at);    ///< New dials elsewhere, relays stay.
  std::vector<effect> lost(const endpoint& at);       ///< Relays close on the edge only, never without an alternative.
  std::vector<effect> recovered(const endpoint& at);
  endpoint current() const { return order().front(); }
  /// All servers, the best first: what a dial tries in turn. Never empty.
  std::vector<endpoint> order() const;
  const std::vector<row>& rows() const { return rows_; }

 private:
  row* find(const endpoint& at);
  std::vector<effect> moved(const endpoint& before) const;
  std::uint64_t weight(const endpoint& at) const;
  bool alternative_to(const endpoint& at) const;
  std::vector<row> rows_;
  endpoint fallback_;
  node_name self_;
};

}  // namespace troupe::balancer
