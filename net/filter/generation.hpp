// Whether anybody has changed the packet filter's rules, without reading them.
#pragma once
#include <cstdint>

#include "basis/result.hpp"

namespace troupe::net::real {

/// The number that the kernel gives the rules of this network, another after each change by whomsoever. Blocks for one message.
/// Source: NFT_MSG_GETGEN of linux/netfilter/nf_tables.h.
result<std::uint32_t> rules_generation();

}  // namespace troupe::net::real
