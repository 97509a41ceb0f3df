#include <doctest/doctest.h>

#include <caf/actor_system.hpp>

#include <thread>

#include "actors/runtime/cells.hpp"
#include "actors/runtime/deterministic.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "actors/runtime/stage.hpp"

using namespace troupe;

namespace troupe::runtime_test {
struct throw_ball { int hops; };
struct meet_partner { caf::strong_actor_ptr who; };
struct count_balls {};
struct fail_now {};
using player_actor = rt::handle<void(throw_ball), void(meet_partner), int(count_balls), void(fail_now)>;

class player_state {
 public:
  static constexpr const char* name = "player";
  explicit player_state(rt::self<player_actor> self) : self_(self) {}
  using deterministic_note = std::function<void(std::string_view)>;
  void init(deterministic_note note) { note_ = std::move(note); }
  player_actor::behavior_type make_behavior() {
    return {
        [this](throw_ball& ball) { pass(ball.hops); },
        [this](meet_partner& who) { partner_ = caf::actor_cast<player_actor>(who.who); },
        [this](count_balls) { return seen_; },
        [this](fail_now) { throw std::runtime_error("on purpose"); },
    };
  }

 private:
  void pass(int hops) {
    ++seen_;
    if (note_) note_(std::to_string(hops));
    if (partner_ && hops > 0) self_->delayed_send(partner_, std::chrono::milliseconds(hops), throw_ball{hops - 1});
  }
  rt::self<player_actor> self_;
  player_actor partner_;
  deterministic_note note_;
  int seen_ = 0;
};
}  // namespace troupe::runtime_test
RT_MESSAGE(troupe::runtime_test::throw_ball)
RT_MESSAGE(troupe::runtime_test::meet_partner)
RT_MESSAGE(troupe::runtime_test::count_balls)
RT_MESSAGE(troupe::runtime_test::fail_now)

using namespace runtime_test;

namespace {
std::uint64_t play(std::uint64_t seed) {
  rt::deterministic run(seed);
  rt::world world;
  world.system = &run.system();
  world.simulated = true;
  std::vector<player_actor> players;
  for (int i = 0; i < 6; ++i)
    players.push_back(rt::spawn<player_actor, player_state>(
        world, "", [&run, i](std::string_view what) { run.note(std::to_string(i) + std::string(what)); }));
  for (int i = 0; i < 6; ++i)
    rt::post(players[i], meet_partner{caf::actor_cast<caf::strong_actor_ptr>(players[(i + 1) % 6])});
  for (int i = 0; i < 6; ++i) rt::post(players[i], throw_ball{20});
  run.run_for(10s);
  for (auto& p : players) rt::end(p);
  run.run_for(1s);
  return run.digest();
}
}  // namespace

TEST_CASE("the same seed gives the same run, another seed another") {
  CHECK(play(1) == play(1));
  CHECK(play(1) != play(2));
}

TEST_CASE("no actor outlives its end, even when two hold each other") {
  for (std::uint64_t seed = 10; seed < 20; ++seed) play(seed);
  for (const auto& c : rt::theatre::instance().views()) CHECK(c.name != "player");
}

TEST_CASE("a failing actor is noted with the words of its exception") {
  log::set_sink([](const log::record&) {});
  rt::deterministic run(3);
  rt::world world;
  world.system = &run.system();
  world.simulated = true;
  auto p = rt::spawn<player_actor, player_state>(world, "seventh", player_state::deterministic_note());
  rt::post(p, throw_ball{0});
  run.run_for(1s);
  rt::post(p, fail_now{});
  run.run_for(1s);
  bool seen = false;
  for (const auto& c : rt::theatre::instance().views()) {
    if (c.detail != "seventh") continue;
    seen = true;
    CHECK(c.dead);
    CHECK(c.handled == 2);
    CHECK(c.last_error == "on purpose");
    CHECK(c.last_message == "runtime_test::fail_now");
    CHECK(c.room == "runtime_test");
  }
  CHECK(seen);
  log::set_sink(nullptr);
}

TEST_CASE("errors cross the actor library and come back as they were") {
  const auto back = rt::reason(rt::refuse(errc::outcome_unknown, "cut off"));
  CHECK(back == error{errc::outcome_unknown, "cut off"});
  CHECK(rt::reason(caf::sec::request_timeout).code == errc::timeout);
  CHECK(rt::reason(caf::sec::request_receiver_down).code == errc::unavailable);
}

TEST_CASE("what a mailbox received is counted to the last, however many threads send at once") {
  rt::shared_count count;
  constexpr std::uint64_t threads = 24, each = 20'000;   // more threads than have places of their own
  std::vector<std::thread> senders;
  for (std::uint64_t i = 0; i < threads; ++i)
    senders.emplace_back([&count] { for (std::uint64_t n = 0; n < each; ++n) count.count(); });
  for (auto& one : senders) one.join();
  CHECK(count.total() == threads * each);
}
