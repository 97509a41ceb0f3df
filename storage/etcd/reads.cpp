#include "storage/etcd/reads.hpp"

#include <algorithm>

namespace troupe::storage::etcd {
namespace {
constexpr std::size_t page_keys_max = 500;
constexpr duration pause = 20ms;
const std::string to_the_end(1, '\0');   // etcd's spelling of "no end".

/// The smaller of two ends, where empty is no end.
std::string nearer(const std::string& a, const std::string& b) {
  if (a.empty()) return b;
  return b.empty() ? a : std::min(a, b);
}
}  // namespace

/// The part of the query that lies in the store, without our private keys.
std::vector<reads::interval> reads::parts_of(const range_query& what) const {
  const auto& prefix = core_.config.prefix;
  const interval all{std::max({what.from, prefix, std::string()}), nearer(what.to, after_prefix(prefix))};
  const std::string hidden(private_prefix), shown_again = after_prefix(hidden);
  std::vector<interval> out;
  const auto add = [&out](interval one) {
    if (one.to.empty() || one.from < one.to) out.push_back(std::move(one));
  };
  add({all.from, nearer(all.to, hidden)});
  add({std::max(all.from, shown_again), all.to});
  return out;
}

void reads::range(range_query what, engine::range_done done) {
  ++core_.jobs;
  auto of = std::make_shared<job>();
  of->done = std::move(done);
  of->parts = parts_of(what);
  of->want = what.limit == 0 ? 0 : what.limit + 1;
  of->page_keys = page_keys_max;
  if (what.at < 0) return finish(of, fail(errc::invalid, "a revision is not negative"));
  if (what.at != 0) {
    of->raw_at = core_.raw(what.at);
    if (of->raw_at <= 0) return finish(of, fail(errc::gone, "that revision is older than this store"));
  }
  next_page(of);
}

void reads::next_page(const job_ptr& of) {
  of->until = core_.loop.now() + core_.config.operation_limit;
  core_.ways.choose(of->until, false, [this, of](endpoint* at) {
    if (at == nullptr) return finish(of, fail(errc::unavailable, core_.ways.trouble()));
    ask(of, *at);
  });
}

void reads::ask(const job_ptr& of, endpoint& at) {
  pb::RangeRequest request;
  const bool nothing = of->part >= of->parts.size();   // Asks all the same, for the head.
  if (nothing) {
    request.set_key(std::string(fence_key));
    request.set_count_only(true);
  } else {
    const auto& part = of->parts[of->part];
    request.set_key(part.from.empty() ? to_the_end : part.from);
    request.set_range_end(part.to.empty() ? to_the_end : part.to);
    const auto room = of->want == 0 ? of->page_keys : std::min(of->page_keys, of->want - of->out.records.size());
    request.set_limit(static_cast<std::int64_t>(room));
  }
  request.set_revision(of->raw_at);
  rpc::call<pb::RangeResponse>(
      core_.loop, core_.config.page_limit,
      [&at, &request](grpc::ClientContext* context, grpc::CompletionQueue* on) {
        require_leader(*context);
        return at.kv->PrepareAsyncRange(context, request, on);
      },
      [this, of, &at](const grpc::Status& status, pb::RangeResponse& said) { answered(of, at, status, said); });
}

void reads::answered(const job_ptr& of, endpoint& at, const grpc::Status& status, pb::RangeResponse& said) {
  if (!status.ok()) return failed(of, at, status);
  core_.seen(said.header());
  if (of->raw_at == 0) of->raw_at = said.header().revision();
  for (auto& kv : *said.mutable_kvs()) of->out.records.push_back(core_.to_record(kv));
  if (of->part < of->parts.size()) {
    if (said.more()) of->parts[of->part].from = of->out.records.back().key + '\0';
    else ++of->part;
  }
  const bool full = of->want != 0 && of->out.records.size() >= of->want;
  if (!full && of->part < of->parts.size()) return next_page(of);
  if (full) {
    of->out.records.pop_back();
    of->out.more = true;
  }
  of->out.head = core_.shown(of->raw_at);
  finish(of, std::move(of->out));
}

void reads::failed(const job_ptr& of, endpoint& at, const grpc::Status& status) {
  const auto why = read_failure(status);
  if (why.what == verdict::too_large && of->page_keys > 1) {
    of->page_keys /= 2;   // The page is larger than a message may be.
    return next_page(of);
  }
  if (why.what != verdict::elsewhere && why.what != verdict::doubtful) return finish(of, to_error(why, false));
  core_.ways.suspect(at, why.note);
  if (core_.loop.now() + pause >= of->until) return finish(of, fail(errc::unavailable, why.note));
  core_.loop.after(pause, [this, of] {
    core_.ways.choose(of->until, true, [this, of](endpoint* other) {
      if (other == nullptr) return finish(of, fail(errc::unavailable, core_.ways.trouble()));
      ask(of, *other);
    });
  });
}

void reads::finish(const job_ptr& of, result<page> what) {
  of->done(std::move(what));
  of->done = nullptr;
  core_.finished();
}

// --- the head --------------------------------------------------------------------------------------------------

void reads::read_head(engine::head_done done) {
  ++core_.jobs;
  waiting_.push_back(std::move(done));
  ask_head();
}

/// A read that is under way may have begun before the newest of those who wait asked: they share the next one.
void reads::ask_head() {
  if (!asked_.empty() || waiting_.empty()) return;
  asked_.swap(waiting_);
  const auto until = core_.loop.now() + core_.config.operation_limit;
  if (const auto gone = core_.ways.leader_gone(); !gone.empty()) return head_known(fail(errc::unavailable, gone), until);
  core_.ways.choose(until, false, [this, until](endpoint* at) {
    if (at == nullptr) return head_known(fail(errc::unavailable, core_.ways.trouble()), until);
    ask_head_at(*at, until);
  });
}

void reads::ask_head_at(endpoint& at, mono_time until) {
  pb::RangeRequest request;
  request.set_key(std::string(fence_key));
  request.set_count_only(true);
  const auto question = open_ = ++questions_;
  doubt_leader(question, at, until);
  rpc::call<pb::RangeResponse>(
      core_.loop, core_.config.attempt_limit,
      [&at, &request](grpc::ClientContext* context, grpc::CompletionQueue* on) {
        require_leader(*context);
        return at.kv->PrepareAsyncRange(context, request, on);
      },
      [this, &at, until, question](const grpc::Status& status, pb::RangeResponse& said) {
        if (question != open_) return;   // Who waited for it has been told that the leader is gone.
        core_.loop.cancel(doubt_);
        if (status.ok()) {
          core_.seen(said.header());
          return head_known(said.header().revision(), until);
        }
        const auto why = read_failure(status);
        if (why.what != verdict::elsewhere && why.what != verdict::doubtful) return head_known(to_error(why, false), until);
        core_.ways.suspect(at, why.note);
        core_.ways.choose(until, true, [this, until, why](endpoint* other) {
          if (other == nullptr || core_.loop.now() >= until) return head_known(fail(errc::unavailable, why.note), until);
          ask_head_at(*other, until);
        });
      });
}

/// etcd's followers wait for a leader that is gone until its silence has lasted; who reads meanwhile is told at once. An
/// endpoint that is itself silent is not waited for as long as another answers.
void reads::doubt_leader(std::uint64_t question, endpoint& at, mono_time until) {
  doubt_ = core_.loop.after(core_.config.head_doubt, [this, question, &at, until] {
    core_.ways.doubt_leader([this, question, &at, until] {
      if (question != open_) return;
      if (const auto gone = core_.ways.leader_gone(); !gone.empty()) return head_known(fail(errc::unavailable, gone), until);
      if (!core_.ways.passed_over(at)) return doubt_leader(question, at, until);
      open_ = 0;
      core_.ways.choose(until, true, [this, until](endpoint* other) {
        if (other == nullptr) return head_known(fail(errc::unavailable, core_.ways.trouble()), until);
        ask_head_at(*other, until);
      });
    });
  });
}

void reads::head_known(result<revision> raw, mono_time until) {
  open_ = 0;
  auto some = std::exchange(asked_, {});
  for (auto& done : some) {
    auto last = [this, done = std::move(done)](result<revision> what) {
      done(std::move(what));
      core_.finished();
    };
    if (!raw) last(raw.why());
    else if (feed_.followed()) feed_.reached(*raw, until, std::move(last));
    else last(core_.shown(*raw));
  }
  ask_head();
}

void reads::count(endpoint& at) {
  struct tally {
    std::uint64_t keys = 0;
    std::size_t open = 0;
  };
  const auto parts = parts_of({});
  auto all = std::make_shared<tally>(tally{0, parts.size()});
  for (const auto& part : parts) {
    pb::RangeRequest request;
    request.set_key(part.from.empty() ? to_the_end : part.from);
    request.set_range_end(part.to.empty() ? to_the_end : part.to);
    request.set_count_only(true);
    request.set_serializable(true);
    rpc::call<pb::RangeResponse>(
        core_.loop, core_.config.page_limit,
        [&at, &request](grpc::ClientContext* context, grpc::CompletionQueue* on) {
          return at.kv->PrepareAsyncRange(context, request, on);
        },
        [this, all](const grpc::Status& status, pb::RangeResponse& said) {
          if (!status.ok()) return;
          all->keys += static_cast<std::uint64_t>(said.count());
          if (--all->open == 0) core_.keys = all->keys;
        });
  }
}

}  // namespace troupe::storage::etcd
