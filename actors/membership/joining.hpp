// What to do next to become a member: who is there, and who we are. No clock, no actor, no I/O.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "basis/json.hpp"
#include "storage/cluster.hpp"

namespace troupe::membership {

/// Us, as etcd will know us.
struct candidate_member {
  std::string node;         ///< The node's name.
  std::string name;         ///< Of the member: "<node>-<8 hex digits>".
  std::string peer_url, client_url;
};

/// Our address stands there under another name and we have no data: our disk was lost. Take it out, then look again.
struct replace_member { storage::member_id who = 0; };
/// Ask to be added as a learner, then look again.
struct add_member {};
/// Start etcd with these members, ourselves among them, in state "existing".
struct start_member { std::string initial_cluster; };
/// Somebody else has our node's name.
struct duplicate_member { std::string address; };
using join_step = std::variant<replace_member, add_member, start_member, duplicate_member>;

/// For a server without data of its own.
join_step next_step(const candidate_member& self, const std::vector<storage::member>& members);

/// Client URLs of those that vote, except our own; `first` leads the list when it is among them.
std::vector<std::string> voters(const std::vector<storage::member>& members, const std::string& own_client_url);

/// "n-1a2b3c4d" -> "n": the node that a member's name was made from.
std::string node_of_member(const std::string& name);
/// "https://10.0.0.1:2380" -> "10.0.0.1"; also "https://[::1]:2380".
std::string host_of_url(const std::string& url);

/// /db/info: [{"ID","name","peerURLs","clientURLs","isLearner"}] below "members", as K3s sends it.
json members_json(const std::vector<storage::member>& members);
result<std::vector<storage::member>> parse_members(std::string_view text);

}  // namespace troupe::membership
