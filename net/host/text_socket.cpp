#include "net/host/text_socket.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

namespace troupe::net {
namespace {

constexpr std::size_t text_bytes_max = 64 * 1024 * 1024;
constexpr int patience_ms = 5000;

struct descriptor {
  explicit descriptor(int f = -1) : fd(f) {}
  descriptor(descriptor&& o) noexcept : fd(std::exchange(o.fd, -1)) {}
  descriptor& operator=(descriptor&& o) noexcept {
    std::swap(fd, o.fd);
    return *this;
  }
  ~descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

result<sockaddr_un> address(const std::string& path) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  if (path.size() >= sizeof at.sun_path)
    return fail(errc::invalid, "the socket's path is longer than " + std::to_string(sizeof at.sun_path - 1) + " bytes: " + path);
  path.copy(at.sun_path, path.size());
  return at;
}

error said(const std::string& path, int number) {
  const auto code = number == EACCES || number == EPERM ? errc::forbidden
                    : number == ENOENT                   ? errc::not_found
                    : number == ECONNREFUSED             ? errc::refused
                                                         : errc::internal;
  return fail(code, path + ": " + std::strerror(number));
}

bool is_owner(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

void send_all(int fd, const std::string& text) {
  timeval limit{patience_ms / 1000, 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = send(fd, text.data() + done, text.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
}

class served final : public text_socket {
 public:
  served(std::string path, descriptor listener, std::function<std::string()> tell)
      : path_(std::move(path)), listener_(std::move(listener)), wake_(eventfd(0, EFD_CLOEXEC)), tell_(std::move(tell)) {
    thread_ = std::thread([this] { run(); });
  }
  ~served() override {
    const std::uint64_t one = 1;
    (void)!write(wake_.fd, &one, sizeof one);
    thread_.join();
    unlink(path_.c_str());
  }

 private:
  void run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pthread_setname_np(pthread_self(), "admin");
    for (;;) {
      pollfd wait[2] = {{listener_.fd, POLLIN, 0}, {wake_.fd, POLLIN, 0}};
      if (poll(wait, 2, -1) < 0 && errno != EINTR) return;
      if (wait[1].revents) return;
      if (!wait[0].revents) continue;
      const descriptor caller(accept4(listener_.fd, nullptr, nullptr, SOCK_CLOEXEC));
      if (caller.fd >= 0 && is_owner(caller.fd)) send_all(caller.fd, tell_());
    }
  }
  std::string path_;
  descriptor listener_, wake_;
  std::function<std::string()> tell_;
  std::thread thread_;
};

}  // namespace

result<std::unique_ptr<text_socket>> serve_text(const std::string& path, std::function<std::string()> tell) {
  auto at = address(path);
  if (!at.ok()) return at.why();
  descriptor listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (listener.fd < 0) return said(path, errno);
  const auto* raw = reinterpret_cast<const sockaddr*>(&*at);
  if (descriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); connect(probe.fd, raw, sizeof *at) == 0)
    return fail(errc::already_exists, path + ": another process answers there");
  unlink(path.c_str());
  // The file must never be open to others, not even for a moment. Its mode is that of the socket (unix(7)); a umask
  // would do as well, but for all threads, and another one may be making a folder just now.
  if (fchmod(listener.fd, 0600) != 0 || bind(listener.fd, raw, sizeof *at) != 0) return said(path, errno);
  if (listen(listener.fd, 8) != 0) return said(path, errno);
  return std::unique_ptr<text_socket>(std::make_unique<served>(path, std::move(listener), std::move(tell)));
}

result<std::string> fetch_text(const std::string& path) {
  auto at = address(path);
  if (!at.ok()) return at.why();
  const descriptor out(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (out.fd < 0 || connect(out.fd, reinterpret_cast<const sockaddr*>(&*at), sizeof *at) != 0) return said(path, errno);
  std::string text;
  char piece[65536];
  for (;;) {
    pollfd wait{out.fd, POLLIN, 0};
    if (poll(&wait, 1, patience_ms) <= 0) return fail(errc::timeout, path + ": no answer");
    const ssize_t n = read(out.fd, piece, sizeof piece);
    if (n < 0) return said(path, errno);
    if (n == 0) return text;
    text.append(piece, static_cast<std::size_t>(n));
    if (text.size() > text_bytes_max) return fail(errc::too_large, path + ": the answer does not end");
  }
}

}  // namespace troupe::net
