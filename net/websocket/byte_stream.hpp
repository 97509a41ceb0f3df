// A WebSocket whose binary messages are pieces of one flow of bytes, seen as a stream: kubectl >= 1.31 carries SPDY/3.1 so
// for port-forward (subprotocol "SPDY/3.1+portforward.k8s.io"), cutting frames wherever it likes.
#pragma once
#include "net/websocket/websocket.hpp"

namespace troupe::net::websocket {

/// Takes over `over`. What is written becomes messages of at most `piece_max` bytes; text messages end it with `invalid`.
stream_ptr as_stream(shard& on, connection_ptr over, std::size_t piece_max = 32 * 1024);

}  // namespace troupe::net::websocket
