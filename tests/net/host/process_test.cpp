#include "net/host/process.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>

#include "net/host/real.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {
/// What a child said and how it ended, awaited from the test's thread.
struct witness {
  process_starter::line line() {
    return [this](std::string text) {
      const std::lock_guard guard(lock);
      lines.push_back(std::move(text));
      news.notify_all();
    };
  }
  process_starter::ended end() {
    return [this](process_end how) {
      const std::lock_guard guard(lock);
      ended = std::move(how);
      news.notify_all();
    };
  }
  bool until(const std::function<bool()>& done) {
    std::unique_lock guard(lock);
    return news.wait_for(guard, std::chrono::seconds(30), done);
  }
  std::mutex lock;
  std::condition_variable news;
  std::vector<std::string> lines;
  std::optional<process_end> ended;
};
process_order shell(const std::string& script) { return {{"sh", "-c", script}, {}, {}}; }
bool lives(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string word, state;
  return static_cast<bool>(in >> word >> word >> state) && state != "Z";
}
}  // namespace

TEST_CASE("a child's lines arrive one by one, and its end with its status and its last words") {
  witness w;
  auto starter = real::make_process_starter();
  auto child = starter->start(shell("echo one; echo two >&2; printf three; exit 7"), w.line(), w.end());
  REQUIRE(child.ok());
  REQUIRE(w.until([&] { return w.ended.has_value(); }));
  CHECK(w.lines == std::vector<std::string>{"one", "two", "three"});
  CHECK(w.ended->status == 7);
  CHECK(w.ended->signal == 0);
  CHECK(w.ended->last_lines == w.lines);
}

TEST_CASE("a child gets its environment, its folder, no signal mask and none of our descriptors") {
  witness w;
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &mask, nullptr);
  int ours[2];
  REQUIRE(pipe(ours) == 0);   // without close-on-exec, as a library might leave one
  auto starter = real::make_process_starter();
  process_order order = shell("echo $COLOUR; echo ${HOME-none}; pwd; ls /proc/self/fd | wc -l; kill -TERM $$; echo deaf");
  order.environment = {"COLOUR=blue"};
  order.folder = "/";
  auto child = starter->start(std::move(order), w.line(), w.end());
  REQUIRE(child.ok());
  REQUIRE(w.until([&] { return w.ended.has_value(); }));
  CHECK(w.lines == std::vector<std::string>{"blue", "none", "/", "4"});   // 0, 1, 2 and ls's own
  CHECK(w.ended->signal == SIGTERM);
  close(ours[0]), close(ours[1]);
  pthread_sigmask(SIG_UNBLOCK, &mask, nullptr);
}

TEST_CASE("a program that is not there, or cannot be run, is named") {
  auto starter = real::make_process_starter();
  const auto none = starter->start({{"no-such-program-here"}, {}, {}}, nullptr, nullptr);
  REQUIRE(!none.ok());
  CHECK(none.why().code == errc::not_found);
  CHECK(none.why().note.find("no-such-program-here") != std::string::npos);
  const auto folder = starter->start({{"sh", "-c", "true"}, {}, "/no/such/folder"}, nullptr, nullptr);
  REQUIRE(!folder.ok());
  CHECK(folder.why().note.find("No such file") != std::string::npos);
}

TEST_CASE("letting go of a child ends it, and no word of it comes afterwards") {
  witness w;
  auto starter = real::make_process_starter();
  auto child = starter->start(shell("trap '' TERM; echo up; while :; do sleep 0.01; echo on; done"), w.line(), w.end());
  REQUIRE(child.ok());
  REQUIRE(w.until([&] { return !w.lines.empty(); }));
  const auto pid = static_cast<pid_t>((*child)->pid());
  child->reset();
  const auto heard = w.lines.size();
  CHECK(!lives(pid));
  witness later;   // another child's whole life is time enough on the one thread that tells
  auto other = starter->start(shell("echo x"), later.line(), later.end());
  REQUIRE(later.until([&] { return later.ended.has_value(); }));
  CHECK(w.lines.size() == heard);
  CHECK(!w.ended.has_value());
}

TEST_CASE("a signal reaches the child") {
  witness w;
  auto starter = real::make_process_starter();
  auto child = starter->start(shell("trap 'echo stopping; exit 3' TERM; echo up; while :; do sleep 0.01; done"), w.line(), w.end());
  REQUIRE(child.ok());
  REQUIRE(w.until([&] { return !w.lines.empty(); }));
  (*child)->signal(SIGTERM);
  REQUIRE(w.until([&] { return w.ended.has_value(); }));
  CHECK(w.ended->status == 3);
  (*child)->signal(SIGTERM);   // it is gone: nothing happens
}

TEST_CASE("a child dies with the process that started it, however that one dies") {
  int out[2];
  REQUIRE(pipe(out) == 0);
  const pid_t middle = fork();
  if (middle == 0) {   // threads of its own, made after the fork
    witness w;
    auto starter = real::make_process_starter();
    pid_t pid = -1;
    if (auto child = starter->start(shell("while :; do sleep 0.05; done"), w.line(), w.end()); child.ok()) {
      pid = static_cast<pid_t>((*child)->pid());
      (void)!write(out[1], &pid, sizeof pid);
      for (;;) pause();
    }
    _exit(1);
  }
  pid_t grandchild = -1;
  REQUIRE(read(out[0], &grandchild, sizeof grandchild) == sizeof grandchild);
  CHECK(lives(grandchild));
  pollfd end{static_cast<int>(syscall(SYS_pidfd_open, grandchild, 0)), POLLIN, 0};
  REQUIRE(end.fd >= 0);
  kill(middle, SIGKILL);
  waitpid(middle, nullptr, 0);
  CHECK(poll(&end, 1, 30'000) == 1);
  CHECK(!lives(grandchild));
  close(end.fd);
  close(out[0]), close(out[1]);
}
