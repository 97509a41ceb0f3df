// Sends a container's log to a client as it grows. On the net shard; owns itself until the log has ended or the client is gone.
// Files are read in pieces of 64 KiB, so that nobody else waits long for the shard.
#pragma once
#include "actors/kubelet/messages.hpp"
#include "actors/kubelet/serving/log_lines.hpp"
#include "actors/runtime/world.hpp"
#include "net/http/server.hpp"

namespace troupe::kubelet {

inline constexpr duration log_look_every = std::chrono::milliseconds(200);   ///< For new bytes, while following.

/// `ended` says whether the container will write no more: asked when the end of the file is reached; it answers by its
/// argument, once, also later.
using ask_ended = std::function<void(std::function<void(bool ended)>)>;
void send_log(const rt::world& in, log_options options, std::string path, ask_ended ended, net::http::exchange_ptr to);

}  // namespace troupe::kubelet
