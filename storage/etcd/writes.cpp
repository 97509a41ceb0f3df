#include "storage/etcd/writes.hpp"

#include <algorithm>

namespace troupe::storage::etcd {
namespace {
constexpr duration pause = 20ms;     // Before the same is tried again.
constexpr revision never = -1;       // What no key is at.
constexpr int steps_back_max = 8;    // Versions of a key that are looked through for the one that followed ours.

void compare_mod(pb::TxnRequest& in, std::string_view key, revision raw) {
  auto& one = *in.add_compare();
  one.set_target(pb::Compare::MOD);
  one.set_key(std::string(key));
  one.set_mod_revision(raw);
}
void read_on_failure(pb::TxnRequest& in, std::string_view key) {
  in.add_failure()->mutable_request_range()->set_key(std::string(key));
}
std::optional<pb::KeyValue> read_at(pb::TxnResponse& said, int which) {
  auto& kvs = *said.mutable_responses(which)->mutable_response_range()->mutable_kvs();
  if (kvs.empty()) return {};
  return std::move(kvs[0]);
}

pb::TxnRequest transaction(const operation& what, revision raw_expected, revision fence) {
  pb::TxnRequest out;
  compare_mod(out, fence_key, fence);
  if (what.what == operation::kind::erase && what.expected == 0) {
    auto& one = *out.add_compare();
    one.set_result(pb::Compare::GREATER);
    one.set_target(pb::Compare::VERSION);
    one.set_key(what.key);
    one.set_version(0);
  } else {
    compare_mod(out, what.key, what.what == operation::kind::create ? 0 : raw_expected);
  }
  if (what.what == operation::kind::erase) {
    out.add_success()->mutable_request_delete_range()->set_key(what.key);
  } else {
    auto& put = *out.add_success()->mutable_request_put();
    put.set_key(what.key);
    put.set_value(std::string(what.value.view()));
  }
  read_on_failure(out, what.key);
  read_on_failure(out, fence_key);
  if (!what.with) return out;
  for (const auto& key : what.with->take) {
    compare_mod(out, key, 0);
    auto& put = *out.add_success()->mutable_request_put();
    put.set_key(key);
    put.set_value(std::string(what.with->owner.view()));
    read_on_failure(out, key);
  }
  for (const auto& key : what.with->release) out.add_success()->mutable_request_delete_range()->set_key(key);
  return out;
}

/// Of a transaction that was not done: whether what stands at its key is what it wants to find there.
bool finds(const operation& what, revision raw_expected, const std::optional<pb::KeyValue>& present) {
  if (what.what == operation::kind::create) return !present;
  return present && (what.expected == 0 || present->mod_revision() == raw_expected);
}
}  // namespace

const char* writes::refusal(const operation& one) const {
  if (one.key.empty()) return "the key is empty";
  if (one.key.size() > key_bytes_max) return "the key is too long";
  if (one.value.size() > value_bytes_max) return "the value is too large";
  const auto foreign = [this](const std::string& key) { return !key.starts_with(core_.config.prefix) || key.starts_with(private_prefix); };
  if (foreign(one.key)) return "not a key of this store";
  if (!one.with) return nullptr;
  if (one.with->take.size() + one.with->release.size() > claims_max) return "more claims than one operation may have";
  for (const auto* keys : {&one.with->take, &one.with->release})
    if (std::any_of(keys->begin(), keys->end(), foreign)) return "not a key of this store";
  return nullptr;
}

void writes::enter(std::vector<operation> many, engine::commit_done done) {
  ++core_.jobs;
  auto all = std::make_shared<batch>();
  all->outcomes.resize(many.size());
  all->open = many.size() + 1;  // One more for this function: nothing is answered before all have entered.
  all->done = std::move(done);
  std::size_t size = 0;
  for (const auto& one : many) size += one.key.size() + one.value.size();
  const bool full = in_flight_ > 0 && (in_flight_ + many.size() > core_.config.in_flight_operations_max ||
                                       bytes_ + size > core_.config.in_flight_bytes_max);
  const auto until = core_.loop.now() + core_.config.operation_limit;
  for (std::size_t i = 0; i < many.size(); ++i) {
    const char* const wrong = many.size() > batch_operations_max ? "more operations than a batch may have" : refusal(many[i]);
    auto one = std::make_shared<write>();
    one->of = all;
    one->slot = i;
    one->until = until;
    one->what = std::move(many[i]);
    if (wrong != nullptr) finish(one, outcome::kind::too_large, wrong);
    else if (full) finish(one, outcome::kind::overloaded, "too much is in flight");
    else {
      one->counted = true;
      one->size = one->what.key.size() + one->what.value.size();
      ++in_flight_;
      bytes_ += one->size;
      queue_.push_back(std::move(one));
    }
  }
  pump();
  auto last = std::make_shared<write>();
  last->of = all;
  last->slot = many.size();
  finish(last, outcome::kind::committed);
}

void writes::pump() {
  while (!queue_.empty() && sent_ < core_.config.sent_max) {
    auto one = std::move(queue_.front());
    queue_.pop_front();
    one->sent = true;
    ++sent_;
    send(one);
  }
}

void writes::send(const write_ptr& one) {
  core_.ways.choose(one->until, one->tried, [this, one](endpoint* at) {
    if (at == nullptr || core_.loop.now() >= one->until)
      return finish(one, outcome::kind::unavailable, core_.ways.trouble());
    transmit(one, *at);
  });
}

void writes::transmit(const write_ptr& one, endpoint& at) {
  if (!one->tried) one->base = core_.head;
  one->tried = true;
  // 0 would mean absence to etcd, and no revision that was ever shown maps there or below.
  const revision expected = one->what.expected > 0 ? core_.raw(one->what.expected) : never;
  const auto request = transaction(one->what, expected > 0 ? expected : never, fence_);
  rpc::call<pb::TxnResponse>(
      core_.loop, std::min(core_.config.attempt_limit, one->until - core_.loop.now()),
      [&at, &request](grpc::ClientContext* context, grpc::CompletionQueue* on) {
        require_leader(*context);
        return at.kv->PrepareAsyncTxn(context, request, on);
      },
      [this, one, &at, fence = fence_](const grpc::Status& status, pb::TxnResponse& said) {
        answered(one, at, fence, status, said);
      });
}

void writes::answered(const write_ptr& one, endpoint& at, revision fence, const grpc::Status& status, pb::TxnResponse& said) {
  if (!status.ok()) return failed(one, at, status);
  core_.seen(said.header());
  if (said.succeeded()) return finish(one, outcome::kind::committed, {}, said.header().revision());
  const int claims = one->what.with ? static_cast<int>(one->what.with->take.size()) : 0;
  if (said.responses_size() != 2 + claims) return finish(one, outcome::kind::outcome_unknown, "etcd's answer is not one");
  const auto now = read_at(said, 1);
  const revision fence_now = now ? now->mod_revision() : 0;
  if (fence_now == fence) {
    auto present = read_at(said, 0);
    if (finds(one->what, core_.raw(one->what.expected), present))
      for (int i = 0; i < claims; ++i)
        if (auto taken = read_at(said, 2 + i)) return finish(one, outcome::kind::claimed, std::move(*taken->mutable_key()));
    return conflict(one, std::move(present));
  }
  fence_ = std::max(fence_, fence_now);
  send(one);
}

void writes::failed(const write_ptr& one, endpoint& at, const grpc::Status& status) {
  const auto why = read_failure(status);
  switch (why.what) {
    case verdict::elsewhere:
      core_.ways.suspect(at, why.note);
      return again(one);
    case verdict::doubtful:
      core_.ways.suspect(at, why.note);
      return doubt(one);
    case verdict::too_large: return finish(one, outcome::kind::too_large, why.note);
    case verdict::overloaded: return finish(one, outcome::kind::overloaded, why.note);
    case verdict::no_space: return finish(one, outcome::kind::no_space, why.note);
    default: return finish(one, outcome::kind::unavailable, why.note);
  }
}

/// Surely not applied so far: the next attempt, after a moment.
void writes::again(const write_ptr& one) {
  if (core_.loop.now() + pause >= one->until) return finish(one, outcome::kind::unavailable, core_.ways.trouble());
  core_.loop.after(pause, [this, one] { send(one); });
}

void writes::finish(const write_ptr& one, outcome::kind what, std::string note, revision raw_at) {
  if (std::exchange(one->done, true)) return;
  core_.loop.cancel(one->limit);
  if (one->slot < one->of->outcomes.size()) {
    auto& out = one->of->outcomes[one->slot];
    out.what = what;
    out.at = raw_at != 0 ? core_.shown(raw_at) : 0;
    out.note = std::move(note);
  }
  if (one->counted) {
    --in_flight_;
    bytes_ -= one->size;
  }
  if (one->sent) --sent_;
  if (--one->of->open == 0) {
    one->of->done({std::move(one->of->outcomes), {}, core_.shown(core_.head)});
    one->of->done = nullptr;
    core_.finished();
  }
  if (one->sent && !queue_.empty()) pump();
}

void writes::conflict(const write_ptr& one, found present) {
  if (present) one->of->outcomes[one->slot].present = core_.to_record(*present);
  finish(one, outcome::kind::conflict);
}

// --- doubt ----------------------------------------------------------------------------------------------------

void writes::doubt(const write_ptr& one) {
  const auto left = one->until - core_.loop.now();
  one->limit = core_.loop.after(std::max(left, duration::zero()), [this, one] {
    finish(one, outcome::kind::outcome_unknown, "its answer was lost, and etcd could not be asked: " + core_.ways.trouble());
  });
  doubtful_.push_back(one);
  fence_due_ = true;
  raise_fence();
}

void writes::raise_fence() {
  if (!fence_due_ || std::exchange(raising_, true)) return;
  core_.ways.choose(core_.loop.now() + core_.config.operation_limit, true, [this](endpoint* at) {
    std::erase_if(doubtful_, [](const write_ptr& one) { return one->done; });
    if (at != nullptr) return raise_fence_at(*at, std::exchange(doubtful_, {}));
    raising_ = false;
    core_.loop.after(pause, [this] { raise_fence(); });
  });
}

void writes::raise_fence_at(endpoint& at, std::vector<write_ptr> doubtful) {
  pb::TxnRequest request;
  compare_mod(request, fence_key, fence_);
  request.add_success()->mutable_request_put()->set_key(std::string(fence_key));
  read_on_failure(request, fence_key);
  rpc::call<pb::TxnResponse>(
      core_.loop, core_.config.attempt_limit,
      [&at, &request](grpc::ClientContext* context, grpc::CompletionQueue* on) {
        require_leader(*context);
        return at.kv->PrepareAsyncTxn(context, request, on);
      },
      [this, &at, doubtful = std::move(doubtful)](const grpc::Status& status, pb::TxnResponse& said) mutable {
        raising_ = false;
        if (status.ok()) {
          core_.seen(said.header());
          if (said.succeeded()) fence_ = said.header().revision();
          else if (const auto now = read_at(said, 0)) fence_ = now->mod_revision();
          return fence_raised(std::move(doubtful), said.header().revision());
        }
        // Whether this one was applied does not matter: the next one reads what stands there.
        core_.ways.suspect(at, read_failure(status).note);
        doubtful_.insert(doubtful_.end(), doubtful.begin(), doubtful.end());
        core_.loop.after(pause, [this] { raise_fence(); });
      });
}

/// None of `doubtful` can be applied after `raw_at` any more.
void writes::fence_raised(std::vector<write_ptr> doubtful, revision raw_at) {
  fence_due_ = !doubtful_.empty();  // Those became doubtful meanwhile.
  for (const auto& one : doubtful)
    if (!one->done) look(one, raw_at, [this, one](found present) { settle(one, std::move(present)); });
  raise_fence();
}

/// Reads the key of `one` as it was at `raw_at`, until that succeeds or the doubt has lasted too long.
void writes::look(const write_ptr& one, revision raw_at, std::function<void(found)> then) {
  core_.ways.choose(one->until, true, [this, one, raw_at, then = std::move(then)](endpoint* at) mutable {
    if (at == nullptr || one->done) return;  // `limit` answers.
    pb::RangeRequest request;
    request.set_key(one->what.key);
    request.set_revision(raw_at);
    rpc::call<pb::RangeResponse>(
        core_.loop, core_.config.attempt_limit,
        [at, &request](grpc::ClientContext* context, grpc::CompletionQueue* on) {
          require_leader(*context);
          return at->kv->PrepareAsyncRange(context, request, on);
        },
        [this, one, raw_at, at, then = std::move(then)](const grpc::Status& status, pb::RangeResponse& said) mutable {
          if (one->done) return;
          if (status.ok()) {
            if (said.kvs_size() == 0) return then({});
            return then(std::move(*said.mutable_kvs(0)));
          }
          const auto why = read_failure(status);
          if (why.what != verdict::elsewhere && why.what != verdict::doubtful)
            return finish(one, outcome::kind::outcome_unknown, why.note);
          core_.ways.suspect(*at, why.note);
          core_.loop.after(pause, [this, one, raw_at, then = std::move(then)] { look(one, raw_at, then); });
        });
  });
}

void writes::settle(const write_ptr& one, found present) {
  switch (one->what.what) {
    case operation::kind::create: return settle_create(one, std::move(present));
    case operation::kind::update: return settle_update(one, present, present, {}, steps_back_max);
    case operation::kind::erase: return settle_erase(one, std::move(present));
  }
}

/// Absent: not applied, or applied and erased by another since, which leaves the same. Not sent again: that could
/// bring back what somebody has erased.
void writes::settle_create(const write_ptr& one, found present) {
  if (!present) return finish(one, outcome::kind::unavailable, "its answer was lost, and the key is absent");
  const auto decide = [this, one, present](const found& first) {
    if (first && first->version() == 1 && first->value() == one->what.value.view() && first->mod_revision() > one->base)
      return finish(one, outcome::kind::committed, {}, first->mod_revision());
    conflict(one, present);
  };
  if (present->version() == 1) return decide(present);
  look(one, present->create_revision(), decide);
}

/// Goes back from what stands there to what directly followed the expected revision; that is ours or it is not.
void writes::settle_update(const write_ptr& one, found present, found seen, found after, int steps) {
  const revision expected = core_.raw(one->what.expected);
  if (seen && seen->mod_revision() == expected) {
    if (!after) return not_applied(one);
    if (after->value() == one->what.value.view()) return finish(one, outcome::kind::committed, {}, after->mod_revision());
    return conflict(one, std::move(present));
  }
  const bool other_life = !seen || seen->create_revision() > expected || seen->mod_revision() < expected;
  if (other_life || steps == 0)
    return finish(one, outcome::kind::outcome_unknown, "its answer was lost, and the key has changed much since");
  const revision before = seen->mod_revision() - 1;
  look(one, before, [this, one, present = std::move(present), seen, steps](found earlier) {
    settle_update(one, present, std::move(earlier), seen, steps - 1);
  });
}

void writes::settle_erase(const write_ptr& one, found present) {
  const revision expected = one->what.expected == 0 ? 0 : core_.raw(one->what.expected);
  const bool same_life = present && present->create_revision() <= (expected != 0 ? expected : one->base);
  if (!same_life) return finish(one, outcome::kind::outcome_unknown, "its answer was lost, and the key is gone");
  if (expected == 0 || present->mod_revision() == expected) return not_applied(one);
  conflict(one, std::move(present));
}

/// Surely not, and never will be: so the same compare may be tried again.
void writes::not_applied(const write_ptr& one) {
  core_.loop.cancel(one->limit);
  again(one);
}

}  // namespace troupe::storage::etcd
