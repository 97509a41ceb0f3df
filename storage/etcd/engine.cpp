// The engine: puts its parts on one loop, hands calls over to it, and closes when all of them have been answered.
#include <algorithm>
#include <charconv>

#include "storage/etcd/feed.hpp"
#include "storage/etcd/reads.hpp"
#include "storage/etcd/snapshot.hpp"
#include "storage/etcd/writes.hpp"

namespace troupe::storage {
namespace etcd {
namespace {
constexpr duration pause = 20ms;
constexpr duration count_every = 5s;
// A member that is catching up may name a hash that it takes back (seen with etcd 3.4 after kill -9): a difference
// counts only when it stays.
constexpr int hash_rounds_max = 5;
constexpr duration hash_pause = 500ms;

class etcd_store final : public etcd_engine {
 public:
  etcd_store(etcd_config config, std::vector<std::unique_ptr<endpoint>> ends)
      : core_(std::move(config), std::move(ends)), feed_(core_, [this] { wake(); }), reads_(core_, feed_), writes_(core_) {
    core_.idle = [this] {
      if (stopping_) close();
    };
    core_.loop.post([this] {
      core_.ways.start([this](endpoint& first, callback<void(bool)> then) { prepare(first, std::move(then)); },
                       [this](bool standing_changed) {
                         feed_.look_around();
                         if (standing_changed) wake();
                       });
      watch_over();
    });
  }
  ~etcd_store() override {
    core_.loop.post([this] {
      stopping_ = true;
      if (core_.jobs == 0) close();
    });
    core_.loop.join();
  }

  void commit(std::vector<operation> batch, commit_done done) override {
    core_.loop.post([this, batch = std::move(batch), done = std::move(done)]() mutable {
      writes_.enter(std::move(batch), std::move(done));
    });
  }
  void range(range_query what, range_done done) override {
    core_.loop.post([this, what = std::move(what), done = std::move(done)]() mutable {
      reads_.range(std::move(what), std::move(done));
    });
  }
  void changes_after(revision after, std::size_t limit, changes_done done) override {
    core_.loop.post([this, after, limit, done = std::move(done)]() mutable {
      // Before etcd was reached the offset is not known, and so not what `after` means.
      ++core_.jobs;
      core_.ways.choose(core_.loop.now() + core_.config.operation_limit, false,
                        [this, after, limit, done = std::move(done)](endpoint* at) mutable {
        if (at == nullptr && !ready_) done(fail(errc::unavailable, core_.ways.trouble()));
        else feed_.changes_after(after, limit, std::move(done));
        core_.finished();
      });
    });
  }
  void read_head(head_done done) override {
    core_.loop.post([this, done = std::move(done)]() mutable { reads_.read_head(std::move(done)); });
  }
  void compact(revision to, engine::done finished) override {
    core_.loop.post([this, to, finished = std::move(finished)]() mutable { start_compaction(to, std::move(finished)); });
  }
  void backup(std::string path, engine::done finished) override;
  void verify(engine::done finished) override;
  void set_revision_offset(revision offset, engine::done finished) override;
  void raise_revision(revision to, engine::done finished) override;

  storage::status status() const override {
    storage::status out;
    out.head = std::max<revision>(0, core_.shown(core_.head));
    out.floor = std::max<revision>(0, core_.shown(core_.compacted));
    out.keys = core_.keys;
    out.file_bytes = core_.ways.file_bytes();
    out.now = core_.ways.standing();
    return out;
  }
  void on_news(callback<void()> wake) override {
    core_.loop.post([this, wake = std::move(wake)]() mutable { wake_ = std::move(wake); });
  }
  bool shared() const override { return true; }

 private:
  void wake() {
    if (wake_) wake_();
  }
  void prepare(endpoint& first, callback<void(bool)> then);
  bool understand(const pb::RangeResponse& said);
  void watch_over();
  void start_compaction(revision to, engine::done finished);
  void compare_hashes(revision raw, int rounds, engine::done finished);
  void close() {
    feed_.stop();
    core_.ways.stop();
    core_.loop.stop();
  }
  /// Calls until somebody answers; only for what may be done twice. `then` gets the answer or why there is none.
  template <class Reply, class Prepare>
  void insist(mono_time until, Prepare ask, callback<void(result<Reply>)> then);

  core core_;
  feed feed_;
  reads reads_;
  writes writes_;
  task wake_;
  bool stopping_ = false, ready_ = false;
};

template <class Reply, class Prepare>
void etcd_store::insist(mono_time until, Prepare ask, callback<void(result<Reply>)> then) {
  core_.ways.choose(until, false, [this, until, ask, then = std::move(then)](endpoint* at) mutable {
    if (at == nullptr) return then(fail(errc::unavailable, core_.ways.trouble()));
    rpc::call<Reply>(
        core_.loop, core_.config.page_limit,
        [at, &ask](grpc::ClientContext* context, grpc::CompletionQueue* on) {
          require_leader(*context);
          return ask(*at, context, on);
        },
        [this, until, ask, at, then = std::move(then)](const grpc::Status& status, Reply& said) mutable {
          if (status.ok()) return then(std::move(said));
          const auto why = read_failure(status);
          if (why.what != verdict::elsewhere && why.what != verdict::doubtful) return then(to_error(why, false));
          core_.ways.suspect(*at, why.note);
          if (core_.loop.now() + pause >= until) return then(fail(errc::unavailable, why.note));
          core_.loop.after(pause, [this, until, ask, then = std::move(then)]() mutable {
            insist<Reply>(until, ask, std::move(then));
          });
        });
  });
}

/// Reads the private keys: without the offset no revision can be shown or understood.
void etcd_store::prepare(endpoint& first, callback<void(bool)> then) {
  pb::RangeRequest request;
  request.set_key(std::string(private_prefix));
  request.set_range_end(after_prefix(std::string(private_prefix)));
  rpc::call<pb::RangeResponse>(
      core_.loop, core_.config.attempt_limit,
      [&first, &request](grpc::ClientContext* context, grpc::CompletionQueue* on) {
        require_leader(*context);
        return first.kv->PrepareAsyncRange(context, request, on);
      },
      [this, then = std::move(then)](const grpc::Status& status, pb::RangeResponse& said) {
        ready_ = status.ok() && understand(said);
        then(ready_);
      });
}

bool etcd_store::understand(const pb::RangeResponse& said) {
  core_.seen(said.header());
  for (const auto& kv : said.kvs()) {
    if (kv.key() == fence_key) writes_.set_fence(kv.mod_revision());
    if (kv.key() != offset_key) continue;
    revision offset = 0;
    const char* const end = kv.value().data() + kv.value().size();
    const auto read = std::from_chars(kv.value().data(), end, offset);
    if (read.ec != std::errc() || read.ptr != end) return false;
    core_.offset = offset;
  }
  return true;
}

void etcd_store::watch_over() {
  core_.ways.choose(core_.loop.now() + count_every, true, [this](endpoint* at) {
    if (at != nullptr) reads_.count(*at);
    core_.loop.after(count_every, [this] { watch_over(); });
  });
}

void etcd_store::start_compaction(revision to, engine::done finished) {
  ++core_.jobs;
  auto last = [this, finished = std::move(finished)](result<void> what) {
    finished(std::move(what));
    core_.finished();
  };
  const auto until = core_.loop.now() + core_.config.operation_limit;
  insist<pb::CompactionResponse>(
      until,
      [this, to](endpoint& at, grpc::ClientContext* context, grpc::CompletionQueue* on) {
        pb::CompactionRequest request;
        request.set_revision(std::max<revision>(1, core_.raw(to)));
        return at.kv->PrepareAsyncCompact(context, request, on);
      },
      [this, to, last = std::move(last)](result<pb::CompactionResponse> said) {
        // Gone: it was compacted there or further already, which is what was asked for.
        if (!said && said.code() != errc::gone) return last(said.why());
        core_.raise(core_.compacted, core_.raw(to));
        last({});
      });
}

void etcd_store::backup(std::string path, engine::done finished) {
  core_.loop.post([this, path = std::move(path), finished = std::move(finished)]() mutable {
    ++core_.jobs;
    core_.ways.choose(core_.loop.now() + core_.config.operation_limit, false,
                      [this, path = std::move(path), finished = std::move(finished)](endpoint* at) mutable {
      auto last = [this, finished = std::move(finished)](result<void> what) {
        finished(std::move(what));
        core_.finished();
      };
      if (at == nullptr) return last(fail(errc::unavailable, core_.ways.trouble()));
      take_snapshot(core_.loop, at->url, core_.config.access, std::move(path), core_.config.snapshot_limit, std::move(last));
    });
  });
}

void etcd_store::set_revision_offset(revision offset, engine::done finished) {
  core_.loop.post([this, offset, finished = std::move(finished)]() mutable {
    ++core_.jobs;
    insist<pb::TxnResponse>(
        core_.loop.now() + core_.config.operation_limit,
        [offset](endpoint& at, grpc::ClientContext* context, grpc::CompletionQueue* on) {
          pb::TxnRequest request;
          auto& put = *request.add_success()->mutable_request_put();
          put.set_key(std::string(offset_key));
          put.set_value(std::to_string(offset));
          return at.kv->PrepareAsyncTxn(context, request, on);
        },
        [this, offset, finished = std::move(finished)](result<pb::TxnResponse> said) {
          if (said) {
            core_.seen(said->header());
            core_.offset = offset;
            finished({});
          } else {
            finished(said.why());
          }
          core_.finished();
        });
  });
}

void etcd_store::raise_revision(revision to, engine::done finished) {
  read_head([this, to, finished = std::move(finished)](result<revision> head) mutable {
    if (!head) return finished(head.why());
    if (*head >= to) return finished({});
    set_revision_offset(to - core_.raw(*head), std::move(finished));
  });
}

// --- verify ----------------------------------------------------------------------------------------------------

/// Every member hashes the same revision for itself; who differs from another has other bytes.
void etcd_store::verify(engine::done finished) {
  core_.loop.post([this, finished = std::move(finished)]() mutable {
    ++core_.jobs;
    auto last = [this, finished = std::move(finished)](result<void> what) {
      finished(std::move(what));
      core_.finished();
    };
    insist<pb::AlarmResponse>(
        core_.loop.now() + core_.config.operation_limit,
        [](endpoint& at, grpc::ClientContext* context, grpc::CompletionQueue* on) {
          pb::AlarmRequest request;
          request.set_alarm(pb::CORRUPT);
          return at.maintenance->PrepareAsyncAlarm(context, request, on);
        },
        [this, last = std::move(last)](result<pb::AlarmResponse> said) mutable {
          if (!said) return last(said.why());
          if (said->alarms_size() > 0) return last(fail(errc::corrupt, "etcd itself has raised its alarm about corrupt data"));
          compare_hashes(said->header().revision(), hash_rounds_max, std::move(last));
        });
  });
}

void etcd_store::compare_hashes(revision raw, int rounds, engine::done finished) {
  struct tally {
    engine::done finished;
    std::size_t open = 0;
    std::map<revision, std::map<std::uint32_t, std::string>> seen;  // By compaction, because it changes the hash.
    std::string trouble;
  };
  auto all = std::make_shared<tally>();
  all->finished = std::move(finished);
  all->open = core_.ways.all().size();
  for (const auto& one : core_.ways.all()) {
    pb::HashKVRequest request;
    request.set_revision(raw);
    rpc::call<pb::HashKVResponse>(
        core_.loop, core_.config.page_limit,
        [&one, &request](grpc::ClientContext* context, grpc::CompletionQueue* on) {
          return one->maintenance->PrepareAsyncHashKV(context, request, on);
        },
        [this, raw, rounds, all, url = one->url](const grpc::Status& status, pb::HashKVResponse& said) {
          if (status.ok()) all->seen[said.compact_revision()].emplace(said.hash(), url);
          else all->trouble = url + ": " + status.error_message();
          if (--all->open != 0) return;
          for (const auto& [compacted, hashes] : all->seen) {
            if (hashes.size() < 2) continue;
            if (rounds > 1 && !stopping_)
              return core_.loop.after(hash_pause, [this, raw, rounds, all] { compare_hashes(raw, rounds - 1, std::move(all->finished)); }), void();
            return all->finished(fail(errc::corrupt, hashes.begin()->second + " and " + std::next(hashes.begin())->second +
                                                         " hold different data at one revision"));
          }
          if (all->seen.empty()) return all->finished(fail(errc::unavailable, all->trouble));
          all->finished({});
        });
  }
}
}  // namespace
}  // namespace etcd

std::vector<std::string> problems(const etcd_config& config) {
  std::vector<std::string> out;
  if (config.access.endpoints.empty()) out.push_back("there is no endpoint");
  if (config.prefix.starts_with(etcd::private_prefix)) out.push_back("the prefix is one of our own");
  if (config.in_flight_operations_max < batch_operations_max)
    out.push_back("in_flight_operations_max is less than a batch may have");
  if (config.in_flight_bytes_max < value_bytes_max) out.push_back("in_flight_bytes_max is less than one value may have");
  if (config.sent_max == 0) out.push_back("sent_max is 0");
  for (const auto one : {config.attempt_limit, config.operation_limit, config.page_limit, config.status_limit,
                         config.status_every, config.head_doubt, config.snapshot_limit})
    if (one <= duration::zero()) out.push_back("a limit of time is not positive");
  return out;
}

result<std::unique_ptr<etcd_engine>> open_etcd_engine(etcd_config config) {
  if (const auto wrong = problems(config); !wrong.empty()) return fail(errc::invalid, wrong.front());
  std::vector<std::unique_ptr<etcd::endpoint>> ends;
  for (const auto& url : config.access.endpoints) {
    auto one = etcd::make_endpoint(url, config.access);
    if (!one) return one.why();
    ends.push_back(std::move(*one));
  }
  return std::unique_ptr<etcd_engine>(std::make_unique<etcd::etcd_store>(std::move(config), std::move(ends)));
}

result<std::unique_ptr<engine>> open_etcd(etcd_config config) {
  auto opened = open_etcd_engine(std::move(config));
  if (!opened) return opened.why();
  return std::unique_ptr<engine>(std::move(*opened));
}

}  // namespace troupe::storage
