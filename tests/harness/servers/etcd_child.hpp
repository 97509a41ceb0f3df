// The program etcd on a simulated computer: what the product starts as its child is a member of the simulated etcd_group.
// Its data is a file in the folder that it was given, so whoever moves or loses the folder moves or loses its data.
#pragma once
#include <memory>
#include <string>

#include "net/host/host.hpp"
#include "net/host/process.hpp"
#include "storage/sim/etcd_group.hpp"

namespace troupe::harness {

/// Knows the program "etcd" and no other. All three outlive what it makes.
std::unique_ptr<net::process_starter> make_etcd_child(storage::sim::etcd_group& group, std::string host, net::files& disk);

}  // namespace troupe::harness
