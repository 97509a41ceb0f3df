// A request carried on to a node's kubelet (through the tunnel, over TLS with our own certificate) or, plainly, to a pod;
// streamed back as it comes. Runs on the net shard and owns itself until the answer is complete.
#pragma once
#include "actors/runtime/world.hpp"
#include "net/http/carry.hpp"
#include "net/http/client.hpp"
#include "net/http/server.hpp"

namespace troupe::apiserver {

struct proxy_config {
  net::tls::client_options tls;      ///< server_name is the node's.
  duration patience = std::chrono::seconds(15);
  std::size_t unsent_max = 1024 * 1024;   ///< More waits for a slow client: the node is held back.
  bool plain = false;                ///< No TLS.
  bool to_pod = false;               ///< And not to its node's kubelet: for words.
};
/// `ask` is what the other side is asked (net::http::carried_on). Errors are answered as a Status.
void proxy_to_node(const rt::world& in, proxy_config config, net::stream_ptr stream, net::http::request ask, net::http::exchange_ptr to);
/// The same for a request that switches protocols: the two streams are spliced. A refusal of the node is passed on: its Status,
/// or its words in one.
void upgrade_at_node(const rt::world& in, proxy_config config, net::stream_ptr stream, net::http::request ask, net::http::exchange_ptr to);

}  // namespace troupe::apiserver
