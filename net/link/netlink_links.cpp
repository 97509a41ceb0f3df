#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "net/link/netlink_text.hpp"
#include "net/link/real.hpp"
#include "net/netlink.hpp"

// One message per call, as rtnetlink(7) and the kernel's uapi headers describe them.

namespace troupe::net::real {
namespace {

error no_link(const std::string& name) { return fail(errc::not_found, "there is no interface " + name); }
error no_sense(const std::string& what) { return fail(errc::invalid, "\"" + what + "\" is no address"); }

std::string text_of(const nlattr* from) { return from ? std::string(mnl_attr_get_str(from)) : std::string(); }
std::uint32_t number_of(const nlattr* from) { return from ? mnl_attr_get_u32(from) : 0; }

class rtnetlink final : public link_table {
 public:
  result<std::vector<link_facts>> links() override {
    std::vector<link_facts> out;
    std::vector<std::pair<std::size_t, std::uint32_t>> parents;
    auto* ask = speak_.begin(RTM_GETLINK, 0);
    static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(ask, sizeof(ifinfomsg)))->ifi_family = AF_UNSPEC;
    auto done = speak_.dump(ask, "listing interfaces", [&](const nlmsghdr& m) {
      const auto& head = *static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&m));
      link_facts one;
      one.up = (head.ifi_flags & IFF_UP) != 0;
      each_attribute(m, sizeof(ifinfomsg), [&](const nlattr& a) {
        const auto type = mnl_attr_get_type(&a);
        if (type == IFLA_IFNAME) one.name = mnl_attr_get_str(&a);
        if (type == IFLA_MTU) one.mtu = mnl_attr_get_u32(&a);
        if (type == IFLA_ADDRESS && mnl_attr_get_payload_len(&a) == 6) one.mac = mac_text(mnl_attr_get_payload(&a));
        if (type == IFLA_LINKINFO && text_of(inner_attribute(&a, IFLA_INFO_KIND)) == "vxlan") {
          const auto* data = inner_attribute(&a, IFLA_INFO_DATA);
          one.is_vxlan = true;
          one.vni = number_of(inner_attribute(data, IFLA_VXLAN_ID));
          if (const auto* port = inner_attribute(data, IFLA_VXLAN_PORT)) one.port = ntohs(mnl_attr_get_u16(port));
          if (const auto* local = inner_attribute(data, IFLA_VXLAN_LOCAL)) one.local = ip_text(mnl_attr_get_u32(local));
          parents.emplace_back(out.size(), number_of(inner_attribute(data, IFLA_VXLAN_LINK)));
        }
      });
      out.push_back(std::move(one));
    });
    if (!done.ok()) return done.why();
    for (const auto& [at, index] : parents) out[at].parent = name_of(index);
    return out;
  }

  result<std::vector<std::string>> addresses(const std::string& link) override {
    const auto index = index_of(link);
    if (index == 0) return no_link(link);
    std::vector<std::string> out;
    auto* ask = speak_.begin(RTM_GETADDR, 0);
    static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(ask, sizeof(ifaddrmsg)))->ifa_family = AF_INET;
    auto done = speak_.dump(ask, "listing addresses", [&](const nlmsghdr& m) {
      const auto& head = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&m));
      if (head.ifa_index != index) return;
      each_attribute(m, sizeof(ifaddrmsg), [&](const nlattr& a) {
        if (mnl_attr_get_type(&a) == IFA_LOCAL) out.push_back(ip_text(mnl_attr_get_u32(&a)) + "/" + std::to_string(head.ifa_prefixlen));
      });
    });
    if (!done.ok()) return done.why();
    return out;
  }

  result<void> make_vxlan(const vxlan_order& what) override {
    const auto local = ip_of(what.local);
    const auto mac = mac_of(what.mac);
    const auto parent = index_of(what.parent);
    if (!local) return no_sense(what.local);
    if (!mac) return no_sense(what.mac);
    if (parent == 0) return no_link(what.parent);
    auto* m = speak_.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(m, sizeof(ifinfomsg)))->ifi_family = AF_UNSPEC;
    mnl_attr_put_strz(m, IFLA_IFNAME, what.name.c_str());
    mnl_attr_put(m, IFLA_ADDRESS, mac->size(), mac->data());
    mnl_attr_put_u32(m, IFLA_MTU, what.mtu);
    auto* info = mnl_attr_nest_start(m, IFLA_LINKINFO);
    mnl_attr_put_str(m, IFLA_INFO_KIND, "vxlan");
    auto* data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
    mnl_attr_put_u32(m, IFLA_VXLAN_ID, what.vni);
    mnl_attr_put_u32(m, IFLA_VXLAN_LINK, parent);
    mnl_attr_put_u32(m, IFLA_VXLAN_LOCAL, *local);
    mnl_attr_put_u8(m, IFLA_VXLAN_LEARNING, 0);
    mnl_attr_put_u16(m, IFLA_VXLAN_PORT, htons(what.port));
    mnl_attr_nest_end(m, data);
    mnl_attr_nest_end(m, info);
    return speak_.talk(m, ("making the vxlan " + what.name).c_str());
  }

  result<void> remove_link(const std::string& name) override {
    const auto index = index_of(name);
    if (index == 0) return {};
    auto* m = speak_.begin(RTM_DELLINK, 0);
    static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(m, sizeof(ifinfomsg)))->ifi_index = static_cast<int>(index);
    return speak_.talk(m, ("removing " + name).c_str());
  }

  result<void> set_up(const std::string& name, unsigned mtu) override {
    const auto index = index_of(name);
    if (index == 0) return no_link(name);
    auto* m = speak_.begin(RTM_NEWLINK, 0);
    auto& head = *static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(m, sizeof(ifinfomsg)));
    head.ifi_index = static_cast<int>(index);
    head.ifi_flags = head.ifi_change = IFF_UP;
    mnl_attr_put_u32(m, IFLA_MTU, mtu);
    return speak_.talk(m, ("setting " + name + " up").c_str());
  }

  result<void> add_address(const std::string& link, const std::string& address) override {
    auto done = change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, link, address);
    return !done.ok() && done.code() == errc::already_exists ? result<void>() : done;
  }
  result<void> drop_address(const std::string& link, const std::string& address) override {
    auto done = change_address(RTM_DELADDR, 0, link, address);
    return !done.ok() && speak_.last_errno() == EADDRNOTAVAIL ? result<void>() : done;
  }

  result<std::vector<route>> routes() override {
    std::vector<route> out;
    auto* ask = speak_.begin(RTM_GETROUTE, 0);
    static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(ask, sizeof(rtmsg)))->rtm_family = AF_INET;
    std::vector<std::uint32_t> links;
    auto done = speak_.dump(ask, "listing routes", [&](const nlmsghdr& m) {
      const auto& head = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&m));
      if (head.rtm_protocol != route_protocol || head.rtm_table != RT_TABLE_MAIN) return;
      route one;
      std::uint32_t link = 0;
      one.to = "0.0.0.0/" + std::to_string(head.rtm_dst_len);
      one.onlink = (head.rtm_flags & RTNH_F_ONLINK) != 0;
      each_attribute(m, sizeof(rtmsg), [&](const nlattr& a) {
        const auto type = mnl_attr_get_type(&a);
        if (type == RTA_DST) one.to = ip_text(mnl_attr_get_u32(&a)) + "/" + std::to_string(head.rtm_dst_len);
        if (type == RTA_GATEWAY) one.via = ip_text(mnl_attr_get_u32(&a));
        if (type == RTA_OIF) link = mnl_attr_get_u32(&a);
      });
      links.push_back(link);
      out.push_back(std::move(one));
    });
    if (!done.ok()) return done.why();
    for (std::size_t i = 0; i < out.size(); ++i) out[i].link = name_of(links[i]);
    return out;
  }
  result<void> put_route(const route& what) override { return change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, what); }
  result<void> drop_route(const route& what) override {
    auto done = change_route(RTM_DELROUTE, 0, what);
    return !done.ok() && done.code() == errc::not_found ? result<void>() : done;
  }

  result<std::vector<neighbour>> neighbours(const std::string& link) override {
    std::vector<neighbour> out;
    auto done = dump_entries(AF_INET, link, [&](const nlattr* to, const nlattr* mac) {
      out.push_back({ip_text(mnl_attr_get_u32(to)), mac_text(mnl_attr_get_payload(mac)), link});
    });
    if (!done.ok()) return done.why();
    return out;
  }
  result<void> put_neighbour(const neighbour& what) override { return change_entry(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, AF_INET, what.address, what.mac, what.link); }
  result<void> drop_neighbour(const neighbour& what) override { return absent_is_fine(change_entry(RTM_DELNEIGH, 0, AF_INET, what.address, what.mac, what.link)); }

  result<std::vector<forwarding>> forwardings(const std::string& link) override {
    std::vector<forwarding> out;
    auto done = dump_entries(AF_BRIDGE, link, [&](const nlattr* to, const nlattr* mac) {
      out.push_back({mac_text(mnl_attr_get_payload(mac)), ip_text(mnl_attr_get_u32(to)), link});
    });
    if (!done.ok()) return done.why();
    return out;
  }
  result<void> put_forwarding(const forwarding& what) override { return change_entry(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, AF_BRIDGE, what.to, what.mac, what.link); }
  result<void> drop_forwarding(const forwarding& what) override { return absent_is_fine(change_entry(RTM_DELNEIGH, 0, AF_BRIDGE, what.to, what.mac, what.link)); }

  result<void> set_switch(const std::string& name, const std::string& value) override {
    const auto path = "/proc/sys/" + name;
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return fail(errno == ENOENT ? errc::not_found : errno == EACCES || errno == EROFS ? errc::forbidden : errc::internal, path + ": " + std::strerror(errno));
    const bool done = ::write(fd, value.data(), value.size()) == static_cast<ssize_t>(value.size());
    const int number = errno;
    ::close(fd);
    return done ? result<void>() : fail(errc::internal, path + ": " + std::strerror(number));
  }

 private:
  static std::uint32_t index_of(const std::string& name) { return if_nametoindex(name.c_str()); }
  static std::string name_of(std::uint32_t index) {
    char out[IF_NAMESIZE];
    return if_indextoname(index, out) ? out : "";
  }
  static result<void> absent_is_fine(result<void> done) { return !done.ok() && done.code() == errc::not_found ? result<void>() : done; }

  result<void> change_address(std::uint16_t type, std::uint16_t flags, const std::string& link, const std::string& address) {
    const auto at = prefix_of(address);
    const auto index = index_of(link);
    if (!at) return no_sense(address);
    if (index == 0) return no_link(link);
    auto* m = speak_.begin(type, flags);
    auto& head = *static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(m, sizeof(ifaddrmsg)));
    head.ifa_family = AF_INET;
    head.ifa_prefixlen = static_cast<std::uint8_t>(at->bits);
    head.ifa_index = index;
    mnl_attr_put_u32(m, IFA_LOCAL, at->ip);
    mnl_attr_put_u32(m, IFA_ADDRESS, at->ip);
    return speak_.talk(m, ("the address " + address + " of " + link).c_str());
  }

  result<void> change_route(std::uint16_t type, std::uint16_t flags, const route& what) {
    const auto to = prefix_of(what.to);
    const auto via = what.via.empty() ? std::optional<std::uint32_t>(0) : ip_of(what.via);
    const auto index = index_of(what.link);
    if (!to) return no_sense(what.to);
    if (!via) return no_sense(what.via);
    if (index == 0) return no_link(what.link);
    auto* m = speak_.begin(type, flags);
    auto& head = *static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(m, sizeof(rtmsg)));
    head.rtm_family = AF_INET;
    head.rtm_dst_len = static_cast<std::uint8_t>(to->bits);
    head.rtm_table = RT_TABLE_MAIN;
    head.rtm_protocol = route_protocol;
    head.rtm_scope = what.via.empty() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    head.rtm_type = RTN_UNICAST;
    if (what.onlink) head.rtm_flags = RTNH_F_ONLINK;
    mnl_attr_put_u32(m, RTA_DST, to->ip);
    if (!what.via.empty()) mnl_attr_put_u32(m, RTA_GATEWAY, *via);
    mnl_attr_put_u32(m, RTA_OIF, index);
    return speak_.talk(m, ("the route to " + what.to).c_str());
  }

  result<void> dump_entries(unsigned char family, const std::string& link, const std::function<void(const nlattr* to, const nlattr* mac)>& show) {
    const auto index = index_of(link);
    if (index == 0) return no_link(link);
    auto* ask = speak_.begin(RTM_GETNEIGH, 0);
    static_cast<ndmsg*>(mnl_nlmsg_put_extra_header(ask, sizeof(ndmsg)))->ndm_family = family;
    return speak_.dump(ask, "listing neighbours", [&](const nlmsghdr& m) {
      const auto& head = *static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&m));
      if (head.ndm_family != family || head.ndm_ifindex != static_cast<int>(index) || (head.ndm_state & NUD_PERMANENT) == 0) return;
      const nlattr *to = nullptr, *mac = nullptr;
      each_attribute(m, sizeof(ndmsg), [&](const nlattr& a) {
        if (mnl_attr_get_type(&a) == NDA_DST && mnl_attr_get_payload_len(&a) == 4) to = &a;
        if (mnl_attr_get_type(&a) == NDA_LLADDR && mnl_attr_get_payload_len(&a) == 6) mac = &a;
      });
      if (to && mac) show(to, mac);
    });
  }

  result<void> change_entry(std::uint16_t type, std::uint16_t flags, unsigned char family, const std::string& to, const std::string& mac, const std::string& link) {
    const auto ip = ip_of(to);
    const auto bytes = mac_of(mac);
    const auto index = index_of(link);
    if (!ip) return no_sense(to);
    if (!bytes) return no_sense(mac);
    if (index == 0) return no_link(link);
    auto* m = speak_.begin(type, flags);
    auto& head = *static_cast<ndmsg*>(mnl_nlmsg_put_extra_header(m, sizeof(ndmsg)));
    head.ndm_family = family;
    head.ndm_ifindex = static_cast<int>(index);
    head.ndm_state = NUD_PERMANENT;
    if (family == AF_BRIDGE) head.ndm_flags = NTF_SELF;
    mnl_attr_put_u32(m, NDA_DST, *ip);
    mnl_attr_put(m, NDA_LLADDR, bytes->size(), bytes->data());
    return speak_.talk(m, ("the neighbour " + to + " on " + link).c_str());
  }

  netlink speak_{NETLINK_ROUTE};
};

}  // namespace

std::unique_ptr<link_table> make_link_table() { return std::make_unique<rtnetlink>(); }

}  // namespace troupe::net::real
