// Makes the edge actor that owns the client of this node's container runtime.
#pragma once
#include "actors/cri/messages.hpp"
#include "actors/runtime/world.hpp"
#include "net/cri/runtime.hpp"

namespace troupe::cri {

edge_actor make_edge(const rt::world& in, std::unique_ptr<net::cri::runtime> on);

}  // namespace troupe::cri
