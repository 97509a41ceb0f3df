// What it costs that every actor is observed: messages per second between two actors with empty handlers,
// with and without the observed base, one message per slice (the worst case), interleaved. Prints JSON.
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/execution_unit.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "actors/runtime/host.hpp"
#include "basis/json.hpp"

namespace troupe::observed_bench {
struct hit { int left; };
struct meet { caf::strong_actor_ptr who; };
using player_actor = rt::handle<void(hit), void(meet)>;
struct player_state {
  static constexpr const char* name = "player";
  explicit player_state(rt::self<player_actor> s) : self(s) {}
  void init() {}
  player_actor::behavior_type make_behavior() {
    return {[this](hit ball) { if (ball.left > 0) self->send(partner, hit{ball.left - 1}); },
            [this](meet& m) { partner = caf::actor_cast<player_actor>(m.who); }};
  }
  rt::self<player_actor> self;
  player_actor partner;
};
class plain : public caf::stateful_actor<player_state, player_actor::base> {
 public:
  explicit plain(caf::actor_config& c) : caf::stateful_actor<player_state, player_actor::base>(c) {}
  player_actor::behavior_type make_behavior() override { return state.make_behavior(); }
};
}  // namespace troupe::observed_bench
RT_MESSAGE(troupe::observed_bench::hit)
RT_MESSAGE(troupe::observed_bench::meet)

using namespace troupe;
using namespace observed_bench;

namespace {
class stepper final : public caf::scheduler::test_coordinator {
 public:
  using caf::scheduler::test_coordinator::test_coordinator;
  static caf::actor_system::module* make(caf::actor_system& system, caf::detail::type_list<>) {
    return new stepper(system);  // owned by the actor system, as its module contract asks
  }
};
constexpr int hops = 400000;

/// CPU time of one rally on a scheduler without threads, in ns per message.
double rally(bool observed) {
  caf::actor_system_config config;
  config.load<stepper>();
  caf::actor_system system{config};
  auto& stage = dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  const auto make = [&]() -> player_actor {
    if (observed) return system.spawn<rt::host<player_actor, player_state>>(std::string());
    return system.spawn<plain>();
  };
  const auto a = make(), b = make();
  caf::anon_send(a, meet{caf::actor_cast<caf::strong_actor_ptr>(b)});
  caf::anon_send(b, meet{caf::actor_cast<caf::strong_actor_ptr>(a)});
  stage.run();
  caf::anon_send(a, hit{hops});
  timespec from, to;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
  stage.run();
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
  for (const auto& x : {a, b}) caf::anon_send_exit(x, caf::exit_reason::user_shutdown);
  stage.run();
  return static_cast<double>((to.tv_sec - from.tv_sec) * 1000000000ll + to.tv_nsec - from.tv_nsec) / hops;
}
}  // namespace

int main() {
  std::vector<double> plain_ns, observed_ns;
  for (int round = 0; round < 25; ++round) plain_ns.push_back(rally(false)), observed_ns.push_back(rally(true));
  const auto least = [](const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); };
  const double a = least(plain_ns), b = least(observed_ns);
  std::printf("%s\n", to_text(json{{"plain_ns", a}, {"observed_ns", b}, {"cost_percent", (b / a - 1) * 100}}).c_str());
}
