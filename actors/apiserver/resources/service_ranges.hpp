// Which cluster addresses and node ports are free. Pure; owned by the services' kind keeper, which
// feeds it every Service that comes and goes. A reservation made for a commit that failed is given back.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <variant>

#include "actors/apiserver/resources/rules/service_allocation.hpp"
#include "actors/apiserver/status.hpp"
#include "basis/rng.hpp"

namespace troupe::apiserver {

struct service_range_config {
  std::string cidr = "10.43.0.0/16";       ///< IPv4.
  std::uint32_t reserved_low = 16;         ///< Addresses below it are only given when asked for by name.
  int port_first = 30000, port_last = 32767;
};

class service_ranges {
 public:
  service_ranges(service_range_config config, rng dice);
  /// Marks what a stored Service holds.
  void hold(const json& service);
  void release(const json& service);
  /// Reserves what `plan` needs; a refusal reserves nothing. `name` is for the refusal's words.
  std::variant<allocation_grant, api_error> reserve(const allocation_plan& plan, std::string_view name);
  void give_back(const allocation_plan& plan, const allocation_grant& grant);

 private:
  std::string address(std::uint32_t offset) const;
  service_range_config config_;
  std::uint32_t base_ = 0, size_ = 0;
  // As often as it is held: by a Service that is stored, and by a reservation for it.
  std::multiset<std::string> ips_;
  std::multiset<int> ports_;
  rng dice_;
};

}  // namespace troupe::apiserver
