// Probes and hooks that go over the network: one request or connection, and whether it went well.
#pragma once
#include "actors/kubelet/pod/wish.hpp"
#include "actors/runtime/world.hpp"
#include "basis/ids.hpp"
#include "basis/task.hpp"

namespace troupe::kubelet {

/// Asks as `how` says (http, tcp or grpc) at `at`, within `limit`. `done` runs once on the net shard: ok, or what was wrong, in
/// upstream's words. An HTTPS server need not be trusted, and redirects count as an answer.
void ask_over_network(const rt::world& in, const handler_wish& how, const endpoint& at, duration limit, callback<void(result<void>)> done);

}  // namespace troupe::kubelet
