// Waiting for one completion of a port, for procedures that own their thread: commands, and copies between engines.
// Never on a thread that runs the completions, never in an actor on a shared thread.
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace troupe::storage {

/// A value that comes once, from another thread. Copies share it.
template <class T>
class awaited {
 public:
  void set(T value) const {
    const std::lock_guard hold(state_->mutex);
    if (!state_->value) state_->value.emplace(std::move(value));
    state_->ready.notify_all();
  }
  bool there() const {
    const std::lock_guard hold(state_->mutex);
    return state_->value.has_value();
  }
  /// Waits, then hands it over; once.
  T take() const {
    std::unique_lock hold(state_->mutex);
    state_->ready.wait(hold, [&] { return state_->value.has_value(); });
    return std::move(*state_->value);
  }

 private:
  struct shared {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<T> value;
  };
  std::shared_ptr<shared> state_ = std::make_shared<shared>();
};

/// Hands a completion to `ask` and waits for it.
template <class T, class Ask>
T await(Ask ask) {
  const awaited<T> answer;
  ask([answer](T value) { answer.set(std::move(value)); });
  return answer.take();
}

}  // namespace troupe::storage
