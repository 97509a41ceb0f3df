// Makes a server or an agent in a world; see server.cpp and agent.cpp: they are the lists of what runs.
#pragma once
#include "actors/node/config.hpp"
#include "actors/node/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::node {

/// The name, node id appended when asked for. Makes the id file when missing.
result<node_name> resolve_name(const rt::world& in, const common_config& config);

/// Does the blocking part (files, certificates, datastore) before it returns: fails with the reason in
/// words for the person who started it. The world outlives the server.
result<server_actor> start_server(const rt::world& in, server_config config, observer tell);

/// `api` replaces the remote client: a server's own agent gets its server's local one.
result<agent_actor> start_agent(const rt::world& in, agent_config config, observer tell, client::api_actor api = {});

}  // namespace troupe::node
