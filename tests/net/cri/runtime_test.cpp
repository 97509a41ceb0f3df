// The simulated runtime, and the real one where tests/net/cri/containerd_test.py has prepared one: TROUPE_CRI_SOCKET is its
// socket, TROUPE_CRI_IMAGE an image, TROUPE_CRI_PID a file with the pid of containerd, which its keeper starts again.
#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>

#include "net/cri/client.hpp"
#include "net/cri/pause/image.hpp"
#include "net/sim/cri/containers.hpp"
#include "tests/net/cri/contract.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {

class agenda_calendar final : public wall_clock {
 public:
  explicit agenda_calendar(const agenda& of) : of_(of) {}
  wall_time now() const override { return wall_time(std::chrono::hours(24 * 365 * 50)) + of_.now().time_since_epoch(); }

 private:
  const agenda& of_;
};

class twin_rig final : public cri::test::rig {
 public:
  twin_rig() : calendar_(plan_), machine(plan_, rng(7), calendar_), client_(machine.connect()) { machine.add_image(image_); }
  cri::runtime& on() override { return *client_; }
  const std::string& image() const override { return image_; }
  bool until(const std::function<bool()>& done) override {
    for (int steps = 0; steps < 100000; ++steps) {
      if (done()) return true;
      if (plan_.run_one()) continue;
      if (const auto next = plan_.next_due()) plan_.advance_to(*next);
      else return done();
    }
    return false;
  }
  void kill_runtime() override {
    machine.kill_runtime();
    plan_.in(500ms, [this] { machine.start_runtime(); });
  }
  std::string uid() override { return "uid" + std::to_string(++numbers_); }
  agenda& plan() { return plan_; }

 private:
  agenda plan_;
  agenda_calendar calendar_;

 public:
  sim::container_machine machine;

 private:
  std::unique_ptr<cri::runtime> client_;
  std::string image_ = "localhost/busybox:1";
  int numbers_ = 0;
};

class real_rig final : public cri::test::rig {
 public:
  explicit real_rig(const char* socket) : client_(cri::make_client({socket})) {}
  cri::runtime& on() override { return *client_; }
  const std::string& image() const override { return image_; }
  bool until(const std::function<bool()>& done) override {
    for (const auto end = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < end;) {
      if (done()) return true;
      std::mutex lock;
      std::unique_lock hold(lock);
      std::condition_variable().wait_for(hold, 5ms);
    }
    return false;
  }
  void kill_runtime() override {
    std::ifstream from(std::getenv("TROUPE_CRI_PID"));
    pid_t pid = 0;
    from >> pid;
    REQUIRE(pid > 1);
    REQUIRE(kill(pid, SIGKILL) == 0);
  }
  std::string uid() override { return "uid" + std::to_string(++numbers()); }

 private:
  static int& numbers() {
    static int last = 0;
    return last;
  }
  std::unique_ptr<cri::runtime> client_;
  std::string image_ = std::getenv("TROUPE_CRI_IMAGE");
};

}  // namespace

TEST_CASE("the simulated runtime keeps a runtime's promises") {
  cri::test::check_contract([] { return std::make_unique<twin_rig>(); });
}

TEST_CASE("containerd keeps a runtime's promises" * doctest::skip(std::getenv("TROUPE_CRI_SOCKET") == nullptr)) {
  cri::test::check_contract([] { return std::make_unique<real_rig>(std::getenv("TROUPE_CRI_SOCKET")); });
}

TEST_CASE("a client whose runtime is away says so, and ends at once") {
  const auto client = cri::make_client({"/nowhere/at.sock"});
  std::mutex lock;
  std::condition_variable news;
  std::optional<result<cri::version_info>> got;
  client->version([&](result<cri::version_info> what) {
    const std::lock_guard hold(lock);
    got.emplace(std::move(what));
    news.notify_all();
  });
  std::unique_lock hold(lock);
  REQUIRE(news.wait_for(hold, 60s, [&] { return got.has_value(); }));
  CHECK(got->code() == errc::unavailable);
  CHECK(got->why().note.find("/nowhere/at.sock") != std::string::npos);
}

TEST_CASE("a lost answer of the simulated runtime was a deed") {
  twin_rig r;
  r.machine.now.lost_answers = 100;
  cri::sandbox_config what;
  what.uid = "u";
  std::optional<errc> said;
  r.on().run_sandbox(what, [&](result<std::string> got) { said = got.ok() ? errc::internal : got.code(); });
  REQUIRE(r.until([&] { return said.has_value(); }));
  CHECK(*said == errc::timeout);
  CHECK(r.machine.sandboxes().size() == 1);
}

TEST_CASE("a simulated container ends as its script says, also while the runtime is away") {
  twin_rig r;
  r.machine.script = [](const cri::container_config&) { return sim::container_life{2s, 3, "", true}; };
  std::string box, run;
  cri::sandbox_config pod;
  pod.uid = "u";
  r.on().run_sandbox(pod, [&](result<std::string> got) { box = *got; });
  REQUIRE(r.until([&] { return !box.empty(); }));
  r.on().create_container(box, {}, pod, [&](result<std::string> got) { run = *got; });
  REQUIRE(r.until([&] { return !run.empty(); }));
  bool begun = false;
  r.on().start_container(run, [&](result<cri::nothing> got) { begun = got.ok(); });
  REQUIRE(r.until([&] { return begun; }));
  r.machine.kill_runtime();
  REQUIRE(r.until([&] { return r.machine.containers().at(run).state == cri::container_state::exited; }));
  CHECK(r.machine.containers().at(run).exit_code == 3);
  CHECK(r.machine.containers().at(run).reason == "Error");
}

TEST_CASE("our pause image is an archive with a manifest") {
  const auto data = cri::pause_archive();
  CHECK(data.size() > 4096);
  CHECK(data.find("localhost/troupe-pause:1") != std::string_view::npos);
  CHECK(data.substr(257, 5) == "ustar");
}
