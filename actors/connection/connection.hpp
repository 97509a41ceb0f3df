// Makes the connection to one server; see messages.hpp. Pinned to the net shard, which owns its relays.
//
// A probe is `GET /readyz` over a kept TLS connection; the answer is checked against the
// cluster's CA. The server's certificate must cover 127.0.0.1, as every server's does, so that the same holds for a server
// behind the name of somebody else's load balancer.
#pragma once
#include "actors/connection/health.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::connection {

struct connection_config {
  endpoint at;
  std::string trust;                            ///< Server CA, PEM.
  net::tls::identity self;                      ///< Shown if given; the agent gives none, since one that ends would look like a lost server.
  probe_config probe;
  duration dial_limit = std::chrono::seconds(3);
  unsigned returns_patience = 30;               ///< A relay that is never quiet is returned after so many times it was asked to.
};
connection_actor make_connection(const rt::world& in, connection_config config, owner_actor owner);

}  // namespace troupe::connection
