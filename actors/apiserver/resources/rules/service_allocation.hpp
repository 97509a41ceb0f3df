// Addresses and node ports of Services. The rules say what a Service needs and what it lets go; whoever owns the
// ranges (the services' kind keeper) grants it before the commit, and releases after it. Pure.
#pragma once
#include <string>
#include <vector>

#include "actors/apiserver/status.hpp"
#include "basis/json.hpp"

namespace troupe::apiserver {

struct allocation_plan {
  bool needs_ip = false;                ///< Any free address: put it into grant::ip.
  std::string claims_ip;  ///< This very address was asked for: refuse with ip_taken() when it is not free.
  std::vector<std::size_t> needs_port;  ///< Indices in spec.ports that need any free node port.
  std::vector<int> claims_ports;        ///< Ports asked for by number.
  std::vector<std::string> releases_ips;  ///< Free after the commit.
  std::vector<int> releases_ports;
  bool empty() const {
    return !needs_ip && claims_ip.empty() && needs_port.empty() && claims_ports.empty() && releases_ips.empty() &&
           releases_ports.empty();
  }
};
/// Compares the stored Service (null JSON on create) with the prepared one (null JSON on delete).
allocation_plan plan_allocation(const json& old, const json& now);

struct allocation_grant {
  std::string ip;
  std::vector<int> ports;  ///< One for each of needs_port.
};
/// Writes the granted values into the prepared Service: clusterIP, clusterIPs, ipFamilies, nodePort.
void grant_allocation(json& service, const allocation_plan& plan, const allocation_grant& grant);
/// What a stored Service holds, as releases: to rebuild the ranges at start, and to free them after a delete.
allocation_plan holdings(const json& service);

/// Why a claim was refused, for `invalid(...)`: taken, or not in the range at all.
cause ip_taken(const std::string& ip, bool in_range);
cause port_taken(int port, bool in_range);

}  // namespace troupe::apiserver
