// What every shard, stream, dialer and acceptor promises; run against the real and the simulated.
#pragma once
#include "tests/net/stage.hpp"

namespace troupe::net::test {
/// Runs all promises, each on a fresh stage.
void check_contract(const std::function<std::unique_ptr<stage>()>& make);
}  // namespace troupe::net::test
