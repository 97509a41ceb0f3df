#include "actors/flannel/settle.hpp"

#include <algorithm>

namespace troupe::flannel {
namespace {

class settling {
 public:
  settling(net::link_table& links, const place& at, const std::map<std::string, peer>& peers) : links_(links), config_(at), peers_(peers) {}

  result<unsigned> run(const std::string& pod_cidr) {
    if (auto done = links_.set_switch("net/ipv4/ip_forward", "1"); !done.ok()) return done.why();
    // Pods on one bridge that speak by way of a Service must be seen by the packet filter on their way back too.
    if (auto done = links_.set_switch("net/bridge/bridge-nf-call-iptables", "1"); !done.ok() && done.code() != errc::not_found) return done.why();
    auto parent = find_parent();
    if (!parent.ok()) return parent.why();
    std::string link = parent->name;
    unsigned mtu = parent->mtu;
    if (config_.with == backend::vxlan) {
      mtu -= std::min(mtu, vxlan_overhead);
      link = vxlan_name;
      if (auto done = keep_vxlan(*parent, mtu, base_of(pod_cidr) + "/32"); !done.ok()) return done.why();
    } else if (auto done = links_.remove_link(vxlan_name); !done.ok()) {
      return done.why();   // of an earlier life with another backend
    }
    if (auto done = keep_entries(link); !done.ok()) return done.why();
    return mtu;
  }

  result<net::link_facts> find_parent() {
    auto all = links_.links();
    if (!all.ok()) return all.why();
    for (auto& one : *all) {
      if (one.name == config_.link) return std::move(one);
      if (!config_.link.empty()) continue;
      const auto addresses = links_.addresses(one.name);
      if (!addresses.ok()) continue;   // it has just gone
      for (const auto& a : *addresses)
        if (base_of(a) == config_.address) return std::move(one);
    }
    return fail(errc::not_found, config_.link.empty() ? "no interface has the node's address " + config_.address : "there is no interface " + config_.link);
  }

  result<void> keep_vxlan(const net::link_facts& parent, unsigned mtu, const std::string& address) {
    const auto mac = mac_for(config_.node);
    const auto all = links_.links();
    if (!all.ok()) return all.why();
    const auto found = std::ranges::find(*all, std::string(vxlan_name), &net::link_facts::name);
    const bool there = found != all->end();
    const bool right = there && found->is_vxlan && found->vni == vxlan_vni && found->port == vxlan_port && found->local == config_.address && found->parent == parent.name && found->mac == mac;
    if (there && !right)
      if (auto done = links_.remove_link(vxlan_name); !done.ok()) return done;
    if (!right)
      if (auto done = links_.make_vxlan({vxlan_name, parent.name, config_.address, mac, vxlan_vni, mtu, vxlan_port}); !done.ok()) return done;
    const auto addresses = links_.addresses(vxlan_name);
    if (!addresses.ok()) return addresses.why();
    for (const auto& old : *addresses)
      if (old != address)
        if (auto done = links_.drop_address(vxlan_name, old); !done.ok()) return done;
    if (auto done = links_.add_address(vxlan_name, address); !done.ok()) return done;
    return right && found->up && found->mtu == mtu ? result<void>() : links_.set_up(vxlan_name, mtu);
  }

  /// One peer that cannot be reached (host-gw beyond a router) must not keep the others away: its reason is told at the end.
  result<void> keep_entries(const std::string& link) {
        const auto aim = wanted(config_.with, config_.node, peers_, link);
    result<void> out;
    const auto note = [&out](result<void> done) { if (!done.ok() && out.ok()) out = std::move(done); };
    if (config_.with == backend::vxlan) {
      const auto neighbours = links_.neighbours(link);
      const auto forwardings = links_.forwardings(link);
      if (!neighbours.ok()) return neighbours.why();
      if (!forwardings.ok()) return forwardings.why();
      const difference n(*neighbours, aim.neighbours, [](const net::neighbour& x) { return x.address; });
      const difference f(*forwardings, aim.forwardings, [](const net::forwarding& x) { return x.mac; });
      for (const auto& x : n.drop) note(links_.drop_neighbour(x));
      for (const auto& x : n.put) note(links_.put_neighbour(x));
      for (const auto& x : f.drop) note(links_.drop_forwarding(x));
      for (const auto& x : f.put) note(links_.put_forwarding(x));
    }
    const auto routes = links_.routes();
    if (!routes.ok()) return routes.why();
    const difference r(*routes, aim.routes, [](const net::route& x) { return x.to; });
    for (const auto& x : r.drop) note(links_.drop_route(x));
    for (const auto& x : r.put) note(links_.put_route(x));
    return out;
  }

 private:
  net::link_table& links_;
  const place& config_;
  const std::map<std::string, peer>& peers_;
};

}  // namespace

result<unsigned> settle(net::link_table& links, const place& at, const std::map<std::string, peer>& peers) {
  const auto own = peers.find(at.node);
  if (own == peers.end() || own->second.pod_cidr.empty()) return fail(errc::not_found, "node " + at.node + " has no network for its pods yet");
  return settling(links, at, peers).run(own->second.pod_cidr);
}

}  // namespace troupe::flannel
