// Makes the enrolment: carries out the handshake against whichever of the servers answers, for ever,
// with jittered backoff, and renews the node's certificates at half of their life. Pinned to the net shard.
#pragma once
#include "actors/registration/handshake.hpp"
#include "actors/registration/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::registration {

struct enrolment_config {
  std::vector<endpoint> servers;            ///< Tried in turn; the first is the one of --server.
  secret_text token;                        ///< As given; parsed by the enrolment.
  node_name node;
  std::vector<std::string> addresses;
  std::string identity_folder;              ///< Holds `password`.
  std::string agent_folder;                 ///< <data>/agent: keys and certificates.
  duration kept_after = std::chrono::seconds(5);       ///< Then the node starts with what it kept, and goes on asking.
  duration renewal_look = std::chrono::hours(1);       ///< How often a clock that jumps, or a sleep, can delay a renewal.
  duration renewal_retry = std::chrono::minutes(10);   ///< After a renewal that was refused.
  duration clock_gap_max = std::chrono::minutes(1);    ///< Between this machine's clock and a server's; more is said in the log.
  duration attempt_limit = std::chrono::seconds(10);
  duration delay_first = std::chrono::milliseconds(500), delay_max = std::chrono::seconds(10);
};
enrolment_actor make_enrolment(const rt::world& in, enrolment_config config, applicant_actor owner);

/// Reads or makes the node's password (32 hex digits, mode 0600). Fails as files do.
result<secret_text> load_password(const rt::world& in, const std::string& folder);
/// Reads or makes the node's id (8 hex digits): the suffix of --with-node-id.
result<std::string> load_node_id(const rt::world& in, const std::string& folder);

}  // namespace troupe::registration
