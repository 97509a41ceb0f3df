// A container runtime reached by gRPC on its socket.
#pragma once
#include <memory>
#include <string>

#include "net/cri/runtime.hpp"

namespace troupe::net::cri {

struct client_config {
  std::string socket;                                       ///< Its path.
  duration look_limit = std::chrono::seconds(10);           ///< Lists and statuses.
  duration act_limit = std::chrono::minutes(2);             ///< What changes something.
  duration pull_limit = std::chrono::minutes(15);           ///< Fetching an image.
};
/// Connects when it is first asked, and again after each loss; a thread of its own, on which callbacks run. Whether somebody
/// listens is asked of the kernel before gRPC is: a channel made too early stalls for five seconds.
std::unique_ptr<runtime> make_client(client_config config);

}  // namespace troupe::net::cri
