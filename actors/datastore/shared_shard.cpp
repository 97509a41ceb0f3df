// A shard over a store that other servers write to as well. Three things differ from shard.cpp: each operation
// travels by itself, changes come from the store's stream and not from our own commits, and the store may be away.
#include <algorithm>
#include <deque>
#include <map>
#include <unordered_map>

#include "actors/datastore/shard.hpp"
#include "actors/datastore/engine_calls.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::datastore {

shard_actor make_shared_shard(const rt::world& in, shard_config config, std::unique_ptr<storage::engine> engine);

namespace {

using outcome = storage::outcome;
using outcome_promise = caf::typed_response_promise<outcome>;
using head_promise = caf::typed_response_promise<storage::revision>;
using page_promise = caf::typed_response_promise<storage::page>;

struct waiting_operation {
  storage::operation what;
  outcome_promise answer;
};
struct flying {
  outcome_promise answer;
  bool grows = true;            ///< No erase: those are taken even when there is no room.
};
/// Committed, but its change has not come by yet.
struct held_answer {
  outcome what;
  outcome_promise answer;
  bool old = false;             ///< It was there at the last look already.
};
struct head_wait {
  storage::revision at = 0;     ///< 0: the store has not said yet.
  head_promise answer;
  bool old = false;
};
struct follower {
  std::string prefix;
  follower_actor who;
  std::vector<storage::change> gathered;
};
struct range_wait {
  storage::range_query what;
  page_promise answer;
};

class shared_shard_state {
 public:
  static constexpr const char* name = "shared_shard";
  explicit shared_shard_state(rt::self<shard_actor> self) : self_(self) {}

  void init(const rt::world& in, shard_config config, std::unique_ptr<storage::engine> engine) {
    config_ = config;
    shard_ = in.shard;
    engine_ = std::move(engine);
    standing_ = engine_->status().now;
    standing_since_ = shard_->now();
    engine_->on_news([me = rt::strong<shard_actor>(self_)] { rt::post(me, standing_changed{}); });
    // Where following begins: all that is older is in the pages that followers read.
    ask_head();
    self_->delayed_send(rt::strong<shard_actor>(self_), config_.patience, patience_due{});
    self_->delayed_send(rt::strong<shard_actor>(self_), config_.compact_every, compaction_due{});
  }

  shard_actor::behavior_type make_behavior() {
    return {
        [this](commit_operation& ask) { return take(std::move(ask.what)); },
        [this](follow_prefix& ask) { return follow(std::move(ask)); },
        [this](read_head) { return head(); },
        [this](read_page& ask) { return read_once(std::move(ask.what)); },
        [this](batch_settled& done) { settle(done.ticket, std::move(*done.what)); },
        [this](page_settled& done) { settle_page(done.ticket, std::move(*done.what)); },
        [this](changes_settled& done) { settle_changes(std::move(*done.what)); },
        [this](head_settled& done) { settle_head(std::move(*done.what)); },
        [this](standing_changed) { hear_news(); },
        [this](watch_standing& ask) { listeners_.push_back(ask.who), self_->send(ask.who, standing_told{standing_}); },
        [this](patience_due) { lose_patience(); },
        [this](compaction_due) { compact(); },
        [this](write_backup& ask) { return back_up(ask.path); },
        [this](backup_settled& done) { backups_.settle(done.ticket, *done.what, engine_ ? engine_->status().head : 0); },
        [this](close_datastore) { return close(); },
    };
  }

 private:
  shard_actor me() { return rt::strong<shard_actor>(self_); }
  bool away() const { return standing_ == storage::standing::leaderless || standing_ == storage::standing::closed; }
  std::string away_note() const {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(shard_->now() - standing_since_).count();
    return "the datastore has had no leader for " + std::to_string(seconds) + " s: writes wait until most of its members are back";
  }

  // --- writing ---------------------------------------------------------------------------------

  caf::result<outcome> take(storage::operation what) {
    if (closing_) return outcome{outcome::kind::unavailable, 0, {}, "the datastore is closing"};
    if (away()) return outcome{outcome::kind::unavailable, 0, {}, away_note()};
    const auto size = what.key.size() + what.value.size();
    if (waiting_.size() >= config_.waiting_max || waiting_bytes_ + size > config_.waiting_bytes_max)
      return outcome{outcome::kind::overloaded, 0, {}, "too many writes are waiting"};
    auto answer = self_->make_response_promise<outcome>();
    waiting_bytes_ += size;
    waiting_.push_back({std::move(what), answer});
    flush();
    return answer;
  }

  void flush() {
    while (!waiting_.empty() && in_flight_.size() < config_.shared_in_flight_max) {
      auto next = std::move(waiting_.front());
      waiting_.pop_front();
      waiting_bytes_ -= next.what.key.size() + next.what.value.size();
      const auto ticket = ++tickets_;
      in_flight_.emplace(ticket, flying{std::move(next.answer), next.what.what != storage::operation::kind::erase});
      std::vector<storage::operation> one;
      one.push_back(std::move(next.what));
      engine_->commit(std::move(one), [me = me(), ticket](storage::committed_batch done) {
        rt::post(me, batch_settled{ticket, std::make_shared<storage::committed_batch>(std::move(done))});
      });
    }
  }

  // Whoever has an answer finds its change applied: the answer waits for the stream, but not for ever.
  void settle(std::uint64_t ticket, storage::committed_batch done) {
    auto found = in_flight_.find(ticket);
    CHECK_THAT(found != in_flight_.end() && done.outcomes.size() == 1);
    auto answer = std::move(found->second.answer);
    const bool grows = found->second.grows;
    in_flight_.erase(found);
    auto& what = done.outcomes[0];
    if (what.what == outcome::kind::no_space) lose_space(what.note);
    else if (grows && what.what == outcome::kind::committed && std::exchange(full_, false)) log::info("datastore.space_found", {{"at", what.at}});
    if (what.what == outcome::kind::committed && what.at > published_) {
      const auto at = what.at;
      held_.emplace(at, held_answer{std::move(what), std::move(answer)});
      pull();
    } else {
      answer.deliver(std::move(what));
    }
    flush();
    finish_closing();
  }

  /// Said once; what history there is goes now, because only then is there something to give back.
  void lose_space(const std::string& why) {
    if (std::exchange(full_, true)) return;
    log::error("datastore.space_exceeded", {{"why", why}, {"then", "writes are refused, deletions are not: delete what is not needed; a cluster on embedded etcd then goes on by itself, "
                                                                   "or start its servers with a larger --etcd-quota-bytes; of another etcd: etcdctl compact, defrag --cluster, alarm disarm"}});
    if (engine_ != nullptr && published_ > 0) datastore::compact(*engine_, published_);
  }

  // --- following -------------------------------------------------------------------------------

  caf::result<storage::page> follow(follow_prefix ask) {
    if (closing_) return rt::refuse(errc::unavailable, "the datastore is closing");
    const auto same = [&](const follower& f) { return f.who == ask.who && f.prefix == ask.prefix; };
    if (std::none_of(followers_.begin(), followers_.end(), same)) followers_.push_back({ask.prefix, ask.who, {}});
    auto answer = self_->make_response_promise<storage::page>();
    range_wait wait{{ask.prefix, storage::after_prefix(ask.prefix), 0, 0}, answer};
    // Not before the stream's beginning is known: what lies between would be in neither.
    if (!following_) early_.push_back(std::move(wait));
    else read(std::move(wait));
    return answer;
  }

  caf::result<storage::page> read_once(storage::range_query what) {
    if (closing_) return rt::refuse(errc::unavailable, "the datastore is closing");
    auto answer = self_->make_response_promise<storage::page>();
    read({std::move(what), answer});
    return answer;
  }

  void read(range_wait wait) {
    const auto ticket = ++tickets_;
    engine_->range(wait.what, [me = me(), ticket](result<storage::page> page) {
      rt::post(me, page_settled{ticket, std::make_shared<result<storage::page>>(std::move(page))});
    });
    pages_.emplace(ticket, std::move(wait));
  }

  void settle_page(std::uint64_t ticket, result<storage::page> page) {
    auto found = pages_.find(ticket);
    if (found == pages_.end()) return;
    auto wait = std::move(found->second);
    pages_.erase(found);
    if (page.ok()) {
      wait.answer.deliver(std::move(*page));
      return;
    }
    if (page.why().code == errc::unavailable || page.why().code == errc::timeout) {   // it comes back: ask again then
      early_.push_back(std::move(wait));
      return;
    }
    wait.answer.deliver(rt::refuse(page.why()));
  }

  void pull() {
    if (!following_ || pulling_ || closing_ || engine_ == nullptr) return;
    pulling_ = true;
    engine_->changes_after(published_, 0, [me = me()](result<std::vector<storage::change>> got) {
      rt::post(me, changes_settled{std::make_shared<result<std::vector<storage::change>>>(std::move(got))});
    });
  }

  void settle_changes(result<std::vector<storage::change>> got) {
    pulling_ = false;
    if (!got.ok()) {
      if (got.why().code == errc::gone) start_over();
      return;   // away: the next news brings the rest
    }
    if (got->empty()) return;
    publish(*got);
    release();
    pull();
  }

  void publish(std::vector<storage::change>& changes) {
    for (auto& change : changes) {
      CHECK_THAT(change.at >= published_);   // one transaction of somebody else may change several keys
      published_ = change.at;
      for (auto& f : followers_)
        if (change.key.compare(0, f.prefix.size(), f.prefix) == 0) f.gathered.push_back(change);
    }
    for (auto& f : followers_) {
      if (f.gathered.empty()) continue;
      self_->send(f.who, changes_published{std::make_shared<const std::vector<storage::change>>(std::move(f.gathered)), published_, false});
      f.gathered.clear();
    }
  }

  void start_over() {
    log::warn("datastore.changes_lost", {{"after", published_}});
    following_ = false;
    ask_head();
  }

  // --- the head --------------------------------------------------------------------------------

  caf::result<storage::revision> head() {
    if (closing_) return rt::refuse(errc::unavailable, "the datastore is closing");
    if (away()) return rt::refuse(errc::unavailable, away_note());
    auto answer = self_->make_response_promise<storage::revision>();
    next_heads_.push_back({0, answer});
    if (!asking_) ask_head();
    return answer;
  }

  // One question for everybody who waits at the moment; who comes meanwhile needs the next.
  void ask_head() {
    if (asking_ || closing_ || engine_ == nullptr) return;
    asking_ = true;
    asked_heads_.swap(next_heads_);
    engine_->read_head([me = me()](result<storage::revision> got) {
      rt::post(me, head_settled{std::make_shared<result<storage::revision>>(std::move(got))});
    });
  }

  void settle_head(result<storage::revision> got) {
    asking_ = false;
    auto asked = std::move(asked_heads_);
    asked_heads_.clear();
    if (!got.ok()) {
      for (auto& wait : asked) wait.answer.deliver(rt::refuse(got.why()));
      if (!following_) shard_retry_ = true;   // news or the next look asks again
      if (!next_heads_.empty()) ask_head();   // or nobody would, when all who read are waiting here
      return;
    }
    if (!following_) begin_following(*got);
    for (auto& wait : asked) {
      if (*got <= published_) wait.answer.deliver(published_);
      else wait.at = *got, heads_.push_back(std::move(wait));
    }
    if (!heads_.empty()) pull();
    if (!next_heads_.empty()) ask_head();
  }

  void begin_following(storage::revision at) {
    following_ = true;
    shard_retry_ = false;
    const bool again = published_ > 0;
    published_ = std::max(published_, at);
    if (compact_to_ == 0) compact_to_ = published_;
    if (again)
      for (auto& f : followers_) self_->send(f.who, changes_published{std::make_shared<const std::vector<storage::change>>(), published_, true});
    for (auto& wait : std::exchange(early_, {})) read(std::move(wait));
    release();
    pull();
  }

  void release() {
    while (!held_.empty() && held_.begin()->first <= published_) {
      auto next = std::move(held_.begin()->second);
      held_.erase(held_.begin());
      next.answer.deliver(std::move(next.what));
    }
    std::erase_if(heads_, [&](head_wait& wait) {
      if (wait.at > published_) return false;
      wait.answer.deliver(published_);
      return true;
    });
  }

  void lose_patience() {
    self_->delayed_send(me(), config_.patience, patience_due{});
    if (shard_retry_) ask_head();
    if (full_ && engine_ != nullptr && !away()) datastore::compact(*engine_, published_);   // what was deleted since makes room, too
    if (!early_.empty() && following_ && !away())
      for (auto& wait : std::exchange(early_, {})) read(std::move(wait));
    pull();
    for (auto at = held_.begin(); at != held_.end();) {
      if (!std::exchange(at->second.old, true)) {
        ++at;
        continue;
      }
      at->second.answer.deliver(std::move(at->second.what));   // it is on disk, whatever becomes of the stream
      at = held_.erase(at);
    }
    std::erase_if(heads_, [&](head_wait& wait) {
      if (!std::exchange(wait.old, true)) return false;
      wait.answer.deliver(rt::refuse(errc::unavailable, "the datastore's changes are late"));
      return true;
    });
  }

  // --- standing --------------------------------------------------------------------------------

  void hear_news() {
    if (closing_ || engine_ == nullptr) return;
    const auto now = engine_->status().now;
    if (now != standing_) {
      const bool was_away = away();
      standing_ = now;
      standing_since_ = shard_->now();
      if (away() != was_away) log::warn(away() ? "datastore.leader_lost" : "datastore.leader_found", {{"published", published_}});
      for (auto& who : listeners_) self_->send(who, standing_told{now});
      if (!away()) {
        if (!following_) ask_head();
        else for (auto& wait : std::exchange(early_, {})) read(std::move(wait));
      }
    }
    pull();
  }

  void compact() {
    self_->delayed_send(me(), config_.compact_every, compaction_due{});
    const auto target = std::exchange(compact_to_, published_);
    if (engine_ == nullptr || closing_ || away() || target == 0) return;
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
    // What is committed is committed, whether its change was heard or not; the rest will not be known here any more.
    for (auto& [at, one] : std::exchange(held_, {})) one.answer.deliver(std::move(one.what));
    const auto refuse_all = [](auto waits) {
      for (auto& one : waits) one.answer.deliver(rt::refuse(errc::unavailable, "the datastore is closing"));
    };
    for (auto* heads : {&next_heads_, &asked_heads_, &heads_}) refuse_all(std::exchange(*heads, {}));
    refuse_all(std::exchange(early_, {}));
    for (auto& [ticket, wait] : std::exchange(pages_, {})) wait.answer.deliver(rt::refuse(errc::unavailable, "the datastore is closing"));
    for (auto& asked : std::exchange(closers_, {})) asked.deliver(true);
  }

  rt::self<shard_actor> self_;
  shard_config config_;
  net::shard* shard_ = nullptr;
  std::unique_ptr<storage::engine> engine_;
  std::deque<waiting_operation> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::unordered_map<std::uint64_t, flying> in_flight_;
  std::multimap<storage::revision, held_answer> held_;
  std::map<std::uint64_t, range_wait> pages_;
  std::vector<range_wait> early_;                 // ranges that wait for the store or for the stream's beginning
  std::vector<head_wait> next_heads_, asked_heads_, heads_;
  std::vector<follower> followers_;
  std::vector<standing_listener_actor> listeners_;
  storage::standing standing_ = storage::standing::leaderless;
  mono_time standing_since_{};
  backups backups_;
  std::uint64_t tickets_ = 0;
  storage::revision published_ = 0, compact_to_ = 0;
  std::vector<caf::typed_response_promise<bool>> closers_;
  bool full_ = false;                             // the store has no room, and it was said
  bool following_ = false, pulling_ = false, asking_ = false, shard_retry_ = false, closing_ = false;
};

}  // namespace

shard_actor make_shared_shard(const rt::world& in, shard_config config, std::unique_ptr<storage::engine> engine) {
  return rt::spawn<shard_actor, shared_shard_state>(in, "", in, config, std::move(engine));
}

}  // namespace troupe::datastore
