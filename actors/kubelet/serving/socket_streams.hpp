// exec and attach by WebSocket subprotocol v5.channel.k8s.io (kubectl >= 1.30, JavaScript's client), for a runtime that speaks
// SPDY/3.1: one message is a channel's number and bytes; channel 255 ends another one (v5's only news over v4). On the net shard;
// what runs owns itself until one side ends.
//
//   client --WebSocket--> [0 stdin, 4 resize, 255 close]  --> SPDY streams stdin, resize --> runtime
//          <------------- [1 stdout, 2 stderr, 3 error]   <-- stdout, stderr, error
#pragma once
#include "actors/kubelet/messages.hpp"
#include "net/shard.hpp"
#include "net/spdy/session.hpp"
#include "net/websocket/websocket.hpp"

namespace troupe::kubelet {

inline constexpr std::string_view socket_protocol = "v5.channel.k8s.io";
inline constexpr std::size_t socket_unsent_max = 1024 * 1024;   ///< Per direction; then the other side is held back.

/// `runtime` has been upgraded to SPDY/3.1 with v4.channel.k8s.io.
void bridge_streams(net::shard& on, const open_pod_stream& what, net::websocket::connection_ptr client, net::stream_ptr runtime);

}  // namespace troupe::kubelet
