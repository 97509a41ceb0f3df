#include "net/sim/node/links.hpp"

namespace troupe::net::sim {
namespace {
template <class T>
std::vector<T> of_link(const std::map<std::string, T>& all, const std::string& link) {
  std::vector<T> out;
  for (const auto& [key, one] : all)
    if (one.link == link) out.push_back(one);
  return out;
}
}  // namespace

result<void> links_twin::change(const std::string& link) {
  ++changes;
  if (refusals > 0) return --refusals, fail(errc::internal, "refused by script");
  if (!all.contains(link)) return fail(errc::not_found, "there is no interface " + link);
  return {};
}

result<std::vector<link_facts>> links_twin::links() {
  std::vector<link_facts> out;
  for (const auto& [name, one] : all) out.push_back(one);
  return out;
}
result<std::vector<std::string>> links_twin::addresses(const std::string& link) {
  const auto& some = address_of[link];
  return std::vector<std::string>(some.begin(), some.end());
}
result<void> links_twin::make_vxlan(const vxlan_order& what) {
  if (auto done = change(what.parent); !done.ok()) return done;
  if (all.contains(what.name)) return fail(errc::already_exists, what.name);
  all[what.name] = {what.name, what.mac, what.mtu, false, true, what.vni, what.port, what.local, what.parent};
  return {};
}
result<void> links_twin::remove_link(const std::string& name) {
  if (!all.contains(name)) return {};
  if (auto done = change(name); !done.ok()) return done;
  all.erase(name);
  address_of.erase(name);
  const auto on_it = [&](const auto& e) { return e.second.link == name; };
  std::erase_if(route_to, on_it), std::erase_if(neighbour_at, on_it), std::erase_if(forwarding_of, on_it);
  return {};
}
result<void> links_twin::set_up(const std::string& name, unsigned mtu) {
  if (auto done = change(name); !done.ok()) return done;
  all[name].up = true;
  all[name].mtu = mtu;
  return {};
}
result<void> links_twin::add_address(const std::string& link, const std::string& address) {
  if (address_of[link].contains(address)) return {};
  if (auto done = change(link); !done.ok()) return done;
  address_of[link].insert(address);
  return {};
}
result<void> links_twin::drop_address(const std::string& link, const std::string& address) {
  if (auto done = change(link); !done.ok()) return done;
  address_of[link].erase(address);
  return {};
}
result<std::vector<route>> links_twin::routes() {
  std::vector<route> out;
  for (const auto& [to, one] : route_to) out.push_back(one);
  return out;
}
result<void> links_twin::put_route(const route& what) {
  if (auto done = change(what.link); !done.ok()) return done;
  route_to[what.to] = what;
  return {};
}
result<void> links_twin::drop_route(const route& what) {
  if (auto done = change(what.link); !done.ok()) return done;
  route_to.erase(what.to);
  return {};
}
result<std::vector<neighbour>> links_twin::neighbours(const std::string& link) { return of_link(neighbour_at, link); }
result<void> links_twin::put_neighbour(const neighbour& what) {
  if (auto done = change(what.link); !done.ok()) return done;
  neighbour_at[what.link + " " + what.address] = what;
  return {};
}
result<void> links_twin::drop_neighbour(const neighbour& what) {
  if (auto done = change(what.link); !done.ok()) return done;
  neighbour_at.erase(what.link + " " + what.address);
  return {};
}
result<std::vector<forwarding>> links_twin::forwardings(const std::string& link) { return of_link(forwarding_of, link); }
result<void> links_twin::put_forwarding(const forwarding& what) {
  if (auto done = change(what.link); !done.ok()) return done;
  forwarding_of[what.link + " " + what.mac] = what;
  return {};
}
result<void> links_twin::drop_forwarding(const forwarding& what) {
  if (auto done = change(what.link); !done.ok()) return done;
  forwarding_of.erase(what.link + " " + what.mac);
  return {};
}
result<void> links_twin::set_switch(const std::string& name, const std::string& value) {
  switches[name] = value;
  return {};
}

}  // namespace troupe::net::sim
