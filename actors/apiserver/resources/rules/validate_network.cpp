// Services, Endpoints and EndpointSlices.
#include <algorithm>
#include <set>

#include "actors/apiserver/resources/rules/parts.hpp"
#include "basis/ids.hpp"

namespace troupe::apiserver::rules {
namespace {

constexpr std::size_t slice_endpoints_max = 1000, slice_addresses_max = 100, slice_ports_max = 100;
constexpr std::string_view port_words = "must be between 1 and 65535, inclusive";
constexpr std::string_view ip_words = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

bool is_port(const json& value) {
  auto number = number_or(value, 0);
  return number >= 1 && number <= 65535;
}

bool known_protocol(const json& value) { return value == "TCP" || value == "UDP" || value == "SCTP"; }

void check_protocol(const json& port, const std::string& at, causes& out) {
  const auto& protocol = dig(port, "protocol");
  if (text_or(protocol).empty()) out.push_back(required_value(at + ".protocol"));
  else if (!known_protocol(protocol)) out.push_back(not_supported(at + ".protocol", protocol, {"SCTP", "TCP", "UDP"}));
}

/// IANA service name: at most 15 of [a-z0-9-], a letter among them, no dash at an end or twice in a row.
bool is_port_name(const std::string& name) {
  bool letter = std::ranges::any_of(name, [](char c) { return c >= 'a' && c <= 'z'; });
  bool fine =
      std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  return !name.empty() && name.size() <= 15 && letter && fine && name.find("--") == std::string::npos &&
         name.front() != '-' && name.back() != '-';
}

void check_target(const json& target, const std::string& at, causes& out) {
  if (target.is_number_integer() && !is_port(target)) out.push_back(invalid_value(at, target, std::string(port_words)));
  if (target.is_string() && !is_port_name(target.get_ref<const std::string&>()))
    out.push_back(invalid_value(at, target, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"));
}

void check_service_port(const json& port, const std::string& at, bool named, bool headless, causes& out) {
  auto name = text_or(dig(port, "name"));
  if (named && name.empty()) out.push_back(required_value(at + ".name"));
  if (!name.empty())
    if (auto why = name_problem(name, schema::name_rule::label); !why.empty())
      out.push_back(invalid_value(at + ".name", name, why));
  if (!is_port(dig(port, "port")))
    out.push_back(invalid_value(at + ".port", dig(port, "port").is_null() ? json(0) : dig(port, "port"),
                                std::string(port_words)));
  check_protocol(port, at, out);
  if (!headless) check_target(dig(port, "targetPort"), at + ".targetPort", out);
}

void check_service_ports(const json& spec, const std::string& type, bool headless, causes& out) {
  const auto& ports = list_of(spec, "ports");
  if (ports.empty() && !headless && type != "ExternalName") out.push_back(required_value("spec.ports"));
  std::set<std::string> names;
  std::set<std::pair<std::string, std::int64_t>> numbers, node_ports;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    auto at = "spec.ports[" + std::to_string(i) + "]";
    check_service_port(ports[i], at, ports.size() > 1, headless, out);
    auto name = text_or(dig(ports[i], "name")), protocol = text_or(dig(ports[i], "protocol"));
    if (!name.empty() && !names.insert(name).second) out.push_back(duplicate_value(at + ".name", name));
    auto number = number_or(dig(ports[i], "port"), 0), node_port = number_or(dig(ports[i], "nodePort"), 0);
    if (!numbers.emplace(protocol, number).second)
      out.push_back(duplicate_value(at, json{{"port", number}, {"protocol", protocol}}));
    if (node_port == 0) continue;
    if (type == "ClusterIP")
      out.push_back(forbidden_value(at + ".nodePort", "may not be used when `type` is 'ClusterIP'"));
    else if (!node_ports.emplace(protocol, node_port).second)
      out.push_back(duplicate_value(at + ".nodePort", node_port));
  }
}

void check_service_addresses(const json& spec, causes& out) {
  const auto& all = list_of(spec, "clusterIPs");
  auto first = text_or(dig(spec, "clusterIP"));
  if (!all.empty() && text_or(all[0]) != first)
    out.push_back(invalid_value("spec.clusterIPs", all, "first value must match `clusterIP`"));
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto text = text_or(all[i]);
    if (text == "None" && all.size() > 1)
      out.push_back(
          invalid_value("spec.clusterIPs[" + std::to_string(i) + "]", text, "'None' must be the first and only value"));
    else if (text != "None" && !is_ip_address(text))
      out.push_back(invalid_value("spec.clusterIPs[" + std::to_string(i) + "]", text, std::string(ip_words)));
  }
  const auto& external = list_of(spec, "externalIPs");
  for (std::size_t i = 0; i < external.size(); ++i)
    if (!is_ip_address(text_or(external[i])))
      out.push_back(invalid_value("spec.externalIPs[" + std::to_string(i) + "]", external[i], std::string(ip_words)));
}

void check_choice(const json& spec, const char* key, const std::vector<std::string>& allowed, causes& out) {
  const auto& value = dig(spec, key);
  if (value.is_null()) return;
  if (std::ranges::find(allowed, text_or(value)) == allowed.end())
    out.push_back(not_supported(std::string("spec.") + key, value, allowed));
}

// Upstream refuses loopback addresses too. Here several nodes may live side by side on one machine's
// loopback, and their servers are endpoints like any other.
bool reserved_address(const std::string& ip) {
  return ip.starts_with("169.254.") || ip.starts_with("fe80:") ||
         ip == "0.0.0.0" || ip == "::";
}

void check_address(const json& address, const std::string& at, causes& out) {
  auto ip = text_or(dig(address, "ip"));
  if (!is_ip_address(ip)) out.push_back(invalid_value(at + ".ip", ip, std::string(ip_words)));
  else if (reserved_address(ip))
    out.push_back(invalid_value(at + ".ip", ip, "may not be a link-local or unspecified address"));
  auto host = text_or(dig(address, "hostname"));
  if (!host.empty() && !is_dns_label(host))
    out.push_back(invalid_value(at + ".hostname", host, name_problem(host, schema::name_rule::label)));
}

void check_subset(const json& subset, const std::string& at, causes& out) {
  const auto &ready = list_of(subset, "addresses"), &waiting = list_of(subset, "notReadyAddresses");
  if (ready.empty() && waiting.empty())
    out.push_back(required_value(at, "must specify `addresses` or `notReadyAddresses`"));
  for (std::size_t i = 0; i < ready.size(); ++i)
    check_address(ready[i], at + ".addresses[" + std::to_string(i) + "]", out);
  for (std::size_t i = 0; i < waiting.size(); ++i)
    check_address(waiting[i], at + ".notReadyAddresses[" + std::to_string(i) + "]", out);
  const auto& ports = list_of(subset, "ports");
  for (std::size_t i = 0; i < ports.size(); ++i) {
    auto port_at = at + ".ports[" + std::to_string(i) + "]";
    auto name = text_or(dig(ports[i], "name"));
    if (name.empty() && ports.size() > 1) out.push_back(required_value(port_at + ".name"));
    if (!name.empty() && !is_dns_label(name))
      out.push_back(invalid_value(port_at + ".name", name, name_problem(name, schema::name_rule::label)));
    if (!is_port(dig(ports[i], "port")))
      out.push_back(invalid_value(port_at + ".port", number_or(dig(ports[i], "port"), 0), std::string(port_words)));
    check_protocol(ports[i], port_at, out);
  }
}

bool fits(const std::string& address, const std::string& type) {
  bool six = address.find(':') != std::string::npos;
  if (type == "FQDN") return is_dns_subdomain(address) && address.find('.') != std::string::npos;
  return is_ip_address(address) && six == (type == "IPv6") && !reserved_address(address);
}

void check_slice_endpoint(const json& endpoint, const std::string& at, const std::string& type, causes& out) {
  const auto& addresses = list_of(endpoint, "addresses");
  if (addresses.empty()) out.push_back(required_value(at + ".addresses", "must contain at least 1 address"));
  if (addresses.size() > slice_addresses_max)
    out.push_back(too_many_values(at + ".addresses", addresses.size(), slice_addresses_max));
  std::set<std::string> seen;
  for (std::size_t i = 0; i < addresses.size() && i < slice_addresses_max; ++i) {
    auto text = text_or(addresses[i]), place = at + ".addresses[" + std::to_string(i) + "]";
    if (!seen.insert(text).second) out.push_back(duplicate_value(place, text));
    if (!fits(text, type)) out.push_back(invalid_value(place, text, "must be a valid " + type + " address"));
  }
}

}  // namespace

void check_service(const json& object, causes& out) {
  const auto& spec = dig(object, "spec");
  auto type = text_or(dig(spec, "type"));
  bool headless = dig(spec, "clusterIP") == "None";
  check_service_ports(spec, type, headless, out);
  check_choice(spec, "type", {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"}, out);
  check_choice(spec, "sessionAffinity", {"ClientIP", "None"}, out);
  check_choice(spec, "externalTrafficPolicy", {"Cluster", "Local"}, out);
  check_choice(spec, "internalTrafficPolicy", {"Cluster", "Local"}, out);
  check_choice(spec, "ipFamilyPolicy", {"PreferDualStack", "RequireDualStack", "SingleStack"}, out);
  check_service_addresses(spec, out);
  bool outside = type == "NodePort" || type == "LoadBalancer";
  if (outside && headless)
    out.push_back(invalid_value("spec.clusterIPs[0]", "None", "may not be set to 'None' for " + type + " services"));
  if (!outside && dig(spec, "externalTrafficPolicy").is_string() && list_of(spec, "externalIPs").empty())
    out.push_back(invalid_value("spec.externalTrafficPolicy", dig(spec, "externalTrafficPolicy"),
                                "may only be set for externally-accessible services"));
  if (type != "ExternalName") return;
  auto name = text_or(dig(spec, "externalName"));
  if (name.ends_with('.')) name.pop_back();
  if (name.empty()) out.push_back(required_value("spec.externalName"));
  else if (auto why = name_problem(name, schema::name_rule::subdomain); !why.empty())
    out.push_back(invalid_value("spec.externalName", name, why));
}

void check_service_change(const json& old, const json& now, causes& out) {
  auto before = text_or(dig(old, "spec", "clusterIP")), after = text_or(dig(now, "spec", "clusterIP"));
  auto type = text_or(dig(now, "spec", "type"));
  if (before.empty() || type == "ExternalName" || before == after) return;
  out.push_back({"FieldValueInvalid", "Invalid value: []string{" + to_text(json(after)) + "}: may not change once set",
                 "spec.clusterIPs[0]"});
}

void check_endpoints(const json& object, causes& out) {
  const auto& subsets = list_of(object, "subsets");
  for (std::size_t i = 0; i < subsets.size(); ++i) check_subset(subsets[i], "subsets[" + std::to_string(i) + "]", out);
}

void check_endpoint_slice(const json& object, causes& out) {
  auto type = text_or(dig(object, "addressType"));
  if (type.empty()) out.push_back(required_value("addressType"));
  else if (type != "IPv4" && type != "IPv6" && type != "FQDN")
    return out.push_back(not_supported("addressType", type, {"FQDN", "IPv4", "IPv6"}));
  const auto &endpoints = list_of(object, "endpoints"), &ports = list_of(object, "ports");
  if (endpoints.size() > slice_endpoints_max)
    return out.push_back(too_many_values("endpoints", endpoints.size(), slice_endpoints_max));
  for (std::size_t i = 0; i < endpoints.size() && !type.empty(); ++i)
    check_slice_endpoint(endpoints[i], "endpoints[" + std::to_string(i) + "]", type, out);
  if (ports.size() > slice_ports_max) return out.push_back(too_many_values("ports", ports.size(), slice_ports_max));
  std::set<std::string> names;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    auto at = "ports[" + std::to_string(i) + "]", name = text_or(dig(ports[i], "name"));
    if (!name.empty() && !is_dns_label(name))
      out.push_back(invalid_value(at + ".name", name, name_problem(name, schema::name_rule::label)));
    if (!names.insert(name).second) out.push_back(duplicate_value(at + ".name", name));
    check_protocol(ports[i], at, out);
  }
}

}  // namespace troupe::apiserver::rules
