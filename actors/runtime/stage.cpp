#include "actors/runtime/stage.hpp"

#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "basis/log.hpp"

namespace troupe::rt {

struct stage::inside {
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
};

stage::stage() : in_(std::make_unique<inside>()) {
  in_->config.set("scheduler.policy", caf::atom("sharing"));
  in_->config.set("scheduler.max-threads", 2);
  in_->config.set("scheduler.max-throughput", 64);
  in_->system = std::make_unique<caf::actor_system>(in_->config);
}

namespace {
/// Runs `body`; when that takes longer than the stage may take to end, leaves the process without it.
template <class Body>
void within_limit(caf::actor_system* system, Body body) {
  std::mutex lock;
  std::condition_variable ended;
  bool done = false;
  std::thread watchdog([&, system] {
    std::unique_lock guard(lock);
    if (ended.wait_for(guard, stage::stop_limit, [&] { return done; })) return;
    log::warn("runtime.stop_forced", {{"actors", system->registry().running()}});
    std::_Exit(0);
  });
  body();
  {
    const std::lock_guard guard(lock);
    done = true;
  }
  ended.notify_one();
  watchdog.join();
}
}  // namespace

void stage::await_actors() {
  within_limit(in_->system.get(), [this] { in_->system->await_all_actors_done(); });
}

stage::~stage() {
  within_limit(in_->system.get(), [this] { in_->system.reset(); });
}

caf::actor_system& stage::system() { return *in_->system; }

}  // namespace troupe::rt
