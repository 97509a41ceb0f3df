// How a server reaches into the cluster: through a node's tunnel, through another server that has one, or directly.
#pragma once
#include "actors/certificates/messages.hpp"
#include "actors/client/messages.hpp"
#include "actors/endpoints/messages.hpp"
#include "actors/tunnel/messages.hpp"
#include "net/http/server.hpp"

namespace troupe::egress {

/// The header that says: this CONNECT comes from another server, answer from your own tunnels only.
inline constexpr const char* peer_header = "troupe-from-server";

/// node -> egress: the API stands; nodes and pods can be known from now on.
struct follow_cluster { client::api_actor api; };
/// supervisor -> egress: carry out a CONNECT to `to` (a node's name, or an address of a node or a pod). Answered through the
/// exchange: 200 and the stream, or 502 with one sentence. One that another server has sent on is not sent on again.
struct carry_stream {
  endpoint to;
  net::http::exchange_ptr answer;
  bool from_peer = false;
};
/// callbacks -> egress.
struct carrying_ended { std::uint64_t number = 0; };
using egress_actor =
    rt::handle<tunnel::stream_box(tunnel::open_stream), void(follow_cluster), void(carry_stream), void(carrying_ended),
               void(client::object_seen), void(client::object_lost), void(client::kind_synced)>;
using carrier_actor = rt::handle<void(carry_stream)>;

/// callbacks -> peers: one of the servers that were asked has answered.
struct peer_answered {
  std::uint64_t ask = 0;
  endpoint server;
  std::shared_ptr<net::stream_ptr> stream;   ///< Null: it has none, `why` says it.
  error why;
};
/// Asks the other servers at once, by CONNECT; the first stream wins. Fails with unavailable: what each of them said.
using peers_actor = rt::handle<tunnel::stream_box(tunnel::open_stream), void(endpoints::servers_settled), void(peer_answered),
                               void(certificates::identity_renewed)>;

}  // namespace troupe::egress

RT_MESSAGE(troupe::egress::follow_cluster)
RT_MESSAGE(troupe::egress::carry_stream)
RT_MESSAGE(troupe::egress::carrying_ended)
RT_MESSAGE(troupe::egress::peer_answered)
