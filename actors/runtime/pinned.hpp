// An actor that runs on the net shard which owns its sockets: its messages and the sockets'
// callbacks share one thread and need no lock. The library's own brokers are made the same way.
#pragma once
#include <caf/execution_unit.hpp>
#include <caf/logger.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include "net/shard.hpp"

namespace troupe::rt {

/// Lets a net shard execute actors. Owned by the stage; lives longer than every actor pinned to it.
class shard_unit final : public caf::execution_unit {
 public:
  shard_unit(caf::actor_system& system, net::shard& on) : caf::execution_unit(&system), shard_(on) {}
  net::shard& shard() noexcept { return shard_; }

  void exec_later(caf::resumable* what) override {
    shard_.post([this, j = job(what)]() mutable { run(j.take()); });
  }

 private:
  // Keeps the reference balanced when the shard's loop ends before the job has run.
  struct job {
    explicit job(caf::resumable* x) noexcept : held(x) {}
    job(job&& other) noexcept : held(std::exchange(other.held, nullptr)) {}
    ~job() {
      if (held) caf::scheduler::abstract_coordinator::cleanup_and_release(held);
    }
    caf::resumable* take() noexcept { return std::exchange(held, nullptr); }
    caf::resumable* held;
  };
  static constexpr std::size_t messages_per_turn = 64;

  void run(caf::resumable* what) {
    switch (what->resume(this, messages_per_turn)) {
      case caf::resumable::resume_later: exec_later(what); break;
      case caf::resumable::done:
      case caf::resumable::awaiting_message: caf::intrusive_ptr_release(what); break;
      default: break;
    }
    // Resuming leaves a reference to the system's logger with this thread, and the system's end waits for it.
    caf::logger::set_current_actor_system(nullptr);
  }
  net::shard& shard_;
};

template <class Base>
class pinned : public Base {
 public:
  template <class... Ts>
  pinned(caf::actor_config& cfg, shard_unit* on, Ts&&... xs) : Base(cfg, std::forward<Ts>(xs)...), unit_(on) {}
  using Base::enqueue;
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override { Base::enqueue(std::move(what), unit_); }
  void launch(caf::execution_unit*, bool lazy, bool hide) override { Base::launch(unit_, lazy, hide); }

 private:
  shard_unit* unit_;
};

}  // namespace troupe::rt
