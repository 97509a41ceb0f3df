// `troupe server --cluster-reset [--cluster-reset-restore-path=FILE]`: the way back when a quorum is gone, or the data.
// Blocks, for main's thread; no server runs meanwhile, this one's included.
#pragma once
#include "actors/node/ground.hpp"

namespace troupe::node {

/// What was done, and what to type next.
struct reset_report { std::vector<std::string> done, next; };

/// Everything that can be refused is refused before anything is touched, with a sentence: a server that runs
/// (`already_exists`), a snapshot that is cut off or altered (`corrupt`), of another cluster or sealed under another
/// token (`untrusted`), of another engine (`invalid`). What was there is moved aside, never removed.
result<reset_report> reset_server(const rt::world& in, server_config config, const observer& tell);

/// A server that starts as usual has taken notice of the reset before.
result<void> forget_reset(net::files& files, const std::string& folder);

}  // namespace troupe::node
