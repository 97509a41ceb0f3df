// One server's engine over the simulated store; see shared.hpp.
#pragma once
#include <deque>
#include <functional>
#include <optional>

#include "storage/sim/shared.hpp"

namespace troupe::storage::sim {

class shared_engine final : public engine {
 public:
  shared_engine(shared_store& store, std::string who, std::uint64_t number);
  /// Answers what is in flight at once: what cannot be known is outcome_unknown.
  ~shared_engine() override;

  void commit(std::vector<operation> batch, commit_done done) override;
  void range(range_query what, range_done done) override;
  void changes_after(revision after, std::size_t limit, changes_done done) override;
  void compact(revision to, engine::done finished) override;
  void backup(std::string path, engine::done finished) override;
  void verify(engine::done finished) override;
  storage::status status() const override;
  void on_news(callback<void()> wake) override { wake_ = std::move(wake); }
  bool shared() const override { return true; }
  void read_head(head_done done) override;

  // For the store.
  const std::string& who() const { return who_; }
  void committed(const change& what);      ///< Somebody's commit: it comes by the feed, if that flows.
  void road_changed();                     ///< Reachable or not: both may have changed.
  void crash();

 private:
  struct batch {
    std::vector<outcome> outcomes;
    std::size_t open = 0;
    commit_done done;
  };
  struct write {
    operation what;
    std::shared_ptr<batch> of;
    std::size_t slot = 0;
    mono_time until{};
    std::optional<outcome> truth;          ///< What the store did, if it did.
    bool under_way = false;                ///< The store may still do it.
    bool fenced = false, done = false;
  };
  using write_ptr = std::shared_ptr<write>;
  struct parked {
    mono_time until;
    task go, late;
  };

  bool reachable() { return store_->reachable(who_); }
  void in(duration wait, std::function<void()> what);
  duration way() { return store_->between(store_->config_.way_min, store_->config_.way_max); }
  /// Does `go` when the store can be reached, `late` when it cannot until `until`.
  void insist(mono_time until, task go, task late);
  /// Asks the store and brings the answer home; a read may be asked twice.
  template <class T>
  void ask(mono_time until, std::function<result<T>()> work, callback<void(result<T>)> done);

  void send(const write_ptr& one);
  void arrive(const write_ptr& one);
  void come_home(const write_ptr& one);
  void doubt(const write_ptr& one, bool may_come_late);
  void raise_fence();
  void settle(const write_ptr& one);
  void finish(const write_ptr& one, outcome what);

  void restart(revision after);
  void open_feed();
  void flow(const change& what);
  void deliver(std::uint64_t stream, change what);
  void lost();
  void answer_waiters();
  void news();
  void stand(standing now);
  void know(revision head) { known_head_ = std::max(known_head_, head); }

  shared_store* store_;
  std::string who_;
  std::uint64_t number_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  callback<void()> wake_;
  standing standing_ = standing::leaderless;
  std::map<std::uint64_t, write_ptr> writes_;      ///< In flight.
  std::vector<write_ptr> doubtful_;
  std::map<std::uint64_t, parked> parked_;
  std::uint64_t tickets_ = 0;
  bool fencing_ = false, reached_ = false, crashed_ = false, closing_ = false;
  revision known_head_ = 0, known_floor_ = 0;

  // The feed.
  struct head_waiter {
    revision at = 0;
    head_done done;
  };
  bool followed_ = false, lost_ = false, told_ = false, flowing_ = false, opening_ = false;
  std::uint64_t stream_ = 0;                       ///< Counts connections: what an old one brings is dropped.
  mono_time last_due_{};
  std::deque<change> buffer_;
  revision from_ = 0, seen_ = 0, visible_ = 0;
  std::map<std::uint64_t, head_waiter> waiters_;
};

}  // namespace troupe::storage::sim
