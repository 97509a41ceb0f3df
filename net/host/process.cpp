#include "net/host/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "net/host/real.hpp"

namespace troupe::net {
namespace {

constexpr std::size_t kept_lines_max = 20, kept_line_bytes_max = 400, line_bytes_max = 16 * 1024;
constexpr int look_every_ms = 200;   // only where the kernel has no pidfd

/// The program's full path, as a shell would find it.
std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return access(name.c_str(), X_OK) == 0 ? name : "";
  const char* path = std::getenv("PATH");
  std::string_view left = path ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!left.empty()) {
    const auto colon = std::min(left.find(':'), left.size());
    const auto full = std::string(left.substr(0, colon)) + "/" + name;
    if (access(full.c_str(), X_OK) == 0) return full;
    left.remove_prefix(std::min(left.size(), colon + 1));
  }
  return {};
}

struct child {
  pid_t pid = -1;
  int output = -1, pidfd = -1;
  std::string partial;
  std::deque<std::string> last;
  std::mutex lock;                     ///< Guards the callbacks: their owner may go at any time.
  bool wanted = true;
  process_starter::line on_line;
  process_starter::ended on_end;
  bool over = false;                   ///< Under the starter's lock.
};
using child_ptr = std::shared_ptr<child>;

/// Between fork and exec only calls that a signal handler might make.
[[noreturn]] void become(const char* path, char** arguments, char** environment, const char* folder, int output, int report, pid_t parent) {
  const auto failed = [&](int number) {
    (void)!write(report, &number, sizeof number);
    _exit(127);
  };
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  setsid();
  for (int s = 1; s < NSIG; ++s) signal(s, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int nothing = open("/dev/null", O_RDONLY);
  if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) failed(errno);
  if (*folder && chdir(folder) != 0) failed(errno);
  fcntl(report, F_SETFD, FD_CLOEXEC);
  for (int fd = 3; fd < report; ++fd) close(fd);
  syscall(SYS_close_range, report + 1, ~0u, 0);
  execve(path, arguments, environment);
  failed(errno);
  _exit(127);
}

class real_starter final : public process_starter {
 public:
  real_starter() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { run(); }) {}
  ~real_starter() override {
    {
      const std::lock_guard guard(lock_);
      ending_ = true;
    }
    rouse();
    thread_.join();
    close(wake_);
  }

  result<std::unique_ptr<process>> start(process_order what, line on_line, ended on_end) override;

  void forget(const child_ptr& who) {
    {
      const std::lock_guard guard(who->lock);   // no callback runs once this is through
      who->wanted = false;
      who->on_line = nullptr;
      who->on_end = nullptr;
    }
    std::unique_lock guard(lock_);
    if (!who->over) kill(who->pid, SIGKILL);
    over_.wait(guard, [&] { return who->over; });
  }
  void signal_child(const child_ptr& who, int number) {
    const std::lock_guard guard(lock_);   // reaped under this lock: the pid is still its own
    if (!who->over) kill(who->pid, number);
  }

 private:
  struct order {
    process_order what;
    std::string path;
    line on_line;
    ended on_end;
    result<child_ptr> answer = fail(errc::internal, "not started");
    bool done = false;
  };

  void rouse() {
    const std::uint64_t one = 1;
    (void)!write(wake_, &one, sizeof one);
  }

  result<child_ptr> launch(order& o) {
    int output[2], report[2];
    if (pipe2(output, O_CLOEXEC) != 0) return fail(errc::internal, std::string("no pipe for a child: ") + std::strerror(errno));
    if (pipe2(report, O_CLOEXEC) != 0) {
      close(output[0]), close(output[1]);
      return fail(errc::internal, std::string("no pipe for a child: ") + std::strerror(errno));
    }
    std::vector<char*> arguments, environment;
    for (auto& a : o.what.arguments) arguments.push_back(a.data());
    arguments.push_back(nullptr);
    const char* path = std::getenv("PATH");
    std::string inherited = std::string("PATH=") + (path ? path : "/usr/local/bin:/usr/bin:/bin");
    for (auto& e : o.what.environment) environment.push_back(e.data());
    environment.push_back(inherited.data());
    environment.push_back(nullptr);
    const pid_t me = getpid();
    const pid_t pid = fork();
    if (pid == 0) become(o.path.c_str(), arguments.data(), environment.data(), o.what.folder.c_str(), output[1], report[1], me);
    const int why = errno;
    close(output[1]), close(report[1]);
    int number = 0;
    const bool failed = pid > 0 && read(report[0], &number, sizeof number) == sizeof number;
    close(report[0]);
    if (pid < 0 || failed) {
      if (failed) waitpid(pid, nullptr, 0);
      close(output[0]);
      return fail(errc::internal, o.path + " cannot be started: " + std::strerror(pid < 0 ? why : number));
    }
    auto made = std::make_shared<child>();
    made->pid = pid;
    made->output = output[0];
    fcntl(made->output, F_SETFL, O_NONBLOCK);
    made->pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    made->on_line = std::move(o.on_line);
    made->on_end = std::move(o.on_end);
    children_.push_back(made);
    return made;
  }

  void run() {
    pthread_setname_np(pthread_self(), "children");
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    for (;;) {
      take_orders();
      {
        const std::lock_guard guard(lock_);
        if (ending_ && !stopped_) {
          stopped_ = true;
          for (auto& c : children_) kill(c->pid, SIGKILL);
        }
        if (ending_ && children_.empty()) return;
      }
      std::vector<pollfd> watched{{wake_, POLLIN, 0}};
      bool blind = false;
      for (auto& c : children_) {
        if (c->output >= 0) watched.push_back({c->output, POLLIN, 0});
        if (c->pidfd >= 0) watched.push_back({c->pidfd, POLLIN, 0});
        else blind = true;
      }
      poll(watched.data(), watched.size(), blind ? look_every_ms : -1);
      std::uint64_t count = 0;
      (void)!read(wake_, &count, sizeof count);
      const auto now = children_;
      for (const auto& c : now) attend(c);
    }
  }

  void take_orders() {
    std::unique_lock guard(lock_);
    for (auto* o : std::exchange(orders_, {})) {
      guard.unlock();
      auto answer = ending_ ? result<child_ptr>(errc::closed, "no children are started any more") : launch(*o);
      guard.lock();
      o->answer = std::move(answer);
      o->done = true;
    }
    over_.notify_all();
  }

  void attend(const child_ptr& c) {
    hear(*c);
    int status = 0;
    {
      const std::lock_guard guard(lock_);
      if (waitpid(c->pid, &status, WNOHANG) != c->pid) return;
      c->over = true;
    }
    hear(*c);
    if (!c->partial.empty()) tell(*c, std::exchange(c->partial, {}));
    std::erase(children_, c);
    if (c->output >= 0) close(c->output);
    if (c->pidfd >= 0) close(c->pidfd);
    process_end end;
    end.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    end.last_lines.assign(c->last.begin(), c->last.end());
    {
      const std::lock_guard guard(c->lock);
      if (c->wanted && c->on_end) c->on_end(std::move(end));
    }
    over_.notify_all();
  }

  void hear(child& c) {
    char piece[8192];
    while (c.output >= 0) {
      const auto n = read(c.output, piece, sizeof piece);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return;
      if (n == 0) {
        close(std::exchange(c.output, -1));
        return;
      }
      c.partial.append(piece, static_cast<std::size_t>(n));
      std::size_t end = 0;
      while ((end = c.partial.find('\n')) != std::string::npos || c.partial.size() > line_bytes_max) {
        if (end == std::string::npos) end = line_bytes_max;
        auto text = c.partial.substr(0, end);
        c.partial.erase(0, end + 1);
        tell(c, std::move(text));
      }
    }
  }

  static void tell(child& c, std::string text) {
    c.last.push_back(text.substr(0, kept_line_bytes_max));
    if (c.last.size() > kept_lines_max) c.last.pop_front();
    const std::lock_guard guard(c.lock);
    if (c.wanted && c.on_line) c.on_line(std::move(text));
  }

  std::mutex lock_;
  std::condition_variable over_;
  std::vector<order*> orders_;
  std::atomic<bool> ending_{false};
  bool stopped_ = false;
  std::vector<child_ptr> children_;   // the thread's own
  int wake_;
  std::thread thread_;
};

class real_process final : public process {
 public:
  real_process(real_starter& by, child_ptr who) : by_(by), who_(std::move(who)) {}
  ~real_process() override { by_.forget(who_); }
  std::int64_t pid() const override { return who_->pid; }
  void signal(int number) override { by_.signal_child(who_, number); }

 private:
  real_starter& by_;
  child_ptr who_;
};

result<std::unique_ptr<process>> real_starter::start(process_order what, line on_line, ended on_end) {
  if (what.arguments.empty()) return fail(errc::invalid, "no program was named");
  order o;
  o.path = find_program(what.arguments[0]);
  if (o.path.empty()) return fail(errc::not_found, "there is no program " + what.arguments[0]);
  o.what = std::move(what);
  o.on_line = std::move(on_line);
  o.on_end = std::move(on_end);
  std::unique_lock guard(lock_);
  orders_.push_back(&o);
  rouse();
  over_.wait(guard, [&] { return o.done; });
  if (!o.answer.ok()) return o.answer.why();
  return std::unique_ptr<process>(std::make_unique<real_process>(*this, std::move(*o.answer)));
}

}  // namespace

namespace real {
std::unique_ptr<process_starter> make_process_starter() { return std::make_unique<real_starter>(); }
}  // namespace real

}  // namespace troupe::net
