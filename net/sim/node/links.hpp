// The links' twin: interfaces that a test gives it, and what it is told to add. Refuses what the kernel would refuse. One thread.
#pragma once
#include <map>
#include <set>

#include "net/link/link.hpp"

namespace troupe::net::sim {

class links_twin final : public link_table {
 public:
  std::map<std::string, link_facts> all;                        ///< By name; the test puts its own in.
  std::map<std::string, std::set<std::string>> address_of;      ///< By link.
  std::map<std::string, route> route_to;                        ///< By network.
  std::map<std::string, neighbour> neighbour_at;                ///< By "link address".
  std::map<std::string, forwarding> forwarding_of;              ///< By "link mac".
  std::map<std::string, std::string> switches;
  int refusals = 0;                                             ///< The next so many changes fail.
  int changes = 0;

  result<std::vector<link_facts>> links() override;
  result<std::vector<std::string>> addresses(const std::string& link) override;
  result<void> make_vxlan(const vxlan_order& what) override;
  result<void> remove_link(const std::string& name) override;
  result<void> set_up(const std::string& name, unsigned mtu) override;
  result<void> add_address(const std::string& link, const std::string& address) override;
  result<void> drop_address(const std::string& link, const std::string& address) override;
  result<std::vector<route>> routes() override;
  result<void> put_route(const route& what) override;
  result<void> drop_route(const route& what) override;
  result<std::vector<neighbour>> neighbours(const std::string& link) override;
  result<void> put_neighbour(const neighbour& what) override;
  result<void> drop_neighbour(const neighbour& what) override;
  result<std::vector<forwarding>> forwardings(const std::string& link) override;
  result<void> put_forwarding(const forwarding& what) override;
  result<void> drop_forwarding(const forwarding& what) override;
  result<void> set_switch(const std::string& name, const std::string& value) override;

 private:
  result<void> change(const std::string& link);
};

}  // namespace troupe::net::sim
