#include "net/asio/carrier.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "basis/check.hpp"
#include "net/asio/tcp_core.hpp"

namespace troupe::net::real {
namespace {

constexpr int events_max = 256;
constexpr int turns_max = 4;      // Of the epoll descriptor, before the loop's others have theirs.
constexpr int reads_per_turn = 4; // Of one connection: 256 KiB, then the next.

}  // namespace

class carried_pair final : public std::enable_shared_from_this<carried_pair> {
 public:
  struct half {
    carried_pair* owner = nullptr;
    int fd = -1;
    bool ended = false;        ///< Nothing more is read from it.
    bool deaf = false;         ///< It takes nothing more.
    bool shut = false;         ///< It was told the end.
    std::uint64_t taken = 0;   ///< Bytes read from it.
    std::string rest;          ///< What it has not taken yet.
  };

  carried_pair(std::shared_ptr<loop_core> on, int first, int second, callback<void(error)> ended)
      : loop_(std::move(on)), ended_(std::move(ended)) {
    halves_[0].owner = halves_[1].owner = this;
    halves_[0].fd = first;
    halves_[1].fd = second;
  }
  ~carried_pair() { shut_both(); }

  void start() {
    auto& all = loop_->carrying();
    for (auto& h : halves_)
      if (!all.watch(h.fd, &h)) return finish(fail(errc::unavailable, "the kernel watches no more connections"));
  }
  /// The holder is gone: both are cut, nothing is told.
  void forget() {
    ended_ = nullptr;
    if (over_) return;
    over_ = true;
    if (linger_ != 0) loop_->cancel(std::exchange(linger_, 0));
    for (auto& h : halves_) {
      const linger hard{1, 0};
      if (!h.ended) ::setsockopt(h.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    shut_both();
  }
  relay_totals totals() const { return {halves_[0].taken, halves_[1].taken}; }

  void happened(half& h, std::uint32_t events) {
    if (over_) return;
    auto& other = other_of(h);
    if ((events & EPOLLOUT) != 0 && !h.rest.empty() && flush(h)) pump(other, true);
    if (!over_ && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) pump(h, (events & ~(EPOLLIN | EPOLLOUT)) != 0);
  }
  void go_on() {
    again_ = false;
    for (auto& h : halves_)
      if (!over_) pump(h, true);
  }

 private:
  half& other_of(half& h) { return halves_[&h == &halves_[0] ? 1 : 0]; }

  /// Reads until nothing is left: with `to_the_end` until the kernel says so, because an end may stand behind the data;
  /// else a read that was not full is proof enough.
  void pump(half& from, bool to_the_end) {
    auto& to = other_of(from);
    for (int i = 0; !from.ended && to.rest.empty(); ++i) {
      if (i == reads_per_turn) return go_on_later();
      char* buffer = loop_->read_buffer();
      const ssize_t n = ::recv(from.fd, buffer, read_bytes_max, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n == 0) return end_of(from, fail(errc::closed, "the peer ended"), false);
      if (n < 0) return end_of(from, socket_error(errno, "receiving"), true);
      from.taken += static_cast<std::uint64_t>(n);
      if (!to.deaf) give(to, buffer, static_cast<std::size_t>(n));
      if (over_ || (!to_the_end && static_cast<std::size_t>(n) < read_bytes_max)) return;
    }
  }

  void give(half& to, const char* data, std::size_t size) {
    ssize_t n;
    do n = ::send(to.fd, data, size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) return write_failed(to);
    const auto took = n < 0 ? 0 : static_cast<std::size_t>(n);
    if (took < size) to.rest.assign(data + took, size - took);   // until EPOLLOUT
  }
  /// True when nothing is left.
  bool flush(half& h) {
    while (!h.rest.empty()) {
      const ssize_t n = ::send(h.fd, h.rest.data(), h.rest.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return false;
      if (n < 0) return write_failed(h), true;
      h.rest.erase(0, static_cast<std::size_t>(n));
    }
    std::string().swap(h.rest);   // memory only while a peer blocks
    if (other_of(h).ended) tell_end(h);
    return true;
  }

  // It may have said why before it hung up: what can still be read from it comes first, then its end.
  void write_failed(half& h) {
    h.deaf = true;
    std::string().swap(h.rest);
    if (h.ended) return finish(cause_);
    arm_linger();
    go_on_later();
  }

  /// `dead`: the connection broke, so it takes nothing more either.
  void end_of(half& from, error why, bool dead) {
    from.ended = true;
    if (dead) from.deaf = true, std::string().swap(from.rest);
    if (cause_.note.empty()) cause_ = std::move(why);
    auto& to = other_of(from);
    if (from.deaf) to.ended = true;   // what it says reaches nobody
    if (to.rest.empty()) tell_end(to);
    arm_linger();
  }
  void tell_end(half& h) {
    if (std::exchange(h.shut, true)) return;
    if (!h.deaf) ::shutdown(h.fd, SHUT_WR);
    if (h.ended) finish(cause_);
  }

  // One side has ended. The other may go on as long as something moves.
  void arm_linger() {
    if (linger_ != 0 || over_) return;
    linger_ = loop_->after(linger_limit, [weak = weak_from_this(), before = moved()] {
      const auto self = weak.lock();
      if (!self || self->over_) return;
      self->linger_ = 0;
      if (self->moved() == before) self->finish(self->cause_);
      else self->arm_linger();
    });
  }
  std::uint64_t moved() const { return halves_[0].taken + halves_[1].taken - halves_[0].rest.size() - halves_[1].rest.size(); }

  void go_on_later() {
    if (!std::exchange(again_, true)) loop_->carrying().later(weak_from_this());
  }

  void finish(error why) {
    if (std::exchange(over_, true)) return;
    if (linger_ != 0) loop_->cancel(std::exchange(linger_, 0));
    shut_both();
    loop_->post([me = shared_from_this(), why = std::move(why)] {
      if (const auto ended = std::exchange(me->ended_, nullptr)) ended(why);
    });
  }
  void shut_both() {
    for (auto& h : halves_)
      if (h.fd >= 0) ::close(std::exchange(h.fd, -1));
  }

  std::shared_ptr<loop_core> loop_;
  callback<void(error)> ended_;
  half halves_[2];
  error cause_{errc::closed, {}};
  timer_id linger_ = 0;
  bool over_ = false, again_ = false;
};

carrier::carrier(loop_core& on) : loop_(on), epoll_(on.io) {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  CHECK_THAT(fd >= 0);
  epoll_.assign(fd);
  arm();
}

bool carrier::watch(int fd, void* data) {
  epoll_event wanted{};
  wanted.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  wanted.data.ptr = data;
  return ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, fd, &wanted) == 0;
}

void carrier::later(std::weak_ptr<carried_pair> which) {
  again_.push_back(std::move(which));
  if (again_.size() > 1) return;
  loop_.post([weak = loop_.weak_from_this(), this] {
    const auto alive = weak.lock();
    if (!alive) return;
    const auto now = std::exchange(again_, {});
    for (const auto& one : now)
      if (const auto pair = one.lock()) pair->go_on();
  });
}

void carrier::arm() {
  epoll_.async_wait(::asio::posix::stream_descriptor::wait_read, [weak = loop_.weak_from_this(), this](const ::asio::error_code& bad) {
    const auto alive = weak.lock();
    if (bad || !alive) return;
    turn();
    arm();
    alive->end_turn();
  });
}

void carrier::turn() {
  epoll_event events[events_max];
  for (int i = 0; i < turns_max; ++i) {
    // No code of others runs in here, so nobody ends a pair whose event still waits in this list.
    const int count = ::epoll_wait(epoll_.native_handle(), events, events_max, 0);
    for (int e = 0; e < count; ++e) {
      auto& half = *static_cast<carried_pair::half*>(events[e].data.ptr);
      half.owner->happened(half, events[e].events);
    }
    if (count < events_max) return;
  }
}

namespace {

class carried final : public relay {
 public:
  explicit carried(std::shared_ptr<carried_pair> pair) : pair_(std::move(pair)) {}
  ~carried() override { pair_->forget(); }
  relay_totals totals() const override { return pair_->totals(); }

 private:
  std::shared_ptr<carried_pair> pair_;
};

}  // namespace

std::unique_ptr<relay> carry(std::shared_ptr<loop_core> on, int first, int second, callback<void(error)> ended) {
  auto pair = std::make_shared<carried_pair>(std::move(on), first, second, std::move(ended));
  pair->start();
  return std::make_unique<carried>(std::move(pair));
}

}  // namespace troupe::net::real
