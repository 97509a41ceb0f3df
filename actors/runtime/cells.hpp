// What the console knows of an actor without asking it: a cell of counters that the actor's base
// class keeps. Cells are read from any thread, so an actor that is stuck is seen too.
//
// The theatre owns the list; an actor and the list share a cell. Writers are the actor's own thread
// (all but `received`, which every sender bumps). `handled` counts the message in hand too. Slices are timed 1 in 32.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

namespace troupe::rt {

/// A count that every thread adds to. A thread has a place of its own to write, so that no bus is locked; the threads that
/// come after the first few, which are mostly such as live for one slow call, share the last.
class shared_count {
 public:
  void count() noexcept {
    const unsigned own = place;
    if (own - 1 < own_places) [[likely]] places_[own - 1].store(places_[own - 1].load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    else count_slowly();
  }
  /// Not of one moment: what others add meanwhile may be in it or not.
  std::uint64_t total() const noexcept;

 private:
  static constexpr unsigned own_places = 7;
  void count_slowly() noexcept;
  static inline constinit thread_local unsigned place = 0;   // 0: not known yet
  std::array<std::atomic<std::uint64_t>, own_places + 1> places_{};
};

struct cell {
  std::uint64_t id = 0, parent = 0;
  std::string name;      ///< The state class's name, e.g. "keeper".
  std::string detail;    ///< What tells it from its siblings, e.g. a kind; may be empty.
  std::string room;      ///< From the namespace of its state class, e.g. "node_password".
  alignas(64) shared_count received;
  alignas(64) std::atomic<std::uint64_t> handled{0};
  std::atomic<std::uint64_t> slices{0};               ///< Begun; more than ended means that it runs now.
  std::atomic<std::uint64_t> slices_ended{0};
  std::atomic<std::uint64_t> slice_began_ns{0};       ///< Of a timed slice while it runs; else 0.
  std::atomic<std::uint64_t> busy_ns{0}, slice_ns_max{0};
  std::atomic<const std::type_info*> last_message{nullptr};
  std::atomic<bool> dead{false};
  std::atomic<unsigned> restarts{0};
  std::atomic<std::uint64_t> failures{0};
  // The theatre's notes, under its lock: the slice it saw running, and when it first did.
  std::uint64_t seen_slice = 0, seen_at_ns = 0;
};

/// A copy of a cell's figures for printing.
struct cell_view {
  std::uint64_t id, parent;
  std::string name, detail, room, last_message, last_error;
  std::uint64_t received, handled, slices, busy_ns, slice_ns_max;
  std::uint64_t running_ns;   ///< Of the slice in hand, 0 when it waits; at least, when that slice is not a timed one.
  unsigned restarts;
  bool dead;
};

/// All cells of the process. Any thread.
class theatre {
 public:
  static theatre& instance();
  /// The cell's words are complete before anybody else sees it, and never change.
  std::shared_ptr<cell> add(std::uint64_t id, std::uint64_t parent, std::string name, std::string detail,
                            const std::type_info& state);
  /// Living actors, and dead ones that somebody still holds (a leak of handles), in order of id.
  std::vector<cell_view> views();
  void note_error(const cell& of, std::string text);
  /// The last word of each topic, as rooms tell it through world::publish.
  void put_notice(const std::string& topic, std::string text);
  std::map<std::string, std::string> notices();
  /// What happens when an actor fails: nobody restarts one yet, so a real process ends itself here and its
  /// service manager starts it again. Set once, before the first actor; null does nothing.
  void on_failure(std::function<void(const cell&, const std::string& why)> rise) { rise_ = std::move(rise); }
  void rise(const cell& of, const std::string& why) { if (rise_) rise_(of, why); }
  static std::uint64_t now_ns() noexcept;

 private:
  std::mutex lock_;   // taken when an actor is born, fails, or is looked at; never per message
  std::vector<std::weak_ptr<cell>> cells_;
  std::vector<std::pair<std::uint64_t, std::string>> errors_;
  std::map<std::string, std::string> notices_;
  std::size_t sweep_at_ = 1024;
  std::function<void(const cell&, const std::string&)> rise_;
};

/// Whose slice runs on this thread: actors made meanwhile are its children. A slice never throws (the library catches),
/// so there the two plain calls do; whoever may throw holds a guard.
class acting {
 public:
  explicit acting(std::uint64_t id) noexcept : before_(enter(id)) {}
  ~acting() { leave(before_); }
  acting(const acting&) = delete;
  static std::uint64_t enter(std::uint64_t id) noexcept { return std::exchange(present, id); }
  static void leave(std::uint64_t before) noexcept { present = before; }
  static std::uint64_t who() noexcept { return present; }

 private:
  static inline thread_local std::uint64_t present = 0;
  std::uint64_t before_;
};

/// The library's type for a mailbox element around a ready message; each process has one.
const std::type_info* wrapped_message_type();

/// "troupe::node_password::verify_password" without the outer namespace and state suffixes.
std::string plain_name(const std::type_info& of);

}  // namespace troupe::rt
