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

stage::~stage() {
  std::mutex lock;
  std::condition_variable ended;
  bool done = false;
  // By plain pointer: while the system ends, its owner no longer points at it.
  std::thread watchdog([&, system = in_->system.get()] {
    std::unique_lock guard(lock);
    if (ended.wait_for(guard, stop_limit, [&] { return done; })) return;
    log::warn("runtime.stop_forced", {{"actors", system->registry().running()}});
    std::_Exit(0);
  });
  in_->system.reset();
  {
    const std::lock_guard guard(lock);
    done = true;
  }
  ended.notify_one();
  watchdog.join();
}

caf::actor_system& stage::system() { return *in_->system; }

}  // namespace troupe::rt
