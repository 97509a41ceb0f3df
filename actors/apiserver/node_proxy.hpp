// A request carried on to a node's kubelet: through the tunnel, over TLS with our own certificate,
// streamed back as it comes. Runs on the net shard and owns itself until the answer is complete.
#pragma once
#include "actors/runtime/world.hpp"
#include "net/http/client.hpp"
#include "net/http/server.hpp"

namespace troupe::apiserver {

struct proxy_config {
  net::tls::client_options tls;      ///< server_name is the node's.
  duration patience = std::chrono::seconds(15);
  std::size_t unsent_max = 1024 * 1024;
};
/// `path_and_query` is what the kubelet is asked. Errors are answered as a Status.
void proxy_to_node(const rt::world& in, proxy_config config, net::stream_ptr stream, const net::http::request& ask,
                   std::string path_and_query, net::http::exchange_ptr to);

}  // namespace troupe::apiserver
