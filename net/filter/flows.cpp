#include "net/filter/flows.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <cstring>
#include <set>
#include <string>
#include <utility>

#include "net/netlink.hpp"

namespace troupe::net::real {
namespace {

using address = std::pair<std::uint32_t, std::uint16_t>;   // in network order

std::set<address> addresses_of(const std::vector<endpoint>& all) {
  std::set<address> out;
  for (const auto& one : all) {
    in_addr ip{};
    if (inet_pton(AF_INET, one.host.c_str(), &ip) == 1) out.emplace(ip.s_addr, htons(one.port));
  }
  return out;
}

address end_of(const nlattr* tuple, int ip_type, int port_type) {
  const auto* ip = inner_attribute(inner_attribute(tuple, CTA_TUPLE_IP), ip_type);
  const auto* port = inner_attribute(inner_attribute(tuple, CTA_TUPLE_PROTO), port_type);
  return {ip ? mnl_attr_get_u32(ip) : 0, port ? mnl_attr_get_u16(port) : std::uint16_t{0}};
}
bool is_udp(const nlattr* tuple) {
  const auto* number = inner_attribute(inner_attribute(tuple, CTA_TUPLE_PROTO), CTA_PROTO_NUM);
  return number && mnl_attr_get_u8(number) == IPPROTO_UDP;
}

nfgenmsg* put_family(nlmsghdr* message) {
  auto* out = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  out->nfgen_family = AF_INET;
  out->version = NFNETLINK_V0;
  return out;
}

}  // namespace

result<void> forget_udp_flows(const std::vector<endpoint>& replying, const std::vector<endpoint>& asked) {
  const auto answering = addresses_of(replying), wanted = addresses_of(asked);
  netlink with(NETLINK_NETFILTER);
  constexpr auto type = [](int what) { return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | what); };
  std::vector<std::string> doomed;   // the tuples of their first direction, as the kernel wrote them
  auto* ask = with.begin(type(IPCTNL_MSG_CT_GET), 0);
  put_family(ask);
  auto read = with.dump(ask, "listing connections", [&](const nlmsghdr& m) {
    const nlattr *first = nullptr, *reply = nullptr;
    each_attribute(m, sizeof(nfgenmsg), [&](const nlattr& each) {
      if (mnl_attr_get_type(&each) == CTA_TUPLE_ORIG) first = &each;
      if (mnl_attr_get_type(&each) == CTA_TUPLE_REPLY) reply = &each;
    });
    if (!first || !is_udp(first)) return;
    if (answering.contains(end_of(reply, CTA_IP_V4_SRC, CTA_PROTO_SRC_PORT)) || wanted.contains(end_of(first, CTA_IP_V4_DST, CTA_PROTO_DST_PORT)))
      doomed.emplace_back(reinterpret_cast<const char*>(mnl_attr_get_payload(first)), mnl_attr_get_payload_len(first));
  });
  if (!read.ok()) return read;
  for (const auto& tuple : doomed) {
    auto* order = with.begin(type(IPCTNL_MSG_CT_DELETE), 0);
    put_family(order);
    mnl_attr_put(order, CTA_TUPLE_ORIG | NLA_F_NESTED, tuple.size(), tuple.data());
    if (auto done = with.talk(order, "forgetting a connection"); !done.ok() && done.code() != errc::not_found) return done;
  }
  return {};
}

}  // namespace troupe::net::real
