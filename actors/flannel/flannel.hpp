// Makes flannel's part of this node; see messages.hpp. It runs on the loop for slow work.
#pragma once
#include "actors/flannel/messages.hpp"
#include "actors/flannel/plan.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::flannel {

struct flannel_config {
  backend with = backend::vxlan;
  std::string node;                                        ///< This Node's name.
  std::string address;                                     ///< IPv4; others reach this node by it.
  std::string link;                                        ///< Carries the overlay; empty: the interface with that address.
  std::string conflist_file, state_folder;                 ///< Written for the runtime; where its addresses in use are kept.
  duration gather_for = std::chrono::milliseconds(20);
  duration recheck_every = std::chrono::seconds(30);
  duration retry_after = std::chrono::seconds(2);
};
/// What it has made stays when it ends: pods go on.
flannel_actor make_flannel(const rt::world& in, flannel_config config, client::api_actor api);

}  // namespace troupe::flannel
