#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "net/asio/carrier.hpp"
#include "net/asio/tcp_core.hpp"
#include "net/relay/self_carrying.hpp"

namespace troupe::net::real {
namespace {

constexpr int not_sent_max = 128 * 1024;
constexpr int keep_idle_seconds = 30, keep_interval_seconds = 10, keep_probes = 3;

class tcp_stream final : public stream, public self_carrying {
 public:
  explicit tcp_stream(std::shared_ptr<tcp_core> core) : core_(std::move(core)) {}
  ~tcp_stream() override { core_->let_go(); }
  void start(stream_sink* sink) override { core_->start(sink); }
  using stream::write;
  void write(std::string_view data) override { core_->write(data); }
  std::size_t unsent() const override { return core_->unsent(); }
  void pause() override { core_->pause(); }
  void resume() override { core_->resume(); }
  void close() override { core_->close(); }
  const peer_identity& peer() const override {
    static const peer_identity nobody;
    return nobody;
  }
  endpoint local_address() const override { return core_->address(false); }
  endpoint remote_address() const override { return core_->address(true); }
  std::unique_ptr<relay> carry_with(stream& other, callback<void(error)>& ended) override {
    auto* far = dynamic_cast<tcp_stream*>(&other);
    if (!far || far->core_->on() != core_->on() || !core_->is_free() || !far->core_->is_free()) return nullptr;
    const int first = core_->release(), second = far->core_->release();
    return carry(core_->on(), first, second, std::move(ended));
  }

 private:
  std::shared_ptr<tcp_core> core_;
};

}  // namespace

stream_ptr make_tcp_stream(std::shared_ptr<tcp_core> core) { return std::make_unique<tcp_stream>(std::move(core)); }

void dress_socket(int fd) {
  const auto set = [fd](int level, int name, int value) { ::setsockopt(fd, level, name, &value, sizeof value); };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  // What waits shall wait with us, where a small stream can pass a bulky one: the kernel would queue 4 MB.
  set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, not_sent_max);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, keep_idle_seconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, keep_interval_seconds);
  set(IPPROTO_TCP, TCP_KEEPCNT, keep_probes);
}

endpoint to_endpoint(const ::asio::ip::tcp::endpoint& at) {
  auto address = at.address();
  // A dual-stack listener sees IPv4 callers as ::ffff:a.b.c.d; everybody else knows them by a.b.c.d.
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    address = ::asio::ip::make_address_v4(::asio::ip::v4_mapped, address.to_v6());
  ::asio::error_code bad;
  return {address.to_string(), at.port()};
}

error socket_error(int number, std::string_view doing) {
  auto code = errc::unavailable;
  if (number == ECONNREFUSED) code = errc::refused;
  if (number == ETIMEDOUT) code = errc::timeout;
  if (number == ECONNRESET || number == EPIPE) code = errc::closed;
  return fail(code, std::string(doing) + ": " + ::asio::error_code(number, ::asio::system_category()).message());
}

tcp_core::tcp_core(std::shared_ptr<loop_core> on, int fd, bool v6)
    : loop_(std::move(on)), socket_(loop_->io), fd_(fd) {
  loop_->move_in(this);
  ::asio::error_code bad;
  socket_.assign(v6 ? ::asio::ip::tcp::v6() : ::asio::ip::tcp::v4(), fd, bad);
  if (bad) {
    ::close(fd);
    fd_ = -1;
    finish(fail(errc::internal, "registering a socket: " + bad.message()));
  }
}

tcp_core::~tcp_core() { loop_->move_out(this); }

bool tcp_core::is_free() {
  if (dirty_ && !writing_) flush();
  return !over_ && !closing_ && !broken_ && !writing_ && !end_ && !sink_ && unsent() == 0;
}

int tcp_core::release() {
  over_ = true;
  ::asio::error_code bad;
  socket_.release(bad);
  return std::exchange(fd_, -1);
}

void tcp_core::evict() {
  over_ = true;
  drop_socket(false);
}

void tcp_core::start(stream_sink* sink) {
  sink_ = sink;
  if (end_ && sink_ && !told_) loop_->post([self = shared_from_this()] { self->deliver_end(); });
  arm_read();
}

void tcp_core::write(std::string_view data) {
  if (closing_ || over_ || broken_ || data.empty()) return;
  if (unsent() + data.size() <= gather_bytes_max || writing_) {
    if (out_.capacity() == 0) out_ = loop_->take_buffer();
    out_.append(data);
    if (!dirty_ && !writing_) {
      dirty_ = true;
      loop_->mark_dirty(shared_from_this());
    }
  } else {
    iovec parts[2] = {{out_.data() + sent_, unsent()}, {const_cast<char*>(data.data()), data.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return write_failed(errno);
    auto took = n < 0 ? 0 : static_cast<std::size_t>(n);
    const auto from_queue = std::min(took, unsent());
    sent_ += from_queue;
    took -= from_queue;
    out_.append(data.substr(took));
    if (unsent() > 0) arm_write();
    else flush();
  }
  if (unsent() >= stream::low_water) above_ = true;
}

void tcp_core::flush_turn() {
  dirty_ = false;
  if (!writing_) flush();
  if (above_ && !over_ && unsent() < stream::low_water) {
    above_ = false;
    if (sink_) sink_->on_drained();
  }
}

void tcp_core::flush() {
  while (!over_ && !broken_ && unsent() > 0) {
    const ssize_t n = ::send(fd_, out_.data() + sent_, unsent(), MSG_NOSIGNAL);
    if (n >= 0) {
      sent_ += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN) {
      if (sent_ > out_.size() / 2) {
        out_.erase(0, sent_);
        sent_ = 0;
      }
      return arm_write();
    } else if (errno != EINTR) {
      return write_failed(errno);
    }
  }
  if (unsent() > 0) return;
  if (out_.capacity() > 0) loop_->give_back(std::move(out_));
  out_ = std::string();
  sent_ = 0;
  if (closing_ && !over_) ::shutdown(fd_, SHUT_WR);
}

void tcp_core::write_failed(int number) {
  // The peer may have said why before it hung up: what can still be read comes first.
  broken_ = true;
  out_ = std::string();
  sent_ = 0;
  if (wants_data()) return arm_read();
  loop_->post([self = shared_from_this(), number] {
    if (!self->over_) self->finish(socket_error(number, "sending"));
  });
}

void tcp_core::arm_write() {
  if (writing_ || over_) return;
  writing_ = true;
  socket_.async_wait(::asio::ip::tcp::socket::wait_write, [self = shared_from_this()](const ::asio::error_code& bad) {
    self->writing_ = false;
    if (!bad && !self->over_) self->flush_turn();
    self->loop_->end_turn();
  });
}

void tcp_core::arm_read() {
  if (reading_ || over_ || !wants_data()) return;
  reading_ = true;
  socket_.async_wait(::asio::ip::tcp::socket::wait_read, [self = shared_from_this()](const ::asio::error_code& bad) {
    self->reading_ = false;
    if (!bad && !self->over_) self->readable();
    self->loop_->end_turn();
  });
}

void tcp_core::readable() {
  if (!wants_data()) return;
  char* buffer = loop_->read_buffer();
  const ssize_t n = ::recv(fd_, buffer, read_bytes_max, 0);
  if (n > 0) {
    if (!closing_ && sink_) sink_->on_data({buffer, static_cast<std::size_t>(n)});
    return arm_read();
  }
  if (n == 0) {
    far_ended_ = true;
    return finish(fail(errc::closed, broken_ ? "the peer ended before it took all" : "the peer ended"));
  }
  if (errno == EAGAIN || errno == EINTR) return arm_read();
  finish(socket_error(errno, "receiving"));
}

void tcp_core::resume() {
  paused_ = false;
  arm_read();
}

void tcp_core::close() {
  if (closing_ || over_) return;
  closing_ = true;
  linger_ = loop_->after(close_linger, [self = shared_from_this()] {
    self->linger_ = 0;
    if (!self->over_) self->finish(fail(errc::closed, "closed by us; the peer did not answer"));
  });
  if (!writing_ && !dirty_) flush();
  arm_read();
}

void tcp_core::finish(error why) {
  if (over_) return;
  if (!broken_ && dirty_) flush();
  over_ = true;
  end_ = std::move(why);
  if (linger_ != 0) loop_->cancel(std::exchange(linger_, 0));
  drop_socket(false);
  deliver_end();
}

void tcp_core::deliver_end() {
  if (told_ || !sink_ || !end_) return;
  told_ = true;
  sink_->on_closed(*end_);
}

void tcp_core::drop_socket(bool reset) {
  if (fd_ < 0) return;
  if (reset) {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  ::asio::error_code bad;
  socket_.close(bad);
  fd_ = -1;
  out_ = std::string();
  sent_ = 0;
}

void tcp_core::let_go() {
  sink_ = nullptr;
  gone_ = true;
  if (over_ || closing_) return;  // A close under way goes on by itself, within close_linger.
  over_ = true;
  drop_socket(!far_ended_);
}

endpoint tcp_core::address(bool far) const {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  const int bad = far ? ::getpeername(fd_, reinterpret_cast<sockaddr*>(&at), &size)
                      : ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
  if (bad != 0) return {};
  ::asio::ip::tcp::endpoint out;
  std::memcpy(out.data(), &at, std::min<std::size_t>(size, out.capacity()));
  return to_endpoint(out);
}

}  // namespace troupe::net::real
