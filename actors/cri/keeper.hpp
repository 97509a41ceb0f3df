// Makes the keeper of containerd: a child of ours that is started again when it ends. What it runs outlives it and us:
// each sandbox has a shim of its own, which the next containerd finds again.
#pragma once
#include "actors/cri/containerd.hpp"
#include "actors/cri/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::cri {

struct keeper_config {
  containerd_config child;
  std::string pause_archive;                                  ///< Our pause image; written beside the other archives.
  duration again_first = std::chrono::milliseconds(500);      ///< After its end; doubled at each end that comes soon ...
  duration again_max = std::chrono::seconds(30);              ///< ... up to this.
  duration settled_after = std::chrono::seconds(60);          ///< A life longer than this begins the count anew.
};
/// `runtime` is asked whether it answers. Without `child.program` (a runtime of others) only that is done.
keeper_actor make_keeper(const rt::world& in, keeper_config config, runtime_actor runtime, runtime_owner_actor owner);

}  // namespace troupe::cri
