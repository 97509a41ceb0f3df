#include "actors/dns/zone.hpp"

#include <algorithm>

#include "basis/ids.hpp"

namespace troupe::dns {
namespace {

bool is_six(const std::string& address) { return address.find(':') != std::string::npos; }

std::vector<std::string> split(const std::string& name) {
  std::vector<std::string> out;
  std::size_t at = 0;
  while (at <= name.size() && !name.empty()) {
    const auto end = std::min(name.find('.', at), name.size());
    out.push_back(name.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

void add_address(std::vector<record>& to, const std::string& name, const std::string& address, std::uint16_t type, std::uint32_t ttl = zone_ttl) {
  if (type != (is_six(address) ? type_aaaa : type_a)) return;
  to.push_back({name, type, ttl, address_data(address)});
}

std::uint16_t number_of(const json& value) {
  return value.is_number_integer() && value > 0 && value <= 65535 ? value.get<std::uint16_t>() : std::uint16_t{0};
}
std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

/// "10.42.0.7" of "7.0.42.10.in-addr.arpa", and the same for IPv6; empty for what is no address backwards.
std::string address_backwards(const std::string& name) {
  auto labels = split(name);
  if (labels.size() < 3 || labels.back() != "arpa") return {};
  const bool six = labels[labels.size() - 2] == "ip6";
  if ((!six && labels[labels.size() - 2] != "in-addr") || labels.size() != (six ? 34u : 6u)) return {};
  labels.resize(labels.size() - 2);
  std::ranges::reverse(labels);
  std::string out;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (six && labels[i].size() != 1) return {};
    out += (i && (!six || i % 4 == 0) ? (six ? ":" : ".") : "") + labels[i];
  }
  return is_ip_address(out) ? out : std::string();
}
/// One spelling for each address.
std::string canonical(const std::string& address) { return address_data(address); }

}  // namespace

std::string undashed(const std::string& label) {
  for (const char separator : {'.', ':'}) {
    auto text = label;
    std::ranges::replace(text, '-', separator);
    if (is_ip_address(text)) return text;
  }
  return {};
}
std::string dashed(std::string address) {
  std::ranges::replace(address, '.', '-');
  std::ranges::replace(address, ':', '-');
  return address;
}

zone::zone(std::string domain, std::string server) : domain_(lower(std::move(domain))), server_(std::move(server)) {}

record zone::authority() const { return {domain_, type_soa, zone_ttl, soa_data("ns.dns." + domain_, "hostmaster." + domain_, 1, zone_ttl)}; }

void zone::forget(const std::string& key) {
  if (services_.erase(key) == 0) return;
  const auto slash = key.find('/');
  const auto ns = namespaces_.find(key.substr(0, slash));
  if (ns != namespaces_.end() && --ns->second == 0) namespaces_.erase(ns);
  const auto full = key.substr(slash + 1) + "." + key.substr(0, slash) + ".svc." + domain_;
  for (auto it = names_of_.begin(); it != names_of_.end();) {
    std::erase_if(it->second, [&](const auto& n) { return n == full || n.ends_with("." + full); });
    it = it->second.empty() ? names_of_.erase(it) : std::next(it);
  }
}

void zone::set_service(const std::string& key, const json& object, const slice_list& slices) {
  forget(key);
  if (!object.is_object()) return;
  service out;
  const auto& spec = dig(object, "spec");
  if (text_or(dig(spec, "type")) == "ExternalName") out.external = lower(text_or(dig(spec, "externalName")));
  for (const auto& ip : dig(spec, "clusterIPs"))
    if (auto text = text_or(ip); is_ip_address(text)) out.addresses.push_back(std::move(text));
  if (auto one = text_or(dig(spec, "clusterIP")); out.addresses.empty() && is_ip_address(one)) out.addresses.push_back(std::move(one));
  for (const auto& p : dig(spec, "ports")) out.ports.push_back({text_or(dig(p, "name")), lower(text_or(dig(p, "protocol"), "tcp")), number_of(dig(p, "port"))});
  const bool headless = out.addresses.empty() && out.external.empty();
  std::map<std::pair<std::string, std::string>, backend> backends;
  for (const auto& slice : headless ? slices : slice_list())
    for (const auto& e : dig(*slice, "endpoints")) {
      const auto& ready = dig(e, "conditions", "ready");
      const auto& addresses = dig(e, "addresses");
      if ((ready.is_boolean() && !ready.get<bool>()) || !addresses.is_array()) continue;
      for (const auto& a : addresses) {
        auto address = text_or(a);
        if (!is_ip_address(address)) continue;
        auto host = text_or(dig(e, "hostname"), dashed(address));
        auto& one = backends[{address, host}];
        one.address = address;
        one.host = host;
        for (const auto& p : dig(*slice, "ports")) one.ports.push_back({text_or(dig(p, "name")), lower(text_or(dig(p, "protocol"), "tcp")), number_of(dig(p, "port"))});
      }
    }
  const auto slash = key.find('/');
  const auto full = key.substr(slash + 1) + "." + key.substr(0, slash) + ".svc." + domain_;
  for (const auto& a : out.addresses) names_of_[canonical(a)].insert(full);
  for (auto& [at, one] : backends) names_of_[canonical(one.address)].insert(one.host + "." + full), out.backends.push_back(std::move(one));
  ++namespaces_[key.substr(0, slash)];
  services_[key] = std::move(out);
}

void zone::set_node(const std::string& name, std::vector<std::string> addresses) {
  if (addresses.empty()) nodes_.erase(lower(name));
  else nodes_[lower(name)] = std::move(addresses);
}

bool zone::find_ports(const service& of, const std::string& full, const std::string& port_name, const std::string& protocol, answer& out) const {
  const auto fits = [&](const port& p) { return p.number != 0 && !p.name.empty() && (port_name.empty() || (p.name == port_name && p.protocol == protocol)); };
  const auto owner = port_name.empty() ? full : "_" + port_name + "._" + protocol + "." + full;
  std::set<std::string> told;
  const auto tell = [&](std::uint16_t number, const std::string& target, const std::vector<std::string>& addresses) {
    out.answers.push_back({owner, type_srv, zone_ttl, srv_data(0, 100, number, target)});
    if (!told.insert(target).second) return;
    for (const auto& a : addresses) add_address(out.additional, target, a, type_a), add_address(out.additional, target, a, type_aaaa);
  };
  for (const auto& p : of.addresses.empty() ? std::vector<port>() : of.ports)
    if (fits(p)) tell(p.number, full, of.addresses);
  for (const auto& b : of.backends)
    for (const auto& p : b.ports)
      if (fits(p)) tell(p.number, b.host + "." + full, {b.address});
  return !out.answers.empty() || std::ranges::any_of(of.ports, fits);
}

/// `rest` is what stands before the Service's name, outermost last.
void zone::find_service(const service& of, const std::string& full, const std::vector<std::string>& rest, std::uint16_t type, answer& out, finding& where) const {
  if (rest.empty()) {
    if (!of.external.empty()) {
      out.answers.push_back({full, type_cname, zone_ttl, name_data(of.external)});
      if (type != type_cname) where.elsewhere = of.external;
      return;
    }
    if (type == type_srv) return void(find_ports(of, full, "", "", out));
    for (const auto& a : of.addresses) add_address(out.answers, full, a, type);
    for (const auto& b : of.backends) add_address(out.answers, full, b.address, type);
    return;
  }
  if (rest.size() == 1) {
    bool known = false;
    for (const auto& b : of.backends) {
      if (b.host != rest[0]) continue;
      known = true;
      add_address(out.answers, b.host + "." + full, b.address, type);
    }
    // "_tcp" alone is a name on the way to ports.
    if (!known && !std::ranges::any_of(of.ports, [&](const port& p) { return "_" + p.protocol == rest[0]; })) out.code = rcode::no_such_name;
    return;
  }
  const bool is_port = rest.size() == 2 && rest[0].starts_with("_") && rest[1].starts_with("_");
  answer ports;
  if (!is_port || !find_ports(of, full, rest[0].substr(1), rest[1].substr(1), ports)) out.code = rcode::no_such_name;
  else if (type == type_srv) out = std::move(ports);
}

/// Names below the domain; `labels` without it. False: there is no such name.
bool zone::find_below(const std::vector<std::string>& labels, const std::string& full, std::uint16_t type, finding& out) const {
  auto& said = out.said;
  if (labels.empty()) {
    if (type == type_soa) said.answers.push_back(authority());
    if (type == type_ns) said.answers.push_back({domain_, type_ns, zone_ttl, name_data("ns.dns." + domain_)}), add_address(said.additional, "ns.dns." + domain_, server_, is_six(server_) ? type_aaaa : type_a);
    return true;
  }
  const auto& last = labels.back();
  if (last == "dns-version" && labels.size() == 1) {
    if (type == type_txt) said.answers.push_back({full, type_txt, zone_ttl, txt_data("1.1.0")});
    return true;
  }
  if (last == "dns" && labels.size() <= 2) {
    if (labels.size() == 2 && labels[0] != "ns") return false;
    if (labels.size() == 2) add_address(said.answers, full, server_, type);
    return true;
  }
  if (last == "pod") {
    if (labels.size() != 3) return labels.size() < 3;
    const auto address = undashed(labels[0]);
    if (address.empty()) return false;
    add_address(said.answers, full, address, type);
    return true;
  }
  if (last != "svc") return false;
  if (labels.size() == 1) return true;
  const auto& ns = labels[labels.size() - 2];
  if (labels.size() == 2) return namespaces_.contains(ns);
  const auto& name = labels[labels.size() - 3];
  const auto found = services_.find(ns + "/" + name);
  if (found == services_.end()) return false;
  const std::vector<std::string> rest(labels.begin(), labels.end() - 3);
  find_service(found->second, name + "." + ns + ".svc." + domain_, rest, type, said, out);
  return said.code == rcode::ok;
}

bool zone::find_backwards(const std::string& name, std::uint16_t type, answer& out) const {
  const auto address = address_backwards(name);
  const auto found = address.empty() ? names_of_.end() : names_of_.find(canonical(address));
  if (found == names_of_.end()) return false;
  for (const auto& n : found->second)
    if (type == type_ptr) out.answers.push_back({name, type_ptr, zone_ttl, name_data(n)});
  return true;
}

finding zone::find(const std::string& name, std::uint16_t type) const {
  finding out;
  if (name == domain_ || name.ends_with("." + domain_)) {
    out.ours = out.said.authoritative = true;
    auto labels = split(name.substr(0, name.size() - std::min(name.size(), domain_.size() + 1)));
    if (!find_below(labels, name, type, out)) out.said.code = rcode::no_such_name, out.said.answers.clear();
    if (out.said.answers.empty()) out.said.authority.push_back(authority());
    return out;
  }
  if (const auto node = nodes_.find(name); node != nodes_.end()) {
    out.ours = out.said.authoritative = true;
    for (const auto& a : node->second) add_address(out.said.answers, name, a, type, node_ttl);
    return out;
  }
  if (name.ends_with(".arpa") && find_backwards(name, type, out.said)) out.ours = out.said.authoritative = true;
  return out;
}

}  // namespace troupe::dns
