#include "actors/apiserver/resources/service_ranges.hpp"

#include <arpa/inet.h>

#include <charconv>

namespace troupe::apiserver {
namespace {
const schema::kind& services() { return *schema::find("", "v1", "services"); }

template <class Value>
void drop(std::multiset<Value>& from, const Value& one) {
  if (const auto found = from.find(one); found != from.end()) from.erase(found);
}
}  // namespace

service_ranges::service_ranges(service_range_config config, rng dice) : config_(std::move(config)), dice_(dice) {
  const auto slash = config_.cidr.find('/');
  in_addr raw{};
  unsigned bits = 0;
  CHECK_THAT(slash != std::string::npos && inet_pton(AF_INET, config_.cidr.substr(0, slash).c_str(), &raw) == 1);
  std::from_chars(config_.cidr.data() + slash + 1, config_.cidr.data() + config_.cidr.size(), bits);
  CHECK_THAT(bits >= 8 && bits <= 28);
  size_ = 1u << (32 - bits);
  base_ = ntohl(raw.s_addr) & ~(size_ - 1);
}

std::string service_ranges::address(std::uint32_t offset) const {
  in_addr raw{htonl(base_ + offset)};
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &raw, text, sizeof text);
}

void service_ranges::hold(const json& service) {
  const auto held = holdings(service);
  ips_.insert(held.releases_ips.begin(), held.releases_ips.end());
  ports_.insert(held.releases_ports.begin(), held.releases_ports.end());
}

void service_ranges::release(const json& service) {
  const auto held = holdings(service);
  for (const auto& ip : held.releases_ips) drop(ips_, ip);
  for (int p : held.releases_ports) drop(ports_, p);
}

std::variant<allocation_grant, api_error> service_ranges::reserve(const allocation_plan& plan, std::string_view name) {
  allocation_grant out;
  if (!plan.claims_ip.empty()) {
    if (ips_.contains(plan.claims_ip))
      return invalid(services(), name, {invalid_value("spec.clusterIPs", json::array({plan.claims_ip}),
                                                      "failed to allocate IP " + plan.claims_ip +
                                                          ": provided IP is already allocated")});
    in_addr raw{};
    const bool readable = inet_pton(AF_INET, plan.claims_ip.c_str(), &raw) == 1;
    if (!readable || ntohl(raw.s_addr) <= base_ || ntohl(raw.s_addr) >= base_ + size_ - 1)
      return invalid(services(), name, {invalid_value("spec.clusterIPs", json::array({plan.claims_ip}),
                                                      "failed to allocate IP " + plan.claims_ip +
                                                          ": the provided IP is not in the valid range of " +
                                                          config_.cidr)});
  }
  for (int p : plan.claims_ports) {
    const bool in_range = p >= config_.port_first && p <= config_.port_last;
    if (!in_range || ports_.contains(p)) return invalid(services(), name, {port_taken(p, in_range)});
  }
  if (plan.needs_ip) {
    const std::uint32_t usable = size_ - 1 - config_.reserved_low;
    const auto start = static_cast<std::uint32_t>(dice_.below(usable));
    for (std::uint32_t i = 0; i < usable && out.ip.empty(); ++i) {
      auto candidate = address(config_.reserved_low + (start + i) % usable);
      if (!ips_.contains(candidate)) out.ip = std::move(candidate);
    }
    if (out.ip.empty()) return internal_error("failed to allocate a serviceIP: range is full");
  }
  std::set<int> taken(plan.claims_ports.begin(), plan.claims_ports.end());
  for (std::size_t i = 0; i < plan.needs_port.size(); ++i) {
    const int count = config_.port_last - config_.port_first + 1;
    const int start = static_cast<int>(dice_.below(static_cast<std::uint64_t>(count)));
    int found = 0;
    for (int k = 0; k < count && found == 0; ++k) {
      const int candidate = config_.port_first + (start + k) % count;
      if (!ports_.contains(candidate) && !taken.contains(candidate)) found = candidate;
    }
    if (found == 0) return internal_error("failed to allocate a nodePort: range is full");
    taken.insert(found);
    out.ports.push_back(found);
  }
  if (!out.ip.empty()) ips_.insert(out.ip);
  if (!plan.claims_ip.empty()) ips_.insert(plan.claims_ip);
  ports_.insert(taken.begin(), taken.end());
  return out;
}

void service_ranges::give_back(const allocation_plan& plan, const allocation_grant& grant) {
  drop(ips_, grant.ip);
  drop(ips_, plan.claims_ip);
  for (int p : grant.ports) drop(ports_, p);
  for (int p : plan.claims_ports) drop(ports_, p);
}

}  // namespace troupe::apiserver
