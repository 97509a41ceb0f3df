#include "actors/datastore/shard.hpp"

#include <deque>
#include <unordered_map>

#include "actors/datastore/engine_calls.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::datastore {
namespace {

using promise = caf::typed_response_promise<storage::outcome>;

struct waiting_operation {
  storage::operation what;
  promise answer;
};

struct follower {
  std::string prefix;
  follower_actor who;
  std::vector<storage::change> gathered;
};

class shard_state {
 public:
  static constexpr const char* name = "shard";
  explicit shard_state(rt::self<shard_actor> self) : self_(self) {}

  void init(shard_config config, std::unique_ptr<storage::engine> engine, std::function<void(const std::string&)> give_up) {
    config_ = config;
    engine_ = std::move(engine);
    give_up_ = std::move(give_up);
    head_ = published_ = engine_->status().head;
    compact_to_ = head_;
    engine_->on_news([me = rt::strong<shard_actor>(self_)] { rt::post(me, standing_changed{}); });
    self_->delayed_send(rt::strong<shard_actor>(self_), config_.compact_every, compaction_due{});
  }

  shard_actor::behavior_type make_behavior() {
    return {
        [this](commit_operation& ask) { return take(std::move(ask.what)); },
        [this](follow_prefix& ask) { return follow(std::move(ask)); },
        [this](read_head) { return published_; },
        [this](read_page& ask) { return read(std::move(ask.what)); },
        [this](batch_settled& done) { settle(done.ticket, std::move(*done.what)); },
        [this](page_settled& done) { settle_page(done.ticket, std::move(*done.what)); },
        [](changes_settled&) {},   // only a shared engine has them
        [](head_settled&) {},
        [this](standing_changed) { look_at_standing(); },
        [this](watch_standing& ask) { self_->send(ask.who, standing_told{storage::standing::leading}); },
        [](patience_due) {},
        [this](compaction_due) { compact(); },
        [this](write_backup& ask) { return back_up(ask.path); },
        [this](backup_settled& done) { backups_.settle(done.ticket, *done.what, engine_ ? engine_->status().head : 0); },
        [this](close_datastore) { return close(); },
    };
  }

 private:
  caf::result<storage::outcome> take(storage::operation what) {
    const auto size = what.key.size() + what.value.size();
    if (closing_) return storage::outcome{storage::outcome::kind::unavailable, 0, {}, "the datastore is closing"};
    if (waiting_.size() >= config_.waiting_max || waiting_bytes_ + size > config_.waiting_bytes_max)
      return storage::outcome{storage::outcome::kind::overloaded, 0, {}, "too many writes are waiting"};
    auto answer = self_->make_response_promise<storage::outcome>();
    waiting_bytes_ += size;
    waiting_.push_back({std::move(what), answer});
    flush();
    return answer;
  }

  // No timer: whatever came while the engine was busy becomes the next batch.
  void flush() {
    while (!waiting_.empty() && in_flight_.size() < config_.in_flight_max) {
      std::vector<storage::operation> batch;
      std::vector<promise> answers;
      while (!waiting_.empty() && batch.size() < storage::batch_operations_max) {
        auto& next = waiting_.front();
        waiting_bytes_ -= next.what.key.size() + next.what.value.size();
        batch.push_back(std::move(next.what));
        answers.push_back(std::move(next.answer));
        waiting_.pop_front();
      }
      const auto ticket = ++tickets_;
      in_flight_.emplace(ticket, std::move(answers));
      engine_->commit(std::move(batch), [me = rt::strong<shard_actor>(self_), ticket](storage::committed_batch done) {
        rt::post(me, batch_settled{ticket, std::make_shared<storage::committed_batch>(std::move(done))});
      });
    }
  }

  // The order is the promise: the index is the engine's, then the changes, then the answers. One
  // sender to one mailbox keeps it, so a keeper that has its answer has applied the change.
  void settle(std::uint64_t ticket, storage::committed_batch done) {
    auto found = in_flight_.find(ticket);
    CHECK_THAT(found != in_flight_.end());
    auto answers = std::move(found->second);
    in_flight_.erase(found);
    head_ = std::max(head_, done.head);
    publish(done.changes);
    CHECK_THAT(done.outcomes.size() == answers.size());
    for (std::size_t i = 0; i < answers.size(); ++i) answers[i].deliver(std::move(done.outcomes[i]));
    flush();
    finish_closing();
  }

  void publish(std::vector<storage::change>& changes) {
    for (auto& change : changes) {
      CHECK_THAT(change.at > published_);
      published_ = change.at;
      for (auto& f : followers_)
        if (change.key.compare(0, f.prefix.size(), f.prefix) == 0) f.gathered.push_back(change);
    }
    for (auto& f : followers_) {
      if (f.gathered.empty()) continue;
      self_->send(f.who, changes_published{
                             std::make_shared<const std::vector<storage::change>>(std::move(f.gathered)), published_, false});
      f.gathered.clear();
    }
  }

  caf::result<storage::page> follow(follow_prefix ask) {
    if (closing_) return rt::refuse(errc::unavailable, "the datastore is closing");
    followers_.push_back({ask.prefix, ask.who, {}});
    return read({ask.prefix, storage::after_prefix(ask.prefix), 0, 0});
  }

  caf::result<storage::page> read(storage::range_query what) {
    if (closing_) return rt::refuse(errc::unavailable, "the datastore is closing");
    auto answer = self_->make_response_promise<storage::page>();
    const auto ticket = ++tickets_;
    pages_.emplace(ticket, answer);
    engine_->range(std::move(what), [me = rt::strong<shard_actor>(self_), ticket](result<storage::page> page) {
      rt::post(me, page_settled{ticket, std::make_shared<result<storage::page>>(std::move(page))});
    });
    return answer;
  }

  void settle_page(std::uint64_t ticket, result<storage::page> page) {
    auto found = pages_.find(ticket);
    if (found == pages_.end()) return;
    auto answer = std::move(found->second);
    pages_.erase(found);
    if (page.ok()) answer.deliver(std::move(*page));
    else answer.deliver(rt::refuse(page.why()));
  }

  void look_at_standing() {
    if (closing_ || engine_ == nullptr || engine_->status().now != storage::standing::closed) return;
    // A failed sync leaves the kernel's pages in a state nobody knows: only a new start reads what is true.
    log::error("datastore.engine_failed", {{"head", head_}});
    give_up_("the datastore can no longer write to its disk; look at the disk and its free space, then start again");
  }

  void compact() {
    self_->delayed_send(rt::strong<shard_actor>(self_), config_.compact_every, compaction_due{});
    const auto target = std::exchange(compact_to_, published_);
    if (engine_ == nullptr || closing_) return;
    datastore::compact(*engine_, target);
  }

  caf::result<storage::revision> back_up(const std::string& path) {
    if (closing_ || engine_ == nullptr) return rt::refuse(errc::unavailable, "the datastore is closing");
    return backups_.take(self_, *engine_, path);
  }

  caf::result<bool> close() {
    closing_ = true;
    auto answer = self_->make_response_promise<bool>();
    closers_.push_back(answer);
    finish_closing();
    return answer;
  }

  void finish_closing() {
    if (!closing_ || !waiting_.empty() || !in_flight_.empty()) return;
    engine_.reset();
    for (auto& asked : std::exchange(closers_, {})) asked.deliver(true);
  }

  rt::self<shard_actor> self_;
  shard_config config_;
  std::unique_ptr<storage::engine> engine_;
  std::function<void(const std::string&)> give_up_;
  std::deque<waiting_operation> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::unordered_map<std::uint64_t, std::vector<promise>> in_flight_;
  std::unordered_map<std::uint64_t, caf::typed_response_promise<storage::page>> pages_;
  std::vector<follower> followers_;
  backups backups_;
  std::uint64_t tickets_ = 0;
  storage::revision head_ = 0, published_ = 0, compact_to_ = 0;
  std::vector<caf::typed_response_promise<bool>> closers_;   // everyone who asked to close
  bool closing_ = false;
};

}  // namespace

shard_actor make_shared_shard(const rt::world& in, shard_config config, std::unique_ptr<storage::engine> engine);

shard_actor make_shard(const rt::world& in, shard_config config, std::unique_ptr<storage::engine> engine) {
  if (engine->shared()) return make_shared_shard(in, config, std::move(engine));
  return rt::spawn<shard_actor, shard_state>(in, "", config, std::move(engine), in.give_up);
}

}  // namespace troupe::datastore
