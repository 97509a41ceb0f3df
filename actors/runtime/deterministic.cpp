#include "actors/runtime/deterministic.hpp"

#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include "actors/runtime/cells.hpp"
#include "basis/rng.hpp"

namespace troupe::rt {
namespace {

class lottery final : public caf::scheduler::test_coordinator {
 public:
  using super = caf::scheduler::test_coordinator;
  explicit lottery(caf::actor_system& system) : super(system), on_(*this) {}
  static caf::actor_system::module* make(caf::actor_system& system, caf::detail::type_list<>) {
    return new lottery(system);  // owned by the actor system, as its module contract asks
  }
  void seed(std::uint64_t with) { dice_ = rng(with).fork("scheduler"); }

  bool step() {
    if (jobs.empty()) return false;
    const auto pick = dice_.below(jobs.size());
    if (pick != 0) std::swap(jobs[0], jobs[static_cast<std::size_t>(pick)]);
    auto* job = jobs.front();
    jobs.pop_front();
    switch (job->resume(&on_, 1)) {
      case caf::resumable::resume_later: jobs.push_back(job); break;
      case caf::resumable::done:
      case caf::resumable::awaiting_message: caf::intrusive_ptr_release(job); break;
      default: break;
    }
    ++steps_;
    return true;
  }
  std::uint64_t steps() const { return steps_; }

 private:
  struct unit final : caf::execution_unit {
    explicit unit(lottery& of) : caf::execution_unit(&of.system()), owner(of) {}
    void exec_later(caf::resumable* what) override { owner.jobs.push_back(what); }
    lottery& owner;
  };
  unit on_;   // actors remember it between their turns: callbacks of ports answer through it
  rng dice_{0};
  std::uint64_t steps_ = 0;
};

}  // namespace

struct deterministic::inside {
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  lottery* scheduler = nullptr;
};

deterministic::deterministic(std::uint64_t seed) : in_(std::make_unique<inside>()) {
  in_->config.load<lottery>();
  in_->system = std::make_unique<caf::actor_system>(in_->config);
  in_->scheduler = dynamic_cast<lottery*>(&in_->system->scheduler());
  CHECK_THAT(in_->scheduler != nullptr);
  in_->scheduler->seed(seed);
  plan_.advance_to(mono_time(in_->scheduler->clock().now().time_since_epoch()));
}

deterministic::~deterministic() {
  // Whoever composed the run has ended its actors; what is still on its way is let through.
  run_for(std::chrono::seconds(1));
  plan_ = agenda();
}

caf::actor_system& deterministic::system() { return *in_->system; }
std::uint64_t deterministic::steps() const { return in_->scheduler->steps(); }
bool deterministic::step() { return in_->scheduler->step(); }

bool deterministic::jump(mono_time limit) {
  auto& clock = in_->scheduler->clock();
  const auto mine = plan_.next_due();
  mono_time theirs = mono_time::max();
  if (clock.has_pending_timeout()) theirs = mono_time(clock.schedule().begin()->first.time_since_epoch());
  const mono_time next = std::min(mine.value_or(mono_time::max()), theirs);
  if (next > limit || next == mono_time::max()) return false;
  if (next > clock.now()) clock.current_time = caf::actor_clock::time_point(next.time_since_epoch());
  plan_.advance_to(next);
  if (mine && *mine <= theirs) return plan_.run_one();
  return clock.trigger_timeout();
}

void deterministic::run_for(duration span) {
  run_until([] { return false; }, span);
}

bool deterministic::run_until(const std::function<bool()>& done, duration span) {
  const mono_time limit = plan_.now() + span;
  for (;;) {
    while (step()) {}
    if (done()) return true;
    if (!jump(limit)) break;
  }
  auto& clock = in_->scheduler->clock();
  if (limit > clock.now()) clock.current_time = caf::actor_clock::time_point(limit.time_since_epoch());
  plan_.advance_to(limit);
  return done();
}

void deterministic::note(std::string_view what) {
  for (const unsigned char c : what) digest_ = (digest_ ^ c) * 1099511628211ull;
  const auto at = static_cast<std::uint64_t>(plan_.now().time_since_epoch().count());
  for (int i = 0; i < 8; ++i) digest_ = (digest_ ^ (at >> (8 * i) & 255)) * 1099511628211ull;
}

}  // namespace troupe::rt
