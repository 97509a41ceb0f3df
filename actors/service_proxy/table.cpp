#include "actors/service_proxy/table.hpp"

#include <algorithm>
#include <array>

namespace troupe::service_proxy {
namespace {

constexpr std::array planes{plane::address, plane::port, plane::inside_address, plane::inside_port};
std::string name_of(plane p) {
  switch (p) {
    case plane::address: return "address";
    case plane::port: return "port";
    case plane::inside_address: return "inside_address";
    case plane::inside_port: return "inside_port";
  }
  return {};
}
bool by_port(plane p) { return p == plane::port || p == plane::inside_port; }
/// What of a packet is looked up.
std::string key_of(plane p) { return by_port(p) ? "meta l4proto . th dport" : "ip daddr . meta l4proto . th dport"; }
/// Which packets are, in a plane of ports: those to this node, by any address but loopback.
std::string guard_of(plane p) { return by_port(p) ? "fib daddr type local ip daddr != 127.0.0.0/8 " : ""; }

std::string name_of(masking m) { return m == masking::strangers ? "strangers" : m == masking::everybody ? "everybody" : "nobody"; }

/// kube-proxy's bit for "masquerade this connection", so that what knows it knows ours.
constexpr const char* mark_it = "meta mark set meta mark | 0x00004000";

/// A name for what has no short one: FNV-1a, 64 bits. That of two that collide one is lost would take some 10^9 of them.
std::string hash_of(const std::string& text) {
  std::uint64_t h = 1469598103934665603ull;
  for (const unsigned char c : text) h = (h ^ c) * 1099511628211ull;
  std::string out(16, '0');
  for (std::size_t i = 0; i < 16; ++i) out[15 - i] = "0123456789abcdef"[h >> (4 * i) & 15];
  return out;
}

std::string protocol_in(const frontend& front) {
  const auto& k = front.key;
  const auto end = k.rfind(" . ");
  if (by_port(front.where)) return k.substr(0, end);
  const auto begin = k.find(" . ") + 3;
  return k.substr(begin, end - begin);
}
std::string target_text(const endpoint& at) { return at.host + " . " + std::to_string(at.port); }

std::vector<std::string> mask_rules(masking m, const std::string& cidr) {
  if (m == masking::nobody) return {};
  return {(m == masking::strangers ? "ip saddr != " + cidr + " " : "") + mark_it};
}
std::string own_name(const std::string& owner, const frontend& f) { return "own_" + hash_of(owner + " " + name_of(f.where) + " " + f.key); }
std::string held_name(const frontend& f, const endpoint& target) {
  return hash_of(f.sticky + " " + std::to_string(f.sticky_seconds) + " " + target_text(target));
}
std::string targets_name(plane p, std::size_t place) { return name_of(p) + "_targets_" + std::to_string(place); }
bool has_own_chain(const frontend& f) { return !f.targets.empty() && (!f.sticky.empty() || !f.allowed.empty()); }

}  // namespace

table::table(node_facts node) : node_(std::move(node)), rules_(name) { make_frame(); }

void table::make_frame() {
  const auto pods = "ip saddr " + node_.cluster_cidr + " ";
  rules_.put_set(mark_set, "type mark ;");
  rules_.put_set("hairpins", "type ipv4_addr . ipv4_addr ;");
  for (const auto p : planes) {
    const std::string type = by_port(p) ? "type inet_proto . inet_service" : "type ipv4_addr . inet_proto . inet_service";
    rules_.put_set(name_of(p) + "_services", type + " : verdict ;");
    rules_.put_set(name_of(p) + "_absent", type + " : verdict ;");
  }
  const auto look = [](plane p, const char* what) { return guard_of(p) + key_of(p) + " vmap @" + name_of(p) + what; };
  rules_.put_chain("inside", {"", {look(plane::inside_address, "_services"), look(plane::inside_port, "_services")}});
  rules_.put_chain("services", {"", {look(plane::address, "_services"), look(plane::port, "_services")}});
  rules_.put_chain("inside_absent", {"", {look(plane::inside_address, "_absent"), look(plane::inside_port, "_absent")}});
  rules_.put_chain("absent", {"", {look(plane::address, "_absent"), look(plane::port, "_absent")}});
  rules_.put_chain("refuse", {"", {"meta l4proto tcp reject with tcp reset", "reject"}});
  rules_.put_chain("prerouting", {"type nat hook prerouting priority -100 ; policy accept ;", {pods + "jump inside", "jump services"}});
  rules_.put_chain("output", {"type nat hook output priority -100 ; policy accept ;", {"jump inside", "jump services"}});
  rules_.put_chain("postrouting", {"type nat hook postrouting priority 100 ; policy accept ;",
                                   {"meta mark & 0x00004000 == 0x00004000 meta mark set meta mark & 0xffffbfff masquerade fully-random",
                                    "ip saddr . ip daddr @hairpins masquerade fully-random",
                                    // Pods speak to the world as their node, because nobody out there knows the way back to them.
                                    pods + "ip daddr != " + node_.cluster_cidr + " ip daddr != 224.0.0.0/4 masquerade fully-random"}});
  // A new connection that still has the Service's own address found nobody.
  for (const char* hook : {"input", "forward"})
    rules_.put_chain(std::string("refuse_") + hook, {std::string("type filter hook ") + hook + " priority 0 ; policy accept ;",
                                                     {"ct state new " + pods + "jump inside_absent", "ct state new jump absent"}});
  rules_.put_chain("refuse_output", {"type filter hook output priority 0 ; policy accept ;", {"ct state new jump inside_absent", "ct state new jump absent"}});
}

void table::put(const std::string& owner, const std::string& set, const std::string& key, const std::string& value) {
  auto& all = owners_[{set, key}];
  all[owner] = value;
  rules_.put_element(set, key, all.begin()->second);
}

void table::drop(const std::string& owner, const std::string& set, const std::string& key) {
  const auto found = owners_.find({set, key});
  if (found == owners_.end()) return;
  found->second.erase(owner);
  if (!found->second.empty()) return rules_.put_element(set, key, found->second.begin()->second);
  owners_.erase(found);
  rules_.drop_element(set, key);
}

/// The chain for the target at one place, and the map that it looks into. Both stay, since others will need them.
std::string table::slot(plane where, std::size_t place) {
  const auto number = std::to_string(place), name = name_of(where) + "_slot_" + number, map = targets_name(where, place);
  if (rules_.has_chain(name)) return name;
  const std::string key = by_port(where) ? "inet_proto . inet_service" : "ipv4_addr . inet_proto . inet_service";
  rules_.put_set(map, "type " + key + " : ipv4_addr . inet_service ;");
  rules_.put_chain(name, {"", {"meta l4proto { tcp, udp, sctp } dnat ip to " + key_of(where) + " map @" + map}});
  return name;
}

/// The chain for "one of N", made when first needed; it stays too.
std::string table::lot(const frontend& front) {
  const auto count = front.targets.size();
  auto name = name_of(front.where) + "_" + name_of(front.mask) + "_" + std::to_string(count);
  if (rules_.has_chain(name)) return name;
  auto rules = mask_rules(front.mask, node_.cluster_cidr);
  std::string draw;
  for (std::size_t i = 0; i < count; ++i) draw += (i ? ", " : "") + std::to_string(i) + " : goto " + slot(front.where, i);
  rules.push_back("numgen random mod " + std::to_string(count) + " vmap { " + draw + " }");
  rules_.put_chain(name, {"", std::move(rules)});
  return name;
}

void table::add_own_chain(const frontend& f, const std::string& chain_name) {
  std::vector<std::string> rules;
  if (!f.allowed.empty()) {
    std::string all;
    for (const auto& a : f.allowed) all += (all.empty() ? "" : ", ") + a;
    rules.push_back("ip saddr != { " + all + " } drop");
  }
  if (f.sticky.empty()) {
    rules.push_back("goto " + lot(f));
    return rules_.put_chain(chain_name, {"", std::move(rules)});
  }
  for (auto& r : mask_rules(f.mask, node_.cluster_cidr)) rules.push_back(std::move(r));
  std::string draw;
  for (std::size_t i = 0; i < f.targets.size(); ++i) {
    const auto held = held_name(f, f.targets[i]);
    rules.push_back("ip saddr @held_" + held + " goto to_" + held);
    draw += (i ? ", " : "") + std::to_string(i) + " : goto to_" + held;
    rules_.put_set("held_" + held, "type ipv4_addr ; flags dynamic,timeout ; timeout " + std::to_string(f.sticky_seconds) + "s ; size 65535 ;");
    rules_.put_chain("to_" + held, {"", {"update @held_" + held + " { ip saddr }", "meta l4proto " + protocol_in(f) + " dnat ip to " + to_string(f.targets[i])}});
  }
  rules.push_back("numgen random mod " + std::to_string(f.targets.size()) + " vmap { " + draw + " }");
  rules_.put_chain(chain_name, {"", std::move(rules)});
}

void table::add(const std::string& owner, const frontend& f) {
  const auto p = name_of(f.where);
  if (f.targets.empty()) return put(owner, p + "_absent", f.key, f.empty == absence::dropped ? "drop" : "goto refuse");
  const auto to = has_own_chain(f) ? own_name(owner, f) : lot(f);
  if (has_own_chain(f)) add_own_chain(f, to);
  put(owner, p + "_services", f.key, "goto " + to);
  if (!f.sticky.empty()) return;
  for (std::size_t i = 0; i < f.targets.size(); ++i) put(owner, targets_name(f.where, i), f.key, target_text(f.targets[i]));
}

void table::remove(const std::string& owner, const frontend& f) {
  const auto p = name_of(f.where);
  if (f.targets.empty()) return drop(owner, p + "_absent", f.key);
  drop(owner, p + "_services", f.key);
  for (std::size_t i = 0; i < f.targets.size() && f.sticky.empty(); ++i) drop(owner, targets_name(f.where, i), f.key);
  if (!has_own_chain(f)) return;
  rules_.drop_chain(own_name(owner, f));
  if (f.sticky.empty()) return;
  for (const auto& t : f.targets) rules_.drop_chain("to_" + held_name(f, t)), rules_.drop_set("held_" + held_name(f, t));
}

void table::set(const std::string& key, served now) {
  static const served nothing;
  const auto found = services_.find(key);
  const auto& before = found == services_.end() ? nothing : found->second;
  if (before == now) return;
  note_udp(before, now);
  // What both want is put back at once, and then it has not changed.
  for (const auto& f : before.fronts) remove(key, f);
  for (const auto& a : before.own_targets) drop(key, "hairpins", a + " . " + a);
  for (const auto& f : now.fronts) add(key, f);
  for (const auto& a : now.own_targets) put(key, "hairpins", a + " . " + a, "");
  if (now.fronts.empty()) services_.erase(key);
  else services_[key] = std::move(now);
}

void table::note_udp(const served& before, const served& now) {
  std::set<endpoint> had, has;
  std::set<std::string> answered;
  for (const auto& f : before.fronts)
    if (protocol_in(f) == "udp") {
      had.insert(f.targets.begin(), f.targets.end());
      if (!f.targets.empty()) answered.insert(f.key);
    }
  for (const auto& f : now.fronts)
    if (protocol_in(f) == "udp") {
      has.insert(f.targets.begin(), f.targets.end());
      if (f.targets.empty() || by_port(f.where) || answered.contains(f.key)) continue;
      if (const auto at = parse_endpoint(f.key.substr(0, f.key.find(' ')) + ":" + f.key.substr(f.key.rfind(' ') + 1)); at.ok()) found_udp_.insert(*at);
    }
  std::ranges::set_difference(had, has, std::inserter(lost_udp_, lost_udp_.end()));
}

std::set<endpoint> table::take_lost_udp() { return std::exchange(lost_udp_, {}); }
std::set<endpoint> table::take_found_udp() { return std::exchange(found_udp_, {}); }

std::string table::whole(std::uint32_t mark) {
  return rules_.whole() + "add element ip " + name + " " + mark_set + " { " + mark_text(mark) + " }\n";
}

}  // namespace troupe::service_proxy
