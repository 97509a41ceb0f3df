// The base of every actor of ours: keeps its cell (cells.hpp) and turns an exception into a noted
// failure. Overrides the library's own hooks, so no handler has to cooperate.
#pragma once
#include <caf/scheduled_actor.hpp>
#include <caf/sec.hpp>
#include <caf/logger.hpp>

#include "actors/runtime/cells.hpp"
#include "basis/log.hpp"

namespace troupe::rt {

template <class Base, class State>
class observed : public Base {
 public:
  template <class... Ts>
  observed(caf::actor_config& cfg, std::string detail, Ts&&... xs) : Base(cfg, std::forward<Ts>(xs)...) {
    cell_ = theatre::instance().add(this->id(), acting::who(), State::name, std::move(detail), typeid(State));
    this->set_exception_handler([c = cell_](std::exception_ptr& thrown) -> caf::error {
      std::string what = "unknown exception";
      try {
        std::rethrow_exception(thrown);
      } catch (const std::exception& e) {
        what = e.what();
      } catch (...) {
      }
      c->failures.fetch_add(1, std::memory_order_relaxed);
      log::error("runtime.actor_failed", {{"room", c->room}, {"actor", c->name}, {"id", c->id}, {"error", what}});
      theatre::instance().note_error(*c, what);
      theatre::instance().rise(*c, what);
      return caf::sec::runtime_error;
    });
  }

  using Base::enqueue;
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* on) override {
    cell_->received.count();
    Base::enqueue(std::move(what), on);
  }

  caf::resumable::resume_result resume(caf::execution_unit* on, std::size_t messages_max) override {
    cell& c = *cell_;   // the scheduler holds a reference to us until this returns
    const auto before = acting::enter(c.id);
    const auto n = c.slices.load(std::memory_order_relaxed);
    caf::resumable::resume_result out;
    if (n % sampled_every != 0) [[likely]] {
      c.slices.store(n + 1, std::memory_order_relaxed);   // more begun than ended: it runs, since an unknown moment
      out = Base::resume(on, messages_max);
    } else {
      out = timed(c, on, messages_max);
    }
    c.slices_ended.store(n + 1, std::memory_order_relaxed);
    acting::leave(before);
    return out;
  }

  [[gnu::noinline]] caf::resumable::resume_result timed(cell& c, caf::execution_unit* on, std::size_t messages_max) {
    const auto from = theatre::now_ns();
    c.slice_began_ns.store(from, std::memory_order_relaxed);
    c.slices.store(c.slices.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    const auto out = Base::resume(on, messages_max);
    const auto took = theatre::now_ns() - from;
    c.busy_ns.store(c.busy_ns.load(std::memory_order_relaxed) + took * sampled_every, std::memory_order_relaxed);
    if (took > c.slice_ns_max.load(std::memory_order_relaxed)) c.slice_ns_max.store(took, std::memory_order_relaxed);
    c.slice_began_ns.store(0, std::memory_order_relaxed);
    return out;
  }

  caf::invoke_message_result consume(caf::mailbox_element& what) override {
    cell& c = *cell_;
    // The element's own type names the message; asking its content would be two virtual calls. Counted before the
    // handler, not after by a guard, so that the library's function is called last (decision 015).
    const std::type_info* type = &typeid(what);
    if (type == wrapped_message) [[unlikely]] type = what.content().empty() ? nullptr : what.content().type(0).second;
    if (type) c.last_message.store(type, std::memory_order_relaxed);
    c.handled.store(c.handled.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    return Base::consume(what);
  }

  bool cleanup(caf::error&& why, caf::execution_unit* host) override {
    cell_->dead = true;
    return Base::cleanup(std::move(why), host);
  }

  const cell& my_cell() const { return *cell_; }

 private:
  /// Elements that carry a message made elsewhere (answers) are of one type whatever they hold.
  static inline const std::type_info* const wrapped_message = wrapped_message_type();
  static constexpr std::uint64_t sampled_every = 32;
  std::shared_ptr<cell> cell_;
};

}  // namespace troupe::rt
