// One fan per served kind and net shard: takes each change once, encodes it once per representation,
// and hands the same bytes to every watcher that wants it. Plain object of the gate, on its shard.
//
// A watcher that does not take its bytes is cut when it owes more than unsent_max: it will list again.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/apiserver/messages.hpp"
#include "actors/apiserver/wire/render.hpp"

namespace troupe::apiserver {

struct fan_config {
  std::size_t kept_changes_max = 10000;          ///< What a watch can be resumed from.
  std::size_t kept_bytes_max = 16 * 1024 * 1024;
  std::size_t unsent_max = 4 * 1024 * 1024;      ///< Bytes a watcher may owe.
  duration bookmark_every = std::chrono::minutes(1);
};

/// Where a watch stream goes: an HTTP exchange, or an actor inside the process.
class watch_sink {
 public:
  virtual ~watch_sink() = default;
  /// One encoded line (HTTP), shared by all who want the same.
  virtual void line(const bytes& text) = 0;
  /// For local watchers the object itself is wanted; null answer means lines are.
  virtual bool wants_objects() const { return false; }
  virtual void event(std::string_view type, const std::shared_ptr<const json>& object) { (void)type, (void)object; }
  virtual std::size_t unsent() const = 0;
  /// The stream ends: in order, or cut.
  virtual void end(bool in_order, std::string_view why) = 0;
};

struct watch_request {
  rendering how;                 ///< `now` is set anew for each event.
  std::string ns;
  std::shared_ptr<const target> asked;
  std::unique_ptr<watch_sink> to;
};

class watch_fan {
 public:
  using watcher_id = std::uint64_t;
  explicit watch_fan(fan_config config = {}) : config_(config) {}

  /// What there is now; the first call says from where changes can be replayed.
  void hear(const changes_applied& news, wall_time now);
  const model::snapshot& all() const { return all_; }
  model::revision_number head() const { return head_; }
  bool loaded() const { return loaded_; }
  /// Changes after this revision are kept.
  model::revision_number floor() const { return floor_; }

  /// Starts a watch: replays or begins with what there is, as its options say. Answers 410 when the
  /// revision is no longer kept, else the watcher's number. Errors leave `request.to` untouched.
  std::variant<watcher_id, api_error> open(watch_request& request, wall_time now);
  /// Ends it in order (time is up) or forgets it (the client is gone).
  void close(watcher_id which, bool in_order, std::string_view why);
  /// Bookmarks to those who want them.
  void bookmark(wall_time now);
  void end_all(std::string_view why);
  std::size_t watchers() const { return watchers_.size(); }

 private:
  struct watcher {
    watcher_id id = 0;
    watch_request what;
    model::revision_number seen = 0;
    model::revision_number before = 0;   ///< What it had seen when the present news came.
    bool first = true;
    bool broken = false;
  };
  struct encoded;
  void deliver(watcher& to, const object_change& change, std::vector<encoded>& cache, wall_time now);
  void send(watcher& to, event_type type, const model::document& item, std::vector<encoded>& cache, wall_time now);
  void keep(const object_change& change);
  bool matches(const watcher& w, const model::document& item, bool at_its_end = false) const;

  fan_config config_;
  model::snapshot all_;
  model::revision_number head_ = 0, floor_ = 0;
  bool loaded_ = false;
  std::deque<object_change> kept_;
  std::size_t kept_bytes_ = 0;
  std::vector<std::unique_ptr<watcher>> watchers_;
  watcher_id numbers_ = 0;
};

}  // namespace troupe::apiserver
