// Everything an actor may reach outside its mailbox. One world is one process: a real one, or one
// of many inside a simulation; nobody who holds it can tell which. Owned by whoever composes it,
// outlives every actor spawned in it.
#pragma once
#include <functional>
#include <memory>

#include "basis/clock.hpp"
#include "basis/rng.hpp"
#include "net/dialer.hpp"
#include "net/host/host.hpp"
#include "net/host/process.hpp"
#include "net/listener.hpp"
#include "net/shard.hpp"
#include "net/tls/issuer.hpp"
#include "net/tls/tls.hpp"
#include "storage/cluster.hpp"
#include "storage/engine.hpp"

#include <caf/actor_control_block.hpp>

namespace caf {
class actor_system;
}
namespace troupe::net::cri {
class runtime;
}

namespace troupe::net {
class packet_filter;   // net/filter/filter.hpp
class link_table;      // net/link/link.hpp
class datagrams;       // net/datagram.hpp
}  // namespace troupe::net

namespace troupe::rt {

class shard_unit;

struct world {
  caf::actor_system* system = nullptr;
  bool simulated = false;            ///< For runtime/spawn.hpp alone.
  /// Simulation: told of every actor of this world, so that a crash can end them all at once. Else null.
  std::function<void(const caf::strong_actor_ptr&)> born;
  net::shard* shard = nullptr;       ///< The net shard (one for now; a front per shard later).
  shard_unit* unit = nullptr;        ///< Executes actors on that shard; null under simulation.
  shard_unit* slow_unit = nullptr;   ///< A loop for work that takes long on purpose: hashing. Null likewise.
  net::dialer* dialer = nullptr;
  net::acceptor* acceptor = nullptr;
  net::tls::provider* tls = nullptr;
  net::tls::issuer* issuer = nullptr;
  net::files* files = nullptr;
  net::machine* machine = nullptr;
  const wall_clock* wall = nullptr;
  entropy* chance = nullptr;         ///< Keys, passwords, UIDs.
  rng dice{0};                       ///< Everything else that is drawn; fork it by name.
  /// Children of this process; null where none can be had (a simulation without etcd).
  net::process_starter* processes = nullptr;
  /// The kernel's packet filter and its interfaces and routes, for who may change them; null where nobody may.
  net::packet_filter* filter = nullptr;
  net::link_table* links = nullptr;
  net::datagrams* datagrams = nullptr;   ///< UDP, on the net shard; null where there is none.
  /// Opens an embedded engine ("sqlite" or "rocksdb") in the file or folder at `path`; errors as storage says.
  std::function<result<std::unique_ptr<storage::engine>>(const std::string& kind, const std::string& path)> open_engine;
  /// The same over etcd, and etcd's own members; both return before anybody has answered.
  std::function<result<std::unique_ptr<storage::engine>>(const storage::etcd_access&)> open_etcd;
  std::function<result<std::unique_ptr<storage::cluster>>(const storage::etcd_access&)> open_cluster;
  /// The container runtime behind the socket at `path`, whether or not anybody listens there yet (net/cri/runtime.hpp).
  std::function<result<std::unique_ptr<net::cri::runtime>>(const std::string& path)> open_runtime;
  /// A room tells people of its own state, whole and anew with each change, as JSON; who looks reads the last word without
  /// asking any actor. Any thread. Null where nobody looks.
  std::function<void(const std::string& topic, std::string text)> publish;
  /// Ends the process (or the simulated one) because it cannot go on; the sentence is for a person.
  std::function<void(const std::string& why)> give_up;
};

}  // namespace troupe::rt
