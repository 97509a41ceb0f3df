#include "storage/etcd/feed.hpp"

#include <algorithm>

namespace troupe::storage::etcd {
namespace {
constexpr duration pause = 50ms;  // Before a watch that has ended is opened again.
const std::string everything(1, '\0');
}  // namespace

void feed::changes_after(revision after, std::size_t limit, engine::changes_done done) {
  const revision raw = core_.raw(after);
  if (after < 0 || raw > std::max<revision>(core_.head, seen_)) return done(fail(errc::invalid, "that revision lies in the future"));
  if (raw < core_.compacted || (raw < 0 && core_.offset > 0)) return done(fail(errc::gone, "those changes are no longer kept"));
  told_ = false;
  if (!followed_ || lost_ || raw < from_ || raw > seen_) restart(raw);
  while (!buffer_.empty() && buffer_.front().at <= after) {
    bytes_ -= weight(buffer_.front());
    buffer_.pop_front();
  }
  from_ = std::max(from_, raw);
  std::vector<change> out;
  for (const auto& one : buffer_) {
    // The first revision goes whole, however many keys it changed.
    if (limit != 0 && out.size() >= limit && one.at != out.front().at) break;
    out.push_back(one);
  }
  // A revision is not parted: one that did not get all of its changes in goes next time.
  if (out.size() < buffer_.size())
    for (const auto cut = buffer_[out.size()].at; !out.empty() && out.back().at == cut;) out.pop_back();
  const bool more = out.size() < buffer_.size();
  done(std::move(out));
  if (now_ && !now_->busy && bytes_ <= core_.config.feed_bytes_max / 2) read(now_);
  if (more && !std::exchange(told_, true)) news_();
}

void feed::restart(revision raw_after) {
  leave();
  followed_ = true;
  lost_ = false;
  buffer_.clear();
  bytes_ = 0;
  from_ = seen_ = raw_after;
  visible_ = core_.shown(raw_after);
  open();
}

void feed::open() {
  if (stopped_ || lost_ || now_ || std::exchange(opening_, true)) return;
  core_.ways.choose(core_.loop.now() + core_.config.operation_limit, true, [this](endpoint* at) {
    opening_ = false;
    if (stopped_ || lost_ || now_) return;
    if (at != nullptr) return open_at(*at);
    core_.loop.after(pause, [this] { open(); });
  });
}

void feed::open_at(endpoint& at) {
  part_.clear();
  auto of = std::make_shared<stream>();
  of->at = &at;
  require_leader(of->context);
  of->wire = at.watch->PrepareAsyncWatch(&of->context, core_.loop.queue());
  auto& ask = *of->request.mutable_create_request();
  ask.set_key(everything);        // "\0" to "\0": every key.
  ask.set_range_end(everything);
  ask.set_start_revision(std::max<revision>(1, seen_));
  ask.set_progress_notify(true);
  ask.set_fragment(true);
  now_ = of;
  of->wire->StartCall(core_.loop.expect([this, of](bool ok) { begun(of, ok); }));
}

void feed::begun(const stream_ptr& of, bool ok) {
  of->busy = false;
  if (!ok || of->left) return ended(of);
  of->busy = true;
  of->wire->Write(of->request, core_.loop.expect([this, of](bool written) {
    of->busy = false;
    if (!written || of->left) return ended(of);
    read(of);
  }));
}

void feed::read(const stream_ptr& of) {
  if (std::exchange(of->busy, true)) return;
  of->said.Clear();
  of->wire->Read(&of->said, core_.loop.expect([this, of](bool ok) { heard(of, ok); }));
}

void feed::heard(const stream_ptr& of, bool ok) {
  of->busy = false;
  if (!ok || of->left) return ended(of);
  if (of->said.canceled()) {
    if (of->said.compact_revision() > 0) lost(of->said.compact_revision());
    of->context.TryCancel();
    return ended(of);
  }
  take(of->said);
  // Beyond the limit the stream is not read: etcd waits, and nothing grows here.
  if (bytes_ <= core_.config.feed_bytes_max) read(of);
}

void feed::take(pb::WatchResponse& said) {
  core_.seen(said.header());
  for (auto& event : *said.mutable_events()) {
    auto& kv = *event.mutable_kv();
    change one;
    one.at = core_.shown(kv.mod_revision());
    one.key = std::move(*kv.mutable_key());
    one.erased = event.type() == pb::Event::DELETE;
    one.version = one.erased ? 0 : kv.version();
    if (!one.erased) one.created = core_.shown(kv.create_revision());
    if (!one.erased) one.value = bytes(std::move(*kv.mutable_value()));
    part_.push_back(std::move(one));
  }
  if (said.fragment()) return;
  // Without events and not the answer to the creation: a progress note, whose revision is whole.
  revision whole = said.events_size() == 0 && part_.empty() && !said.created() ? said.header().revision() : seen_;
  bool fresh = false;
  for (auto& one : part_) {
    whole = std::max(whole, core_.raw(one.at));
    if (core_.raw(one.at) <= seen_ || one.key.starts_with(private_prefix) || !one.key.starts_with(core_.config.prefix)) continue;
    visible_ = one.at;
    bytes_ += weight(one);
    buffer_.push_back(std::move(one));
    fresh = true;
  }
  part_.clear();
  seen_ = std::max(seen_, whole);
  core_.raise(core_.head, seen_);
  answer_waiters();
  if (fresh && !std::exchange(told_, true)) news_();
}

/// The follower must list anew: changes that it has not read are gone.
void feed::lost(revision raw_compacted) {
  core_.raise(core_.compacted, raw_compacted);
  lost_ = true;
  buffer_.clear();
  bytes_ = 0;
  auto waiting = std::exchange(waiters_, {});
  for (auto& [number, one] : waiting) {
    core_.loop.cancel(one.timer);
    one.done(fail(errc::gone, "a compaction was quicker than the change feed"));
  }
  news_();
}

void feed::leave() {
  if (!now_) return;
  const auto of = std::exchange(now_, nullptr);
  of->left = true;
  of->context.TryCancel();
  part_.clear();
  ended(of);
}

void feed::ended(const stream_ptr& of) {
  if (now_ == of) {
    now_.reset();
    part_.clear();
    if (!lost_) core_.ways.suspect(*of->at, "its watch has ended");
    if (!stopped_ && followed_ && !lost_) core_.loop.after(pause, [this] { open(); });
  }
  of->left = true;
  if (of->busy || std::exchange(of->finished, true)) return;
  of->wire->Finish(&of->status, core_.loop.expect([of](bool) {}));
}

void feed::look_around() {
  if (!now_ || now_->at->now != endpoint::health::bad) return;
  leave();
  open();
}

void feed::reached(revision raw, mono_time until, engine::head_done done) {
  if (seen_ >= raw) return done(visible_);
  const auto number = ++waiters_made_;
  waiter one{raw, std::move(done), {}};
  one.timer = core_.loop.after(std::max(duration::zero(), until - core_.loop.now()), [this, number] {
    auto late = waiters_.extract(number);
    if (!late.empty()) late.mapped().done(fail(errc::unavailable, "the change feed is behind: " + core_.ways.trouble()));
  });
  waiters_.emplace(number, std::move(one));
}

void feed::answer_waiters() {
  std::vector<waiter> ready;
  for (auto at = waiters_.begin(); at != waiters_.end();) {
    if (at->second.raw > seen_) {
      ++at;
      continue;
    }
    core_.loop.cancel(at->second.timer);
    ready.push_back(std::move(at->second));
    at = waiters_.erase(at);
  }
  for (auto& one : ready) one.done(visible_);
}

void feed::stop() {
  stopped_ = true;
  leave();
}

}  // namespace troupe::storage::etcd
