// What the balancer's bytes cost beside another TCP forwarder: an answering backend, a forwarder made of the balancer's own
// parts (acceptor, dialer, net::splice on one loop), and clients that ask and wait, all over loopback.
//
//   link_bench backend ADDRESS:PORT                    answers every 128 bytes with 1024, until killed
//   link_bench forward ADDRESS:PORT TO_ADDRESS:PORT    until killed
//   link_bench load ADDRESS:PORT CONNECTIONS SECONDS   one JSON line: requests per second, p50 and p99 in microseconds
//   link_bench hold ADDRESS:PORT CONNECTIONS           opens that many, says "held N", keeps them until killed
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "net/asio/real.hpp"
#include "net/relay/relay.hpp"

using namespace troupe;

namespace {

constexpr std::size_t ask_bytes = 128, answer_bytes = 1024;
using steady = std::chrono::steady_clock;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}
sockaddr_in address(const endpoint& at) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(at.port);
  if (inet_pton(AF_INET, at.host.c_str(), &out.sin_addr) != 1) die("address");
  return out;
}
int connected(const endpoint& at) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto to = address(at);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) die("connect");
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return fd;
}
void watch(int epoll, int fd, std::uint64_t data) {
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.u64 = data;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0) die("epoll_ctl");
}

int serve_backend(const endpoint& at) {
  const int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), epoll = epoll_create1(EPOLL_CLOEXEC), yes = 1;
  setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const auto to = address(at);
  if (bind(door, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 || listen(door, 4096) != 0) die("listen");
  watch(epoll, door, static_cast<std::uint64_t>(door));
  std::map<int, std::size_t> have;
  const std::string answer(answer_bytes, 'a');
  char buffer[65536];
  epoll_event events[256];
  for (;;) {
    const int n = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < n; ++i) {
      const int fd = static_cast<int>(events[i].data.u64);
      if (fd == door) {
        const int made = accept4(door, nullptr, nullptr, SOCK_CLOEXEC);
        if (made < 0) continue;
        setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        watch(epoll, made, static_cast<std::uint64_t>(made));
        have[made] = 0;
        continue;
      }
      const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) {
        close(fd);
        have.erase(fd);
        continue;
      }
      for (have[fd] += static_cast<std::size_t>(got); have[fd] >= ask_bytes; have[fd] -= ask_bytes)
        if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
    }
  }
}

int forward(const endpoint& at, const endpoint& to) {
  const auto loop = net::real::make_shard("forward");
  const auto dialer = net::real::make_dialer(*loop);
  const auto acceptor = net::real::make_acceptor(*loop);
  std::map<std::uint64_t, std::unique_ptr<net::relay>> relays;
  std::uint64_t numbers = 0;
  auto door = acceptor->listen(at, [&](net::stream_ptr client) {
    dialer->dial(to, std::chrono::seconds(3), [&, client = std::move(client)](result<net::stream_ptr> server) mutable {
      if (!server.ok()) return;
      const auto number = ++numbers;
      relays[number] = net::splice(*loop, std::move(client), std::move(*server), [&relays, number](const error&) { relays.erase(number); });
    });
  });
  if (!door.ok()) {
    std::fprintf(stderr, "%s\n", door.why().note.c_str());
    return 1;
  }
  loop->run_until([] { return false; }, std::chrono::hours(24));
  return 0;
}

struct asker {
  int fd = -1;
  std::size_t have = 0;
  steady::time_point asked;
};

int load(const endpoint& at, std::size_t count, int seconds) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<asker> all(count);
  const std::string ask(ask_bytes, 'q');
  const auto send_one = [&](asker& a) {
    a.asked = steady::now();
    a.have = 0;
    if (send(a.fd, ask.data(), ask.size(), MSG_NOSIGNAL) < 0) die("send");
  };
  for (std::size_t i = 0; i < count; ++i) {
    all[i].fd = connected(at);
    watch(epoll, all[i].fd, i);
  }
  for (auto& a : all) send_one(a);
  std::vector<float> took;
  took.reserve(4'000'000);
  char buffer[65536];
  epoll_event events[256];
  const auto warm = steady::now() + std::chrono::milliseconds(500), end = warm + std::chrono::seconds(seconds);
  for (auto now = steady::now(); now < end; now = steady::now()) {
    const int n = epoll_wait(epoll, events, 256, 1000);
    for (int i = 0; i < n; ++i) {
      auto& a = all[events[i].data.u64];
      const ssize_t got = recv(a.fd, buffer, sizeof buffer, 0);
      if (got <= 0) die("recv");
      a.have += static_cast<std::size_t>(got);
      if (a.have < answer_bytes) continue;
      if (now >= warm) took.push_back(std::chrono::duration<float, std::micro>(steady::now() - a.asked).count());
      send_one(a);
    }
  }
  if (took.empty()) return 1;
  const auto at_part = [&](double part) {
    const auto where = took.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(took.size() - 1));
    std::nth_element(took.begin(), where, took.end());
    return *where;
  };
  std::printf("{\"requests_per_second\": %.0f, \"p50_us\": %.0f, \"p99_us\": %.0f, \"requests\": %zu}\n",
              static_cast<double>(took.size()) / seconds, at_part(0.5), at_part(0.99), took.size());
  return 0;
}

int hold(const endpoint& at, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const int fd = connected(at);
    char byte[answer_bytes];
    const std::string ask(ask_bytes, 'q');
    // One request, so that the forwarder really carries it.
    if (send(fd, ask.data(), ask.size(), MSG_NOSIGNAL) < 0 || recv(fd, byte, sizeof byte, MSG_WAITALL) != static_cast<ssize_t>(sizeof byte)) die("hold");
  }
  std::printf("held %zu\n", count);
  std::fflush(stdout);
  for (;;) pause();
}

}  // namespace

int main(int argc, char** argv) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const std::string what = argc > 2 ? argv[1] : "";
  const auto at = argc > 2 ? parse_endpoint(argv[2]) : result<endpoint>(errc::invalid, "");
  if (at.ok() && what == "backend") return serve_backend(*at);
  if (at.ok() && what == "forward" && argc == 4) return forward(*at, *parse_endpoint(argv[3]));
  if (at.ok() && what == "load" && argc == 5) return load(*at, std::strtoul(argv[3], nullptr, 10), std::atoi(argv[4]));
  if (at.ok() && what == "hold" && argc == 4) return hold(*at, std::strtoul(argv[3], nullptr, 10));
  std::fprintf(stderr, "link_bench backend|forward|load|hold ADDRESS:PORT ...\n");
  return 2;
}
