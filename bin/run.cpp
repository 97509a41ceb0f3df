#include "bin/run.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>

#include "actors/node/node.hpp"
#include "actors/node/prepare.hpp"
#include "actors/runtime/spawn.hpp"
#include "actors/console/callboard.hpp"
#include "bin/memory.hpp"
#include "bin/real_world.hpp"
#include "net/host/claim.hpp"
#include "net/host/text_socket.hpp"

namespace troupe::bin {
namespace {

using steady = std::chrono::steady_clock;

/// What the person at the terminal sees: numbered steps, and after 2 s of silence what is waited for.
class progress {
 public:
  explicit progress(bool quiet) : quiet_(quiet) {}
  void step(const std::string& text) {
    const std::lock_guard guard(lock_);
    const auto now = steady::now();
    if (!quiet_) std::printf("%2d  %-48s %7.1f ms\n", ++number_, text.c_str(), std::chrono::duration<double, std::milli>(now - last_).count());
    std::fflush(stdout);
    last_ = now;
    waiting_.clear();
  }
  void wait_for(const std::string& what) {
    const std::lock_guard guard(lock_);
    waiting_ = what;
    said_ = false;
  }
  void look() {
    const std::lock_guard guard(lock_);
    if (waiting_.empty() || said_ || steady::now() - last_ < std::chrono::milliseconds(1500)) return;
    said_ = true;
    if (!quiet_) std::printf("    waiting for %s\n", waiting_.c_str());
    std::fflush(stdout);
  }
  bool busy() {
    const std::lock_guard guard(lock_);
    return !waiting_.empty();
  }
  double total_ms() const { return std::chrono::duration<double, std::milli>(steady::now() - first_).count(); }

 private:
  std::mutex lock_;   // steps come from actors' threads, the look from main's
  const steady::time_point first_ = steady::now();
  steady::time_point last_ = first_;
  std::string waiting_;
  int number_ = 0;
  bool quiet_, said_ = false;
};

/// sd_notify without its library: one datagram to $NOTIFY_SOCKET.
void notify_service_manager(const char* text) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (!path || (*path != '/' && *path != '@')) return;
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const std::string_view name(path);
  if (name.size() < sizeof to.sun_path) {
    name.copy(to.sun_path, name.size());
    if (*path == '@') to.sun_path[0] = 0;
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    (void)sendto(fd, text, std::string_view(text).size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&to), size);
  }
  close(fd);
}

/// Everything main's thread waits for, as one descriptor to poll.
class ending {
 public:
  ending() {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &mask, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signals_ = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    CHECK_THAT(signals_ >= 0);
  }
  ~ending() { close(signals_); }
  /// Waits up to `ms`; true when a signal asks us to end.
  bool asked(int ms) {
    pollfd one{signals_, POLLIN, 0};
    if (poll(&one, 1, ms) <= 0) return false;
    signalfd_siginfo info;
    return read(signals_, &info, sizeof info) == sizeof info;
  }

 private:
  int signals_;
};

enum class phase : int { running, refused, stopped };

int complain(const std::string& why) {
  std::fprintf(stderr, "troupe: %s\n", why.c_str());
  return 1;
}

/// `trouble`: what stands in the way of a start and may pass by itself, if anything; it is told how long it has been waited for.
template <class Config, class Start>
int run(Config config, const run_options& options, Start start, std::optional<std::string> (*trouble)(const rt::world&, const Config&, duration waited) = nullptr) {
  const auto wrong = problems(config);
  for (const auto& one : wrong) complain(one);
  if (!wrong.empty()) return 2;
  const auto mine = net::claim_folder(config.data_folder, options.role, system_wall_clock().now());
  if (!mine.ok()) return complain(mine.why().note);
  ending end;   // before any thread, so that all of them leave the signals to us
  // What actors report to outlives the world, which waits for them when it dies.
  progress shown(options.quiet);
  std::atomic<phase> now{phase::running};
  std::atomic<bool> ready{false};
  real_world world;
  node::observer tell;
  tell.on_step = [&](const std::string& text) { shown.step(text); };
  tell.on_wait = [&](const std::string& what) { shown.wait_for(what); };
  tell.on_ready = [&](const node_name& node) {
    notify_service_manager("READY=1");
    ready = true;
    if (!options.quiet) std::printf("    ready after %.0f ms: node %s\n", shown.total_ms(), node.text.c_str());
    std::fflush(stdout);
  };
  tell.on_refused = [&](const std::string& why) {
    std::fprintf(stderr, "troupe: %s\n", why.c_str());
    now = phase::refused;
  };
  tell.on_stopped = [&] { now = phase::stopped; };
  const auto began = steady::now();
  for (std::optional<std::string> why; trouble && (why = trouble(world.get(), config, steady::now() - began));) {
    if (!shown.busy()) shown.wait_for(*why);
    shown.look();
    if (end.asked(250)) return 0;
  }
  auto root = start(world.get(), std::move(config), tell);
  if (!root.ok()) return complain(root.why().note);
  std::unique_ptr<net::text_socket> admin;
  if (!options.admin_socket.empty()) {
    // An agent that starts for the first time makes its folders only when it is admitted.
    if (const auto cut = options.admin_socket.rfind('/'); cut != std::string::npos && cut > 0)
      (void)world.get().files->make_folder(options.admin_socket.substr(0, cut), 0700);
    auto opened = net::serve_text(options.admin_socket, console::callboard_json);
    if (opened.ok()) admin = std::move(*opened);
    else std::fprintf(stderr, "troupe: no console: %s\n", opened.why().note.c_str());
  }
  bool asked = false;
  resident_memory memory;
  while (now == phase::running && !(asked = end.asked(shown.busy() ? 250 : 1000))) {
    shown.look();
    if (ready) memory.look();
  }
  const bool refused = now == phase::refused;
  if (asked) notify_service_manager("STOPPING=1");
  rt::post(*root, node::stop_node{});
  for (int i = 0; i < 180 && now != phase::stopped; ++i) end.asked(10);
  return refused ? 1 : 0;
}

}  // namespace

int run_server(node::server_config config, const run_options& options) {
  if (config.cluster_reset) return run_reset(std::move(config));
  return run(std::move(config), options, [](const rt::world& in, node::server_config c, node::observer tell) {
    return node::start_server(in, std::move(c), std::move(tell));
  }, node::clock_trouble);
}
int run_agent(node::agent_config config, const run_options& options) {
  use_one_heap();
  return run(std::move(config), options, [](const rt::world& in, node::agent_config c, node::observer tell) {
    return node::start_agent(in, std::move(c), std::move(tell));
  });
}

}  // namespace troupe::bin
