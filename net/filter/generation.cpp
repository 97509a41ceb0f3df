#include "net/filter/generation.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <optional>

#include "net/netlink.hpp"

namespace troupe::net::real {

result<std::uint32_t> rules_generation() {
  netlink with(NETLINK_NETFILTER);
  auto* question = with.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, 0);
  auto* head = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(question, sizeof(nfgenmsg)));
  head->nfgen_family = AF_UNSPEC;
  head->version = NFNETLINK_V0;
  std::optional<std::uint32_t> number;
  const auto asked = with.ask(question, "asking for the generation of the rules", [&](const nlmsghdr& m) {
    each_attribute(m, sizeof(nfgenmsg), [&](const nlattr& one) {
      if (mnl_attr_get_type(&one) == NFTA_GEN_ID) number = ntohl(mnl_attr_get_u32(&one));
    });
  });
  if (!asked.ok()) return asked.why();
  if (!number) return fail(errc::internal, "the kernel tells no generation of its rules");
  return *number;
}

}  // namespace troupe::net::real
