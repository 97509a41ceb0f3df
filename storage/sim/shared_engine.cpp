#include "storage/sim/shared_engine.hpp"

#include <algorithm>

namespace troupe::storage::sim {
namespace {
constexpr duration pause = 50ms;                   // Before a feed that broke is opened again.
constexpr duration handed_over = 20us;             // To the engine's own thread and back.
constexpr duration ghost_max = 8s;                 // How late a write may still be applied, unless it is fenced.
const std::string fence_key = std::string(shared_store::private_prefix) + "fence";
bool hidden(const std::string& key) { return key.starts_with(shared_store::private_prefix); }
}  // namespace

shared_engine::shared_engine(shared_store& store, std::string who, std::uint64_t number)
    : store_(&store), who_(std::move(who)), number_(number) {
  store_->order_.emplace(number_, this);
  road_changed();
}

shared_engine::~shared_engine() {
  store_->order_.erase(number_);
  *alive_ = false;
  if (crashed_) return;
  closing_ = true;
  for (auto& [ticket, one] : std::exchange(writes_, {})) {
    if (one->done) continue;
    outcome said{outcome::kind::outcome_unknown, 0, {}, "the engine was closed before its answer came"};
    if (!one->under_way && !one->truth) said = {outcome::kind::unavailable, 0, {}, "the engine is closed"};
    finish(one, std::move(said));
  }
  for (auto& [ticket, one] : std::exchange(parked_, {})) one.late();
  for (auto& [ticket, one] : std::exchange(waiters_, {})) one.done(fail(errc::unavailable, "the engine is closed"));
}

void shared_engine::crash() {
  crashed_ = true;
  *alive_ = false;
  store_->order_.erase(number_);
  standing_ = standing::closed;
  // What is on the road arrives or does not.
  for (auto& [ticket, one] : writes_)
    if (one->under_way && !one->truth && store_->chance_.chance(50))
      store_->when_->in(store_->between(duration::zero(), store_->config_.way_max), [store = store_, one = one] {
        if (!store->leaderless_ && !one->truth) one->truth = store->apply(one->what);
      });
  writes_.clear();
  parked_.clear();
  waiters_.clear();
}

void shared_engine::in(duration wait, std::function<void()> what) {
  store_->when_->in(wait, [alive = alive_, what = std::move(what)] {
    if (*alive) what();
  });
}

void shared_engine::insist(mono_time until, task go, task late) {
  if (reachable()) return go();
  const auto ticket = ++tickets_;
  parked_.emplace(ticket, parked{until, std::move(go), std::move(late)});
  in(std::max(duration::zero(), until - store_->when_->now()), [this, ticket] {
    auto found = parked_.extract(ticket);
    if (!found.empty()) found.mapped().late();
  });
}

template <class T>
void shared_engine::ask(mono_time until, std::function<result<T>()> work, callback<void(result<T>)> done) {
  auto to = std::make_shared<callback<void(result<T>)>>(std::move(done));
  const auto late = [to] { (*to)(fail(errc::unavailable, "the datastore does not answer")); };
  insist(until, [this, until, work, to, late] {
    in(way(), [this, until, work, to, late] {
      if (!reachable()) return insist(until, [this, until, work, to] { ask<T>(until, work, [to](result<T> got) { (*to)(std::move(got)); }); }, late);
      auto got = std::make_shared<result<T>>(work());
      const auto head = store_->log_.ends().head;
      in(way(), [this, until, work, to, late, got, head] {
        if (store_->roads_[who_].cut) return insist(until, [this, until, work, to] { ask<T>(until, work, [to](result<T> again) { (*to)(std::move(again)); }); }, late);
        know(head);
        (*to)(std::move(*got));
      });
    });
  }, late);
}

// --- standing ----------------------------------------------------------------------------------------------------

void shared_engine::road_changed() {
  if (crashed_) return;
  const bool there = reachable();
  if (!there) {
    flowing_ = false;
    ++stream_;
  } else {
    for (auto& [ticket, one] : std::exchange(parked_, {})) {
      insist(one.until, std::move(one.go), std::move(one.late));
    }
    open_feed();
    in(way() + way(), [this] { raise_fence(); });
  }
  in(store_->between(duration::zero(), store_->config_.notice_max), [this] {
    if (reachable() && !std::exchange(reached_, true)) known_floor_ = std::max(known_floor_, store_->log_.ends().floor);
    stand(reachable() ? standing::leading : standing::leaderless);
  });
}

void shared_engine::stand(standing now) {
  if (standing_ == now) return;
  standing_ = now;
  news();
}

void shared_engine::news() {
  if (wake_) wake_();
}

storage::status shared_engine::status() const {
  storage::status out;
  out.head = known_head_;
  out.floor = known_floor_;
  out.keys = store_->log_.live();
  out.file_bytes = store_->log_.bytes_kept();
  out.now = standing_;
  return out;
}

// --- writing -----------------------------------------------------------------------------------------------------

void shared_engine::commit(std::vector<operation> many, commit_done done) {
  if (crashed_) return;
  auto all = std::make_shared<batch>();
  all->outcomes.resize(many.size());
  all->open = many.size();
  all->done = std::move(done);
  if (many.empty()) return in(handed_over, [this, all] { all->done({{}, {}, known_head_}); });
  const bool full = writes_.size() + many.size() > store_->config_.in_flight_operations_max;
  const auto until = store_->when_->now() + store_->config_.operation_limit;
  const bool too_many = many.size() > batch_operations_max;
  for (std::size_t i = 0; i < many.size(); ++i) {
    auto one = std::make_shared<write>();
    one->what = std::move(many[i]);
    one->of = all;
    one->slot = i;
    one->until = until;
    const auto ticket = ++tickets_;
    writes_.emplace(ticket, one);
    in(handed_over, [this, one, ticket, full, too_many] {
      if (too_many) finish(one, {outcome::kind::too_large, 0, {}, "more operations than a batch may have"});
      else if (hidden(one->what.key)) finish(one, {outcome::kind::too_large, 0, {}, "not a key of this store"});
      else if (one->what.with && one->what.with->take.size() + one->what.with->release.size() > claims_max)
        finish(one, {outcome::kind::too_large, 0, {}, "more claims than one operation may have"});
      else if (full) finish(one, {outcome::kind::overloaded, 0, {}, "too much is in flight"});
      else send(one);
      std::erase_if(writes_, [](const auto& each) { return each.second->done; });
    });
  }
}

void shared_engine::send(const write_ptr& one) {
  if (one->done) return;
  if (store_->leaderless_)
    return in(way(), [this, one] { finish(one, {outcome::kind::unavailable, 0, {}, "the datastore has no leader"}); });
  insist(one->until, [this, one] {
    one->under_way = true;
    in(way(), [this, one] { arrive(one); });
  }, [this, one] { finish(one, {outcome::kind::unavailable, 0, {}, "the datastore does not answer"}); });
}

void shared_engine::arrive(const write_ptr& one) {
  if (!reachable()) {   // It lies in a socket, or had just arrived, or is lost.
    const auto fate = store_->chance_.below(3);
    if (fate == 0) one->truth = store_->apply(one->what);
    return doubt(one, fate == 1);
  }
  one->truth = store_->apply(one->what);
  in(way(), [this, one] { come_home(one); });
}

void shared_engine::come_home(const write_ptr& one) {
  if (store_->roads_[who_].cut || (store_->leaderless_ && store_->chance_.chance(50))) return doubt(one, false);
  know(store_->log_.ends().head);
  finish(one, std::move(*one->truth));
}

/// Its answer was lost. Until the fence is raised it may still be applied.
void shared_engine::doubt(const write_ptr& one, bool may_come_late) {
  doubtful_.push_back(one);
  if (may_come_late)
    store_->when_->in(store_->between(duration::zero(), ghost_max), [store = store_, one] {
      if (!store->leaderless_ && !one->fenced && !one->truth) one->truth = store->apply(one->what);
    });
  in(std::max(duration::zero(), one->until - store_->when_->now()), [this, one] {
    if (!one->fenced) finish(one, {outcome::kind::outcome_unknown, 0, {}, "its answer was lost, and the datastore could not be asked"});
  });
  raise_fence();
}

/// After it nothing that was sent before can be applied any more: what stands there decides.
void shared_engine::raise_fence() {
  if (doubtful_.empty() || fencing_ || !reachable()) return;
  fencing_ = true;
  in(way(), [this] {
    fencing_ = false;
    if (!reachable()) return;   // road_changed comes again
    auto some = std::exchange(doubtful_, {});
    (void)store_->apply({operation::kind::erase, fence_key, {}, 0});
    (void)store_->apply({operation::kind::create, fence_key, bytes("fence"), 0});
    for (const auto& one : some) one->fenced = true;
    in(way() + way(), [this, some] {
      for (const auto& one : some) settle(one);
      raise_fence();
    });
  });
}

void shared_engine::settle(const write_ptr& one) {
  if (one->done) return;
  know(store_->log_.ends().head);
  const bool erase = one->what.what == operation::kind::erase;
  if (one->truth && one->truth->what == outcome::kind::committed) {
    if (erase) return finish(one, {outcome::kind::outcome_unknown, 0, {}, "its answer was lost, and the key is gone"});
    return finish(one, std::move(*one->truth));
  }
  if (one->truth) return finish(one, std::move(*one->truth));
  if (one->what.what == operation::kind::create) {   // not sent again: it could bring back what somebody has erased
    auto now = store_->log_.range({one->what.key, one->what.key + '\0', 0, 1});
    if (now.ok() && now->records.empty()) return finish(one, {outcome::kind::unavailable, 0, {}, "its answer was lost, and the key is absent"});
    outcome said{outcome::kind::conflict, 0, {}, {}};
    if (now.ok()) said.present = now->records.front();
    return finish(one, std::move(said));
  }
  if (store_->when_->now() + pause >= one->until) return finish(one, {outcome::kind::unavailable, 0, {}, "the datastore does not answer"});
  auto again = std::make_shared<write>();   // the ghost of the first stays fenced
  again->what = one->what;
  again->of = one->of;
  again->slot = one->slot;
  again->until = one->until;
  one->done = true;
  std::erase_if(writes_, [](const auto& each) { return each.second->done; });
  writes_.emplace(++tickets_, again);
  send(again);
}

void shared_engine::finish(const write_ptr& one, outcome what) {
  if (std::exchange(one->done, true)) return;
  one->of->outcomes[one->slot] = std::move(what);
  if (!closing_) std::erase_if(writes_, [](const auto& each) { return each.second->done; });
  if (--one->of->open > 0) return;
  auto all = one->of;
  all->done({std::move(all->outcomes), {}, known_head_});
}

// --- reading -----------------------------------------------------------------------------------------------------

void shared_engine::range(range_query what, range_done done) {
  if (crashed_) return;
  ask<page>(store_->when_->now() + store_->config_.operation_limit, [this, what]() -> result<page> {
    if (what.at < 0) return fail(errc::invalid, "a revision is not negative");
    auto asked = what;
    if (what.limit != 0) asked.limit = what.limit + 2;   // the fence may be among them
    auto got = store_->log_.range(asked);
    if (!got.ok()) return got;
    std::erase_if(got->records, [](const record& one) { return hidden(one.key); });
    if (what.limit != 0 && got->records.size() > what.limit) {
      got->records.resize(what.limit);
      got->more = true;
    } else if (what.limit != 0) {
      got->more = false;
    }
    return got;
  }, std::move(done));
}

void shared_engine::read_head(head_done done) {
  if (crashed_) return;
  auto to = std::make_shared<head_done>(std::move(done));
  if (store_->leaderless_)
    return in(way(), [to] { (*to)(fail(errc::unavailable, "the datastore has no leader")); });
  const auto until = store_->when_->now() + store_->config_.operation_limit;
  ask<revision>(until, [this]() -> result<revision> { return store_->log_.ends().head; }, [this, to, until](result<revision> got) {
    if (!got.ok() || !followed_ || lost_) return (*to)(std::move(got));
    if (seen_ >= *got) return (*to)(visible_);
    const auto ticket = ++tickets_;
    waiters_.emplace(ticket, head_waiter{*got, [to](result<revision> at) { (*to)(std::move(at)); }});
    in(std::max(duration::zero(), until - store_->when_->now()), [this, ticket] {
      auto late = waiters_.extract(ticket);
      if (!late.empty()) late.mapped().done(fail(errc::unavailable, "the change feed is behind"));
    });
  });
}

void shared_engine::compact(revision to, engine::done finished) {
  if (crashed_) return;
  auto then = std::make_shared<engine::done>(std::move(finished));
  ask<int>(store_->when_->now() + store_->config_.operation_limit, [this, to]() -> result<int> {
    const auto done = store_->log_.compact(to);
    if (!done.ok() && done.code() != errc::gone) return done.why();
    return 0;
  }, [this, to, then](result<int> got) {
    if (!got.ok()) return (*then)(got.why());
    known_floor_ = std::max(known_floor_, to);
    (*then)({});
  });
}

void shared_engine::backup(std::string, engine::done finished) {
  finished(fail(errc::unsupported, "the simulated store has no files"));
}
void shared_engine::verify(engine::done finished) { finished(store_->log_.verify()); }

// --- the feed ----------------------------------------------------------------------------------------------------

void shared_engine::changes_after(revision after, std::size_t limit, changes_done done) {
  if (crashed_) return;
  auto to = std::make_shared<changes_done>(std::move(done));
  const auto answer = [this, after, limit, to] {
    if (after < 0 || after > std::max(known_head_, seen_)) return (*to)(fail(errc::invalid, "that revision lies in the future"));
    if (after < known_floor_) return (*to)(fail(errc::gone, "those changes are no longer kept"));
    told_ = false;
    if (!followed_ || lost_ || after < from_ || after > seen_) restart(after);
    while (!buffer_.empty() && buffer_.front().at <= after) buffer_.pop_front();
    from_ = std::max(from_, after);
    std::vector<change> out;
    for (const auto& one : buffer_) {
      if (limit != 0 && out.size() >= limit) break;
      out.push_back(one);
    }
    const bool more = out.size() < buffer_.size();
    (*to)(std::move(out));
    if (more && !std::exchange(told_, true)) news();
  };
  if (reached_) return in(handed_over, answer);
  insist(store_->when_->now() + store_->config_.operation_limit, [this, answer] { in(way() + way(), [this, answer] { know(store_->log_.ends().head), answer(); }); },
         [to] { (*to)(fail(errc::unavailable, "the datastore does not answer")); });
}

void shared_engine::restart(revision after) {
  followed_ = true;
  lost_ = flowing_ = opening_ = false;
  ++stream_;
  buffer_.clear();
  from_ = seen_ = visible_ = after;
  open_feed();
}

void shared_engine::open_feed() {
  if (!followed_ || lost_ || flowing_ || opening_ || !reachable()) return;
  opening_ = true;
  in(pause + way(), [this, stream = stream_] {
    if (stream != stream_) {   // it broke, or begins elsewhere
      opening_ = false;
      return open_feed();
    }
    opening_ = false;
    if (!reachable() || lost_ || flowing_) return;
    auto missed = store_->log_.changes_after(seen_, 0);
    if (!missed.ok()) return lost();
    flowing_ = true;
    last_due_ = store_->when_->now();
    for (const auto& one : *missed) flow(one);
  });
}

void shared_engine::committed(const change& what) {
  if (flowing_) flow(what);
}

void shared_engine::flow(const change& what) {
  const auto& road = store_->roads_[who_];
  const auto& config = store_->config_;
  const auto wait = store_->between(config.feed_min, config.feed_max) + store_->between(road.lag_min, std::max(road.lag_min, road.lag_max));
  last_due_ = std::max(last_due_, store_->when_->now() + wait);
  in(last_due_ - store_->when_->now(), [this, stream = stream_, what] { deliver(stream, what); });
}

void shared_engine::deliver(std::uint64_t stream, change what) {
  if (stream != stream_ || what.at <= seen_) return;
  seen_ = what.at;
  know(seen_);
  const bool shown = !hidden(what.key);
  if (shown) {
    visible_ = what.at;
    buffer_.push_back(std::move(what));
  }
  answer_waiters();
  if (shown && !std::exchange(told_, true)) news();
}

/// A compaction was quicker: the follower must list anew.
void shared_engine::lost() {
  known_floor_ = std::max(known_floor_, store_->log_.ends().floor);
  know(known_floor_);
  lost_ = true;
  buffer_.clear();
  for (auto& [ticket, one] : std::exchange(waiters_, {})) one.done(fail(errc::gone, "a compaction was quicker than the change feed"));
  news();
}

void shared_engine::answer_waiters() {
  std::vector<head_waiter> ready;
  for (auto at = waiters_.begin(); at != waiters_.end();) {
    if (at->second.at > seen_) {
      ++at;
      continue;
    }
    ready.push_back(std::move(at->second));
    at = waiters_.erase(at);
  }
  for (auto& one : ready) one.done(visible_);
}

}  // namespace troupe::storage::sim
