// One way to open, drive and reopen each engine, so that a case can be told once for all of them.
#pragma once
#include <doctest/doctest.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "storage/embedded/engine.hpp"

namespace troupe::storage::testing {

/// An engine on something that outlives it.
class rig {
 public:
  virtual ~rig() = default;
  virtual std::string name() const = 0;
  /// Opens the engine; the one before must be gone.
  virtual std::unique_ptr<engine> open(retention kept = {.kept_revisions_min = 0}) = 0;
  /// Opens what backup() wrote to `path()` + ".copy".
  virtual std::unique_ptr<engine> open_copy() = 0;
  virtual std::string path() const = 0;
  /// Lets a threadless engine work until nothing is left to do.
  virtual void pump() {}

  /// Whether it writes on a disk of this machine, by a thread of its own; then it also opens like this, in any process.
  virtual bool on_disk() const { return false; }
  virtual result<std::unique_ptr<engine>> open_with(embedded_config) { return fail(errc::unsupported); }
};

/// Fresh rigs of the engines that need nothing but this machine: memory, sim, sqlite, rocksdb. An engine elsewhere has
/// a list of its own and compiles contract_test.cpp and race_test.cpp once more with SHARED_RIGS naming it.
std::vector<std::function<std::unique_ptr<rig>()>> all_rigs();
std::unique_ptr<rig> make_sqlite_rig();

/// Tells `body(rig&)` over every engine that writes on a disk of this machine, each fresh.
template <class Case>
void over_disks(Case body);

/// Waits for a completion: hand `take()` to the engine, then `get()`.
template <class T>
class answer {
 public:
  callback<void(T)> take() {
    return [state = state_](T value) {
      const std::lock_guard hold(state->mutex);
      state->value.emplace(std::move(value));
      state->ready.notify_all();
    };
  }
  T get(rig& on) {
    on.pump();
    std::unique_lock hold(state_->mutex);
    state_->ready.wait(hold, [this] { return state_->value.has_value(); });
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

inline operation create(std::string key, std::string value) {
  return {operation::kind::create, std::move(key), bytes(std::move(value)), 0};
}
inline operation update(std::string key, std::string value, revision expected) {
  return {operation::kind::update, std::move(key), bytes(std::move(value)), expected};
}
inline operation erase(std::string key, revision expected = 0) { return {operation::kind::erase, std::move(key), {}, expected}; }

inline committed_batch commit(rig& on, engine& e, std::vector<operation> batch) {
  if (e.shared() && batch.size() > 1 && batch.size() <= batch_operations_max) {  // Side by side they have no order.
    committed_batch all;
    for (auto& one : batch) {
      auto said = commit(on, e, std::vector<operation>{std::move(one)});
      all.outcomes.push_back(std::move(said.outcomes.at(0)));
      all.head = said.head;
    }
    return all;
  }
  answer<committed_batch> out;
  e.commit(std::move(batch), out.take());
  return out.get(on);
}
inline outcome commit_one(rig& on, engine& e, operation one) {
  std::vector<operation> batch;
  batch.push_back(std::move(one));
  return commit(on, e, std::move(batch)).outcomes.at(0);
}
inline result<page> range(rig& on, engine& e, range_query what) {
  answer<result<page>> out;
  e.range(std::move(what), out.take());
  return out.get(on);
}
inline result<std::vector<change>> changes(rig& on, engine& e, revision after, std::size_t limit = 0) {
  if (e.shared()) {  // Begins to follow, and waits until the feed has come to the head.
    answer<result<std::vector<change>>> begun;
    e.changes_after(after, 1, begun.take());
    if (auto first = begun.get(on); !first) return first;
    answer<result<revision>> head;
    e.read_head(head.take());
    (void)head.get(on);
  }
  answer<result<std::vector<change>>> out;
  e.changes_after(after, limit, out.take());
  return out.get(on);
}
inline result<void> compact(rig& on, engine& e, revision to) {
  answer<result<void>> out;
  e.compact(to, out.take());
  return out.get(on);
}
inline result<void> backup(rig& on, engine& e, std::string path) {
  answer<result<void>> out;
  e.backup(std::move(path), out.take());
  return out.get(on);
}
inline result<void> verify(rig& on, engine& e) {
  answer<result<void>> out;
  e.verify(out.take());
  return out.get(on);
}
inline result<void> raise_revision(rig& on, engine& e, revision to) {
  answer<result<void>> out;
  e.raise_revision(to, out.take());
  return out.get(on);
}
inline operation relaxed(operation one) {
  one.relaxed = true;
  return one;
}
/// "key=value@modified/version ..." of a range.
std::string told(const result<page>& what);

/// `word` with a number behind it.
template <class Number>
std::string numbered(std::string_view word, Number number) {
  return std::string(word).append(std::to_string(number));
}

/// A folder of its own under the system's temporary one, gone with the object.
class scratch_folder {
 public:
  scratch_folder();
  scratch_folder(const scratch_folder&) = delete;
  ~scratch_folder();
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};
template <class Case>
void over_disks(Case body) {
  for (const auto& make : all_rigs()) {
    const auto on = make();
    INFO("engine: " << on->name());
    if (on->on_disk()) body(*on);
  }
}

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& content);

}  // namespace troupe::storage::testing
