#include <asio/ip/tcp.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "net/asio/tcp_core.hpp"

namespace troupe::net::real {
namespace {

using ::asio::ip::tcp;

/// Lives as long as the dialer; attempts hold it weakly and fall silent with it.
struct dialer_life {};

/// One dial: resolves, then tries address after address, each with its share of the time left.
class attempt final : public loop_resident, public std::enable_shared_from_this<attempt> {
 public:
  attempt(std::shared_ptr<loop_core> on, std::weak_ptr<dialer_life> life, const endpoint& at, duration patience,
          dialer::dialed done)
      : loop_(std::move(on)), life_(std::move(life)), at_(at), resolver_(loop_->io), socket_(loop_->io),
        done_(std::move(done)), patience_(patience) {
    loop_->move_in(this);
  }
  ~attempt() { loop_->move_out(this); }
  void evict() override {
    resolver_.cancel();
    drop();
  }

  void begin() {
    deadline_ = now() + patience_;
    ::asio::error_code bad;
    const auto literal = ::asio::ip::make_address(at_.host, bad);
    if (!bad) {
      addresses_.push_back(tcp::endpoint(literal, at_.port));
      return next();
    }
    timer_ = loop_->after(patience_, [self = shared_from_this()] {
      self->timer_ = 0;
      self->resolver_.cancel();
      self->settle(fail(errc::timeout, "the name of " + to_string(self->at_) + " was not resolved in time"));
    });
    resolver_.async_resolve(at_.host, std::to_string(at_.port), tcp::resolver::numeric_service,
                            [self = shared_from_this()](const ::asio::error_code& why, tcp::resolver::results_type all) {
                              self->resolved(why, all);
                              self->loop_->end_turn();
                            });
  }

 private:
  static mono_time now() { return std::chrono::time_point_cast<duration>(std::chrono::steady_clock::now()); }

  void resolved(const ::asio::error_code& why, const tcp::resolver::results_type& all) {
    if (!done_) return;
    stop_timer();
    if (why) return settle(fail(errc::unavailable, "cannot resolve " + to_string(at_) + ": " + why.message()));
    for (const auto& each : all) addresses_.push_back(each.endpoint());
    next();
  }

  void next() {
    if (life_.expired()) return drop();
    if (tried_ == addresses_.size())
      return settle(last_.note.empty() ? fail(errc::unavailable, to_string(at_) + " has no address") : last_);
    const auto left = deadline_ - now();
    const auto share = left / static_cast<int>(addresses_.size() - tried_);
    const auto& to = addresses_[tried_++];
    const bool v6 = to.address().is_v6();
    const int fd = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      last_ = socket_error(errno, "making a socket for " + to_string(at_));
      return settle(last_);
    }
    ::asio::error_code bad;
    socket_ = tcp::socket(loop_->io);
    socket_.assign(to.protocol(), fd, bad);
    if (bad) {
      ::close(fd);
      return settle(fail(errc::internal, "registering a socket: " + bad.message()));
    }
    if (::connect(fd, to.data(), static_cast<socklen_t>(to.size())) == 0) return connected(0);
    if (errno != EINPROGRESS) return connected(errno);
    wait_for(++round_, share);
  }

  void wait_for(unsigned round, duration share) {
    timer_ = loop_->after(share, [self = shared_from_this(), round] {
      self->timer_ = 0;
      if (self->round_ == round && self->done_) self->connected(ETIMEDOUT);
    });
    socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this(), round](const ::asio::error_code& bad) {
      if (!bad && self->round_ == round && self->done_) {
        int number = 0;
        socklen_t size = sizeof number;
        ::getsockopt(self->socket_.native_handle(), SOL_SOCKET, SO_ERROR, &number, &size);
        self->connected(number);
      }
      self->loop_->end_turn();
    });
  }

  void connected(int number) {
    ++round_;
    stop_timer();
    if (life_.expired()) return drop();
    if (number != 0) {
      ::asio::error_code ignored;
      socket_.close(ignored);
      last_ = socket_error(number, "connecting to " + to_string(at_));
      if (now() >= deadline_ && tried_ < addresses_.size()) return settle(last_);
      return next();
    }
    const bool v6 = addresses_[tried_ - 1].address().is_v6();
    ::asio::error_code bad;
    const int fd = socket_.release(bad);
    if (bad) return settle(fail(errc::internal, "releasing a socket: " + bad.message()));
    dress_socket(fd);
    settle(make_tcp_stream(std::make_shared<tcp_core>(loop_, fd, v6)));
  }

  void settle(result<stream_ptr> out) {
    if (!done_) return;
    stop_timer();
    const auto done = std::exchange(done_, nullptr);
    if (!life_.expired()) done(std::move(out));
  }
  void drop() {
    stop_timer();
    ::asio::error_code ignored;
    socket_.close(ignored);
    done_ = nullptr;
  }
  void stop_timer() {
    if (timer_ != 0) loop_->cancel(std::exchange(timer_, 0));
  }

  std::shared_ptr<loop_core> loop_;
  std::weak_ptr<dialer_life> life_;
  endpoint at_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  dialer::dialed done_;
  duration patience_;
  mono_time deadline_{};
  std::vector<tcp::endpoint> addresses_;
  std::size_t tried_ = 0;
  unsigned round_ = 0;
  timer_id timer_ = 0;
  error last_;
};

class tcp_dialer final : public dialer {
 public:
  explicit tcp_dialer(std::shared_ptr<loop_core> on) : loop_(std::move(on)) {}
  void dial(const endpoint& at, duration patience, dialed done) override {
    auto one = std::make_shared<attempt>(loop_, life_, at, patience, std::move(done));
    loop_->post([one] { one->begin(); });
  }

 private:
  std::shared_ptr<loop_core> loop_;
  std::shared_ptr<dialer_life> life_ = std::make_shared<dialer_life>();
};

}  // namespace

std::unique_ptr<dialer> make_dialer(const loop& on) { return std::make_unique<tcp_dialer>(on.core()); }

}  // namespace troupe::net::real
