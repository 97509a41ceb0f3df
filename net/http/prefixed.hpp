// A stream whose first bytes have been read already: they are delivered first. Internal to net/http.
#pragma once
#include <memory>
#include <string>

#include "net/shard.hpp"
#include "net/stream.hpp"

namespace troupe::net::http {

/// `inner` itself when there is nothing to prefix.
stream_ptr with_prefix(shard& on, stream_ptr inner, std::string first);

}  // namespace troupe::net::http
