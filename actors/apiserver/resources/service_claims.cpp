#include "actors/apiserver/resources/service_claims.hpp"

#include <algorithm>
#include <map>

namespace troupe::apiserver {
namespace {

std::string address_key(std::string_view ip) { return std::string(claims_prefix).append("addresses/").append(ip); }
std::string port_key(int port) { return std::string(claims_prefix).append("ports/").append(std::to_string(port)); }

}  // namespace

std::shared_ptr<const storage::claims> claims_of(const allocation_plan& plan, const allocation_grant& grant, std::string_view owner) {
  storage::claims out;
  for (const auto* ip : {&plan.claims_ip, &grant.ip})
    if (!ip->empty()) out.take.push_back(address_key(*ip));
  for (const auto* ports : {&plan.claims_ports, &grant.ports})
    for (const int port : *ports) out.take.push_back(port_key(port));
  for (const auto& ip : plan.releases_ips) out.release.push_back(address_key(ip));
  for (const int port : plan.releases_ports) out.release.push_back(port_key(port));
  if (out.take.empty() && out.release.empty()) return nullptr;
  out.owner = bytes(std::string(owner));
  return std::make_shared<const storage::claims>(std::move(out));
}

std::optional<api_error> claim_refusal(const allocation_plan& plan, std::string_view key, std::string_view name) {
  const auto& kind = *schema::find("", "v1", "services");
  if (!plan.claims_ip.empty() && key == address_key(plan.claims_ip)) return invalid(kind, name, {ip_taken(plan.claims_ip, true)});
  for (const int port : plan.claims_ports)
    if (key == port_key(port)) return invalid(kind, name, {port_taken(port, true)});
  return std::nullopt;
}

std::vector<storage::operation> claim_repairs(const storage::page& services, const storage::page& claims) {
  using kind = storage::operation::kind;
  std::map<std::string, std::string> wanted;   // claim -> its Service
  for (const auto& one : services.records) {
    const auto read = parse_json(one.value.view());
    if (!read.ok()) continue;
    const auto held = holdings(*read);
    for (const auto& ip : held.releases_ips) wanted.emplace(address_key(ip), one.key);
    for (const int port : held.releases_ports) wanted.emplace(port_key(port), one.key);
  }
  std::vector<storage::operation> out;
  for (const auto& one : claims.records) {
    const auto found = wanted.extract(one.key);
    if (found.empty()) out.push_back({kind::erase, one.key, {}, one.modified});
    else if (found.mapped() != one.value.view()) out.push_back({kind::update, one.key, bytes(found.mapped()), one.modified});
  }
  for (const auto& [key, owner] : wanted) out.push_back({kind::create, key, bytes(owner), 0});
  return out;
}

}  // namespace troupe::apiserver
