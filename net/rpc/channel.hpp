// Channels to gRPC servers: by URL, over TLS with certificates of one's own, or in the clear; or by a socket's path.
#pragma once
#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "basis/clock.hpp"
#include "basis/result.hpp"

namespace troupe::net::rpc {

struct channel_options {
  std::string ca, certificate, key;        ///< PEM; needed for https.
  duration connect_limit = 1s;             ///< Connecting and shaking hands.
  duration reconnect_first = 100ms, reconnect_max = 1s;
  duration ping_every = 10s, ping_limit = 3s;
  int message_bytes_max = 64 * 1024 * 1024;  ///< Of what is received.
};

/// `url`: "https://host:port", "http://host:port" or "unix:///path". `invalid` names what cannot be read of it.
/// Connects when it is first used. No proxy of the environment is asked.
result<std::shared_ptr<grpc::Channel>> make_channel(const std::string& url, const channel_options& with);

/// What a person should hear of a failure to reach `url`: `note`, and over TLS what is wrong with our own certificate at
/// `now`, or, when the other side hung up, that it may not accept it. gRPC does not pass on the other side's alert.
std::string explained(const std::string& note, const std::string& url, const channel_options& with, wall_time now);

}  // namespace troupe::net::rpc
