// Streams into pods as clients ask the kubelet for them: which protocol, and what of it the runtime's own streaming server
// understands. Pure but for carry_stream.
//
//   SPDY/3.1, WebSocket v4 and older   -> carried on byte by byte
//   WebSocket v5                       -> bridged to SPDY (socket_streams.hpp), because it can end stdin by itself
//   SPDY/3.1 in WebSocket (portforward) -> unwrapped
#pragma once
#include <optional>
#include <string>
#include <variant>

#include "actors/kubelet/messages.hpp"
#include "actors/runtime/world.hpp"
#include "net/http/server.hpp"

namespace troupe::kubelet {

/// "/exec/NS/POD/CONTAINER", "/attach/...", "/portForward/NS/POD" with a kubelet's query; nothing for other paths.
std::optional<open_pod_stream> parse_stream_path(const net::http::request& ask);

enum class stream_wire : std::uint8_t { as_it_is, bridged, tunnelled, refused };
/// How the client speaks. `offered` becomes the WebSocket protocols that the runtime knows, in the client's order.
stream_wire judge_wire(const net::http::request& ask, std::string& offered);

/// Dials the runtime's streaming server and splices. Refusals are answered in plain text with the runtime's status.
void carry_stream(const rt::world& in, const stream_place& to, const net::http::request& ask, stream_wire wire, std::string offered,
                  net::http::exchange_ptr client);

}  // namespace troupe::kubelet
