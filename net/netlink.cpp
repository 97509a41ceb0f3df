#include "net/netlink.hpp"

#include <cerrno>
#include <cstring>

namespace troupe::net::real {

netlink::netlink(int bus) : socket_(mnl_socket_open2(bus, SOCK_CLOEXEC)) {
  if (socket_ && mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) < 0) mnl_socket_close(std::exchange(socket_, nullptr));
}
netlink::~netlink() {
  if (socket_) mnl_socket_close(socket_);
}

nlmsghdr* netlink::begin(std::uint16_t type, std::uint16_t flags) {
  buffer_.fill(0);
  auto* out = mnl_nlmsg_put_header(buffer_.data());
  out->nlmsg_type = type;
  out->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  out->nlmsg_seq = ++sequence_;
  return out;
}

result<void> netlink::talk(nlmsghdr* message, const char* doing) {
  return ask(message, doing, [](const nlmsghdr&) {});
}
result<void> netlink::ask(nlmsghdr* message, const char* doing, const std::function<void(const nlmsghdr&)>& each) {
  message->nlmsg_flags |= NLM_F_ACK;
  return exchange(message, doing, each);
}
result<void> netlink::dump(nlmsghdr* message, const char* doing, const std::function<void(const nlmsghdr&)>& each) {
  message->nlmsg_flags |= NLM_F_DUMP;
  return exchange(message, doing, each);
}

result<void> netlink::exchange(nlmsghdr* message, const char* doing, const std::function<void(const nlmsghdr&)>& each) {
  last_errno_ = 0;
  const auto failed = [&] {
    last_errno_ = errno;
    const auto code = errno == EPERM || errno == EACCES ? errc::forbidden : errno == ENOENT || errno == ESRCH || errno == ENODEV ? errc::not_found
                      : errno == EEXIST ? errc::already_exists : errc::internal;
    return fail(code, std::string(doing) + ": " + std::strerror(last_errno_));
  };
  if (!socket_) return fail(errc::unavailable, std::string(doing) + ": no netlink socket");
  if (mnl_socket_sendto(socket_, message, message->nlmsg_len) < 0) return failed();
  const auto hand = [](const nlmsghdr* m, void* to) {
    (*static_cast<const std::function<void(const nlmsghdr&)>*>(to))(*m);
    return MNL_CB_OK;
  };
  auto shown = each;
  for (int more = MNL_CB_OK; more > MNL_CB_STOP;) {
    const auto got = mnl_socket_recvfrom(socket_, answer_.data(), answer_.size());
    if (got < 0) return failed();
    more = mnl_cb_run(answer_.data(), static_cast<std::size_t>(got), message->nlmsg_seq, mnl_socket_get_portid(socket_), hand, &shown);
    if (more < 0) return failed();
  }
  return {};
}

}  // namespace troupe::net::real
