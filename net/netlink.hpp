// What our speakers of netlink share: one socket, messages built and answered with libmnl. Inside of net/ only.
#pragma once
#include <libmnl/libmnl.h>

#include <array>
#include <cstdint>
#include <functional>

#include "basis/result.hpp"

namespace troupe::net::real {

/// Shows the attributes of a message behind its header of `header` bytes. (The library's own loops are C only.)
template <class F>
void each_attribute(const nlmsghdr& of, std::size_t header, F&& what) {
  for (auto* at = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&of, header));
       mnl_attr_ok(at, static_cast<int>(static_cast<const char*>(mnl_nlmsg_get_payload_tail(&of)) - reinterpret_cast<const char*>(at))); at = mnl_attr_next(at))
    what(*at);
}
/// The attribute `type` inside of `in`; null when there is none.
inline const nlattr* inner_attribute(const nlattr* in, int type) {
  if (!in) return nullptr;
  const auto* begin = static_cast<const char*>(mnl_attr_get_payload(in));
  const auto* end = begin + mnl_attr_get_payload_len(in);
  for (auto* at = reinterpret_cast<const nlattr*>(begin); mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const char*>(at))); at = mnl_attr_next(at))
    if (mnl_attr_get_type(at) == type) return at;
  return nullptr;
}

class netlink {
 public:
  /// `bus` is NETLINK_ROUTE or NETLINK_NETFILTER.
  explicit netlink(int bus);
  ~netlink();
  netlink(const netlink&) = delete;

  /// A fresh message in the one buffer; valid until the next.
  nlmsghdr* begin(std::uint16_t type, std::uint16_t flags);
  /// Sends it and waits for its acknowledgement. The error is the kernel's, by number in `errno_of_last`.
  result<void> talk(nlmsghdr* message, const char* doing);
  /// Sends a question, shows its answer and waits for the acknowledgement.
  result<void> ask(nlmsghdr* message, const char* doing, const std::function<void(const nlmsghdr&)>& each);
  /// Sends a request for a dump and shows each of its messages.
  result<void> dump(nlmsghdr* message, const char* doing, const std::function<void(const nlmsghdr&)>& each);
  int last_errno() const { return last_errno_; }

 private:
  result<void> exchange(nlmsghdr* message, const char* doing, const std::function<void(const nlmsghdr&)>& each);
  mnl_socket* socket_ = nullptr;
  unsigned sequence_ = 0;
  int last_errno_ = 0;
  alignas(nlmsghdr) std::array<char, 32 * 1024> buffer_{}, answer_{};
};

}  // namespace troupe::net::real
