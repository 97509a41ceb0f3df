// The tunnels: an agent holds one to every server, and the server dials through them.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "actors/front/messages.hpp"
#include "actors/revocation/messages.hpp"
#include "actors/runtime/handle.hpp"
#include "basis/ids.hpp"
#include "net/tls/tls.hpp"
#include "net/websocket/websocket.hpp"

namespace troupe::tunnel {

/// gate -> egress -> switchboard: a stream to `address` ("127.0.0.1:10250", a pod's) as seen from `node`. Waits a few
/// seconds for a node that reconnects and asks the other servers meanwhile, unless `here_only`; then fails with
/// unavailable: which node, gone since, last cause, what the others said.
struct open_stream { node_name node; std::string address; bool here_only = false; };
/// Moved out once by whoever asked; all of it on the net shard.
struct stream_box { std::shared_ptr<net::stream_ptr> stream; };
/// supervisor -> switchboard: `node` has opened a tunnel.
struct session_arrived { node_name node; std::shared_ptr<net::websocket::connection_ptr> over; };
/// tunnel's callbacks -> switchboard.
struct session_ended { std::uint64_t number = 0; error why; };
/// switchboard -> itself: a wait is over; time to ask the others again.
struct wait_due { std::uint64_t number = 0; };
struct peers_due { std::uint64_t number = 0; };
/// anyone -> switchboard: which nodes have a tunnel now, sorted.
struct list_tunnels {};
/// node -> switchboard: end the tunnels of a node whose right to be here is gone.
struct close_tunnels { node_name node; std::string why; };

using dialer_actor = rt::handle<stream_box(open_stream)>;
/// node -> switchboard: who asks the other servers.
struct use_peers { dialer_actor peers; };
using switchboard_actor =
    rt::handle<stream_box(open_stream), void(session_arrived), void(session_ended), void(wait_due),
               void(peers_due), std::vector<std::string>(list_tunnels), void(close_tunnels), void(use_peers),
               void(revocation::revocations_changed)>;

/// agent side: node -> session: keep a tunnel to this server until told to stop.
struct keep_tunnel { endpoint server; };
struct stop_tunnel {};
/// node -> session: show this from the next connection on.
struct use_identity { std::string trust; net::tls::identity self; };
struct tunnel_opened { std::uint64_t attempt = 0; std::shared_ptr<net::websocket::connection_ptr> over; };
struct tunnel_lost { std::uint64_t attempt = 0; error why; };
struct retry_due { std::uint64_t attempt = 0; };
/// session -> its owner: for health, and for "this node is connected".
struct tunnel_state { endpoint server; bool up = false; std::string why; };
using tunnel_listener_actor = rt::handle<void(tunnel_state)>;
using session_actor = rt::handle<void(keep_tunnel), void(stop_tunnel), void(tunnel_opened), void(tunnel_lost),
                                 void(retry_due), void(use_identity)>;

}  // namespace troupe::tunnel

RT_MESSAGE(troupe::tunnel::open_stream)
RT_MESSAGE(troupe::tunnel::stream_box)
RT_MESSAGE(troupe::tunnel::session_arrived)
RT_MESSAGE(troupe::tunnel::session_ended)
RT_MESSAGE(troupe::tunnel::wait_due)
RT_MESSAGE(troupe::tunnel::peers_due)
RT_MESSAGE(troupe::tunnel::use_peers)
RT_MESSAGE(troupe::tunnel::list_tunnels)
RT_MESSAGE(troupe::tunnel::close_tunnels)
RT_MESSAGE(troupe::tunnel::keep_tunnel)
RT_MESSAGE(troupe::tunnel::stop_tunnel)
RT_MESSAGE(troupe::tunnel::use_identity)
RT_MESSAGE(troupe::tunnel::tunnel_opened)
RT_MESSAGE(troupe::tunnel::tunnel_lost)
RT_MESSAGE(troupe::tunnel::retry_due)
RT_MESSAGE(troupe::tunnel::tunnel_state)
