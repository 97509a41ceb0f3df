#include <asio/ip/tcp.hpp>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "basis/log.hpp"
#include "net/asio/port_owner.hpp"
#include "net/asio/tcp_core.hpp"

namespace troupe::net::real {

/// Descriptors of bound ports by address, weakly: an entry whose listeners are gone is stale.
class port_book {
 public:
  struct bound {
    explicit bound(int number) : fd(number) {}
    ~bound() { ::close(fd); }
    bound(const bound&) = delete;
    bound& operator=(const bound&) = delete;
    int fd;
  };
  std::mutex guard;
  std::map<endpoint, std::weak_ptr<bound>> ports;
};

namespace {

using ::asio::ip::tcp;
constexpr int backlog = 1024;
constexpr int accepts_per_turn = 64;  // Then others have their turn.

class listening final : public loop_resident, public std::enable_shared_from_this<listening> {
 public:
  listening(std::shared_ptr<loop_core> on, std::shared_ptr<port_book::bound> port, int fd, bool v6,
            acceptor::accepted to)
      : loop_(std::move(on)), port_(std::move(port)), socket_(loop_->io), fd_(fd), v6_(v6), to_(std::move(to)) {
    loop_->move_in(this);
  }
  ~listening() { loop_->move_out(this); }
  void evict() override { end(); }

  result<void> begin() {
    ::asio::error_code bad;
    socket_.assign(v6_ ? tcp::v6() : tcp::v4(), fd_, bad);
    if (bad) {
      ::close(fd_);
      return fail(errc::internal, "registering a listening socket: " + bad.message());
    }
    arm();
    return {};
  }
  void end() {
    over_ = true;
    if (rest_ != 0) loop_->cancel(rest_);
    ::asio::error_code bad;
    socket_.close(bad);
    port_.reset();
  }

 private:
  void arm() {
    if (over_) return;
    socket_.async_wait(tcp::acceptor::wait_read, [self = shared_from_this()](const ::asio::error_code& bad) {
      if (!bad && !self->over_) self->take();
      self->loop_->end_turn();
    });
  }
  void take() {
    for (int i = 0; i < accepts_per_turn && !over_; ++i) {
      const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        starved_ = false;
        dress_socket(fd);
        to_(make_tcp_stream(std::make_shared<tcp_core>(loop_, fd, v6_)));
        continue;
      }
      if (errno == EAGAIN) break;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return rest();
    }
    arm();
  }
  /// The queue keeps the callers meanwhile; spinning on it would only burn the processor.
  void rest() {
    if (!starved_) log::warn("net.accept_rested", {{"reason", std::strerror(errno)}});
    starved_ = true;
    rest_ = loop_->after(accept_rest, [self = shared_from_this()] {
      self->rest_ = 0;
      self->arm();
    });
  }

  std::shared_ptr<loop_core> loop_;
  std::shared_ptr<port_book::bound> port_;
  tcp::acceptor socket_;
  int fd_;
  bool v6_, over_ = false, starved_ = false;
  timer_id rest_ = 0;
  acceptor::accepted to_;
};

class tcp_listener final : public listener {
 public:
  tcp_listener(endpoint at, std::shared_ptr<listening> core) : at_(std::move(at)), core_(std::move(core)) {}
  ~tcp_listener() override { core_->end(); }
  endpoint address() const override { return at_; }

 private:
  endpoint at_;
  std::shared_ptr<listening> core_;
};

error bind_error(int number, const endpoint& at) {
  const std::string reason = ::asio::error_code(number, ::asio::system_category()).message();
  if (number == EADDRINUSE) {
    const auto owner = port_owner(at);
    return fail(errc::already_exists, to_string(at) + " is in use" + (owner.empty() ? "" : " by " + owner));
  }
  const auto code = number == EACCES || number == EPERM ? errc::forbidden : errc::invalid;
  return fail(code, "cannot listen on " + to_string(at) + ": " + reason);
}

result<std::shared_ptr<port_book::bound>> bind_port(const endpoint& at, const tcp::endpoint& to) {
  const int fd = ::socket(to.address().is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(errc::unavailable, std::string("making a socket: ") + std::strerror(errno));
  auto out = std::make_shared<port_book::bound>(fd);
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (::bind(fd, to.data(), static_cast<socklen_t>(to.size())) != 0 || ::listen(fd, backlog) != 0)
    return bind_error(errno, at);
  return out;
}

class tcp_acceptor final : public acceptor {
 public:
  tcp_acceptor(std::shared_ptr<loop_core> on, std::shared_ptr<port_book> book)
      : loop_(std::move(on)), book_(std::move(book)) {}

  result<std::unique_ptr<listener>> listen(const endpoint& at, accepted on_stream) override {
    ::asio::error_code bad;
    const auto literal = ::asio::ip::make_address(at.host, bad);
    if (bad) return fail(errc::invalid, "\"" + at.host + "\" is not an address to listen on");
    std::shared_ptr<port_book::bound> port;
    std::unique_lock<std::mutex> lock;
    if (book_ && at.port != 0) {
      lock = std::unique_lock(book_->guard);
      port = book_->ports[at].lock();
    }
    if (!port) {
      auto made = bind_port(at, tcp::endpoint(literal, at.port));
      if (!made) return made.why();
      port = *made;
      if (lock) book_->ports[at] = port;
    }
    if (lock) lock.unlock();
    tcp::endpoint real;
    socklen_t size = static_cast<socklen_t>(real.capacity());
    if (::getsockname(port->fd, real.data(), &size) != 0)
      return fail(errc::internal, std::string("reading a bound address: ") + std::strerror(errno));
    const int fd = ::fcntl(port->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return fail(errc::unavailable, std::string("sharing a socket: ") + std::strerror(errno));
    auto core = std::make_shared<listening>(loop_, port, fd, literal.is_v6(), std::move(on_stream));
    if (auto begun = core->begin(); !begun) return begun.why();
    return std::unique_ptr<listener>(std::make_unique<tcp_listener>(endpoint{at.host, real.port()}, std::move(core)));
  }

 private:
  std::shared_ptr<loop_core> loop_;
  std::shared_ptr<port_book> book_;
};

}  // namespace

std::shared_ptr<port_book> make_port_book() { return std::make_shared<port_book>(); }
std::unique_ptr<acceptor> make_acceptor(const loop& on, std::shared_ptr<port_book> shared) {
  return std::make_unique<tcp_acceptor>(on.core(), std::move(shared));
}

}  // namespace troupe::net::real
