// Three real members: nothing acknowledged is lost and nothing is done twice, whatever happens to one of them.
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>

#include "tests/storage/etcd/etcd_stage.hpp"

using namespace troupe;
using namespace troupe::storage;
using namespace troupe::storage::testing;

namespace {
threaded here;

/// Writers that each own a key and write 1, 2, 3 ... to it. A conflict means that one of their own writes was applied
/// although they were told otherwise; a version that is not the value means one was lost or applied twice.
class lanes {
 public:
  lanes(engine& e, std::size_t count) : engine_(e), all_(count) {
    for (std::size_t i = 0; i < count; ++i) next(i);
  }
  /// Waits until `count` more writes than now are acknowledged.
  void more(std::uint64_t count) {
    std::unique_lock hold(mutex_);
    const auto goal = acknowledged_ + count;
    const bool came = news_.wait_for(hold, 20s, [&] { return acknowledged_ >= goal || !fault_.empty(); });
    CHECK(came);
    CHECK(fault_ == "");
  }
  /// Lets every lane finish its last write.
  void stop() {
    std::unique_lock hold(mutex_);
    stopping_ = true;
    CHECK(news_.wait_for(hold, 20s, [&] { return stopped_ == all_.size(); }));
    CHECK(fault_ == "");
  }
  void check_against(const page& found) {
    REQUIRE(found.records.size() == all_.size());
    for (const auto& one : found.records) {
      const auto& lane = all_.at(static_cast<std::size_t>(std::stoul(one.key.substr(key_.size()))) - 100);
      CHECK(one.value.str() == std::to_string(lane.count));
      CHECK(one.version == lane.count);
      CHECK(one.modified == lane.at);
    }
  }
 private:
  struct lane {
    std::int64_t count = 0;
    revision at = 0;
  };
  std::string key_of(std::size_t which) const { return numbered(key_, 100 + which); }
  void next(std::size_t which) {
    const auto& lane = all_[which];
    const auto value = std::to_string(lane.count + 1);
    std::vector<operation> batch{lane.at == 0 ? create(key_of(which), value) : update(key_of(which), value, lane.at)};
    engine_.commit(std::move(batch), [this, which](committed_batch out) { said(which, out.outcomes.at(0)); });
  }
  void said(std::size_t which, const outcome& what) {
    const std::lock_guard hold(mutex_);
    if (what.what == outcome::kind::committed) return wrote(which, what.at);
    if (what.what == outcome::kind::outcome_unknown) return look(which);
    if (what.what != outcome::kind::unavailable)
      fault_ = numbered("lane ", which) + numbered(": an outcome of kind ", static_cast<int>(what.what)) + " " + what.note;
    go_on(which);
  }
  void wrote(std::size_t which, revision at) {
    ++all_[which].count;
    all_[which].at = at;
    ++acknowledged_;
    go_on(which);
  }
  void look(std::size_t which) {
    engine_.range({key_of(which), key_of(which) + '\0', 0, 0}, [this, which](result<page> read) {
      const std::lock_guard hold(mutex_);
      if (!read) return look(which);
      const auto& found = read->records;
      const auto now = found.empty() ? 0 : std::stol(found[0].value.str());
      if (now == all_[which].count + 1) return wrote(which, found[0].modified);
      if (now != all_[which].count) fault_ = numbered("lane ", which) + numbered(" found ", now);
      go_on(which);
    });
  }
  void go_on(std::size_t which) {
    if (!stopping_ && fault_.empty()) next(which);
    else ++stopped_;
    news_.notify_all();
  }

  engine& engine_;
  const std::string key_ = "/registry/lane-";
  std::mutex mutex_;
  std::condition_variable news_;
  std::vector<lane> all_;
  std::uint64_t acknowledged_ = 0;
  std::size_t stopped_ = 0;
  bool stopping_ = false;
  std::string fault_;
};

/// Follows as the shard does: woken, drains, remembers. What it asked last may be answered when it is gone, before the engine is.
class follower {
 public:
  follower(engine& e, revision from) : inside_(std::make_shared<inside>(e, from)) {
    e.on_news([in = inside_] { in->ask(); });
    inside_->ask();
  }
  /// Everything up to `to`.
  std::vector<change> until(revision to) {
    std::unique_lock hold(inside_->mutex);
    CHECK(inside_->news.wait_for(hold, 20s, [&] { return inside_->after >= to || inside_->failed; }));
    CHECK_FALSE(inside_->failed);
    return inside_->seen;
  }

 private:
  struct inside : std::enable_shared_from_this<inside> {
    inside(engine& e, revision from) : on(e), after(from) {}
    void ask() {
      on.changes_after(after, 100, [me = shared_from_this()](result<std::vector<change>> some) { me->take(some); });
    }
    void take(const result<std::vector<change>>& some) {
      const std::lock_guard hold(mutex);
      if (!some.ok()) {
        failed = some.code() != errc::unavailable;
        return;
      }
      for (const auto& one : *some) {
        if (one.at <= after) continue;   // Two asked at once.
        seen.push_back(one);
      }
      if (!seen.empty()) after = seen.back().at;
      news.notify_all();
      if (!some->empty()) ask();
    }
    engine& on;
    std::mutex mutex;
    std::condition_variable news;
    std::atomic<revision> after;
    std::vector<change> seen;
    bool failed = false;
  };
  std::shared_ptr<inside> inside_;
};

/// Every change once, and every key's history as its lane wrote it.
void check_history(const std::vector<change>& seen, const page& found) {
  std::map<std::string, std::pair<std::int64_t, revision>> keys;
  revision last = 0;
  for (const auto& one : seen) {
    REQUIRE(one.at > last);
    last = one.at;
    auto& [version, at] = keys[one.key];
    REQUIRE(one.version == version + 1);
    REQUIRE(one.value.str() == std::to_string(one.version));
    version = one.version;
    at = one.at;
  }
  for (const auto& one : found.records) CHECK(keys[one.key].first == one.version);
}

/// Waits for what another thread is told.
template <class Condition>
void eventually(engine& e, Condition what) {
  std::mutex mutex;
  std::condition_variable news;
  for (int tries = 0; tries < 300 && !what(e.status()); ++tries) {
    std::unique_lock hold(mutex);
    news.wait_for(hold, 50ms);
  }
  CHECK(what(e.status()));
}

constexpr int tries_max = 50;

/// What is `unavailable` was surely not done: a machine with too much to do is asked again, as every caller does.
outcome commit_soon(engine& e, const operation& one) {
  auto out = commit_one(here, e, one);
  for (int tries = 0; out.what == outcome::kind::unavailable && tries < tries_max; ++tries) {
    eventually(e, [](const status& now) { return now.now == standing::leading; });
    out = commit_one(here, e, one);
  }
  return out;
}
page range_soon(engine& e, const range_query& what) {
  auto out = range(here, e, what);
  for (int tries = 0; !out.ok() && out.code() == errc::unavailable && tries < tries_max; ++tries) {
    eventually(e, [](const status& now) { return now.now == standing::leading; });
    out = range(here, e, what);
  }
  REQUIRE(out.ok());
  return *out;
}

revision head_of(engine& e) {
  answer<result<revision>> out;
  e.read_head(out.take());
  const auto said = out.get(here);
  REQUIRE(said.ok());
  return *said;
}
result<void> done_by(const std::function<void(cluster::done)>& call) {
  answer<result<void>> out;
  call(out.take());
  return out.get(here);
}
}  // namespace

TEST_CASE("no acknowledged write is lost or done twice when the leader is killed, and the feed has no gap and no repeat") {
  etcd_stage etcd(3);
  auto through = *open_cluster(etcd.access());
  wait_ready(*open_ready(config_for(etcd.access())));
  const auto leader = leader_of(etcd, *through);
  // The leader is the preferred endpoint: the writes and the watch both lose it.
  auto e = open_ready(config_for(etcd.access(leader)));
  const auto began = head_of(*e);
  follower follows(*e, began);
  lanes writers(*e, 24);
  writers.more(300);
  etcd.kill(leader);
  writers.more(300);
  etcd.start(leader);
  writers.more(300);
  writers.stop();
  const auto found = range_soon(*e, {});
  writers.check_against(found);
  revision last = 0;
  for (const auto& one : found.records) last = std::max(last, one.modified);
  check_history(follows.until(last), found);
  bool verified = false;   // the member that came back may still be catching up
  for (int i = 0; i < 300 && !verified; ++i) {
    const auto got = verify(here, *e);
    verified = got.ok();
    if (!verified) CHECK_MESSAGE(got.code() != errc::corrupt, got.why().text());
    if (!verified) ::poll(nullptr, 0, 100);
  }
  CHECK(verified);
}

TEST_CASE("a frozen member stops nobody, and what it still carries when it wakes is refused") {
  etcd_stage etcd(3);
  auto e = open_ready(config_for(etcd.access()));
  auto beside = open_ready(config_for(etcd.access(1)));
  lanes writers(*e, 8);
  writers.more(100);
  etcd.signal(0, SIGSTOP);
  // Creations that hang in the frozen member: sent, and with no answer to come.
  std::vector<answer<committed_batch>> sent(20);
  for (std::size_t i = 0; i < sent.size(); ++i) e->commit({create(numbered("/registry/ghost-", i), "x")}, sent[i].take());
  writers.more(100);
  std::size_t settled = 0;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const auto what = sent[i].get(here).outcomes.at(0).what;
    const auto key = numbered("/registry/ghost-", i);
    settled += what == outcome::kind::committed || what == outcome::kind::unavailable;
    CHECK(range_soon(*beside, {key, key + '\0', 0, 0}).records.size() == (what == outcome::kind::committed ? 1 : 0));
    if (what == outcome::kind::committed) CHECK(commit_soon(*beside, erase(key)).what == outcome::kind::committed);
  }
  CHECK(settled == sent.size());
  etcd.signal(0, SIGCONT);
  writers.more(200);
  writers.stop();
  CHECK(range_soon(*beside, {"/registry/ghost-", after_prefix("/registry/ghost-"), 0, 0}).records.empty());
  writers.check_against(range_soon(*e, {"/registry/lane-", after_prefix("/registry/lane-"), 0, 0}));
}

TEST_CASE("a watch whose member is killed or frozen goes on elsewhere") {
  etcd_stage etcd(3);
  auto e = open_ready(config_for(etcd.access(0)));
  auto beside = open_ready(config_for(etcd.access(1)));
  const auto began = head_of(*e);
  follower follows(*e, began);
  std::vector<revision> written;
  const auto write = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      const auto one = commit_soon(*beside, create(numbered("/registry/w", i), "v"));
      REQUIRE(one.what == outcome::kind::committed);
      written.push_back(one.at);
    }
  };
  const auto check = [&] {
    const auto seen = follows.until(written.back());
    REQUIRE(seen.size() == written.size());
    for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i].at == written[i]);
  };
  write(0, 20);
  check();
  etcd.signal(0, SIGSTOP);
  write(20, 40);
  check();
  etcd.signal(0, SIGCONT);
  etcd.kill(0);
  write(40, 60);
  check();
  etcd.start(0);
  write(60, 80);
  REQUIRE(compact(here, *beside, written.back()).ok());   // What has been seen may go without being noticed.
  write(80, 100);
  check();
}

namespace {
/// Asks `e` for the head until it says that the leader has gone; "" when it never does.
std::string told_gone(engine& e, int tries) {
  for (int i = 0; i < tries; ++i) {
    answer<result<revision>> out;
    e.read_head(out.take());
    const auto said = out.get(here);
    if (!said.ok() && said.why().note.find("refuses connections") != std::string::npos) return said.why().note;
    ::poll(nullptr, 0, 20);
  }
  return {};
}
/// Of the follower that is not the leader, alone, with the limits of production.
etcd_config behind(const etcd_stage& etcd, std::size_t leader) {
  etcd_config out;
  out.access = etcd.access((leader + 1) % 3);
  out.access.endpoints.resize(1);
  return out;
}
}  // namespace

TEST_CASE("who reads while the leader's process is gone is told so, and under the next leader all goes on") {
  etcd_stage etcd(3, {}, 5s);   // so long nobody else can lead
  auto through = *open_cluster(etcd.access());
  wait_ready(*open_ready(config_for(etcd.access())));
  const auto leader = leader_of(etcd, *through);
  auto e = open_ready(behind(etcd, leader));
  REQUIRE(commit_soon(*e, create("/registry/a", "1")).what == outcome::kind::committed);
  ::poll(nullptr, 0, 1500);   // within two statuses the leader's address is known
  etcd.kill(leader);
  CHECK(told_gone(*e, 20).find(etcd[leader].client_url) != std::string::npos);
  wait_ready(*e);
  CHECK(leader_of(etcd, *through) != leader);
  CHECK(commit_soon(*e, create("/registry/b", "1")).what == outcome::kind::committed);
  CHECK(range_soon(*e, {}).records.size() == 2);
}

TEST_CASE("a leader that is silent and whose process is there is never told to be gone") {
  etcd_stage etcd(3);
  auto through = *open_cluster(etcd.access());
  wait_ready(*open_ready(config_for(etcd.access())));
  const auto leader = leader_of(etcd, *through);
  auto e = open_ready(behind(etcd, leader));
  ::poll(nullptr, 0, 1500);
  etcd.signal(leader, SIGSTOP);
  CHECK(told_gone(*e, 20).empty());
  wait_ready(*e);
  etcd.signal(leader, SIGCONT);
}

TEST_CASE("a read that begins while the leader is frozen waits for the next leader and for nobody who is silent") {
  etcd_stage etcd(3);
  auto through = *open_cluster(etcd.access());
  wait_ready(*open_ready(config_for(etcd.access())));
  for (const std::size_t place : {0, 1}) {   // of the leader among the endpoints: asked first, or when its follower sends the reader on
    const auto leader = leader_of(etcd, *through);
    auto with = config_for(etcd.access(leader));
    std::rotate(with.access.endpoints.begin(), with.access.endpoints.begin() + (place == 0 ? 0 : 2), with.access.endpoints.end());
    with.attempt_limit = with.operation_limit = 9s;   // a question to the frozen one would stay there, and be all there was
    with.status_limit = 60s;
    auto e = open_ready(with);
    const auto before = commit_soon(*e, create(numbered("/registry/before-", place), "1"));
    REQUIRE(before.what == outcome::kind::committed);
    etcd.signal(leader, SIGSTOP);
    std::vector<answer<result<revision>>> heads(5);
    for (auto& one : heads) {
      e->read_head(one.take());
      const auto said = one.get(here);
      REQUIRE(said.ok());
      CHECK(*said >= before.at);
    }
    etcd.signal(leader, SIGCONT);
    wait_ready(*e);
  }
}

TEST_CASE("without a quorum writes and reads are surely not done, and it is known when it is over") {
  etcd_stage etcd(3);
  auto e = open_ready(config_for(etcd.access()));
  std::atomic<int> woken = 0;
  e->on_news([&woken] { ++woken; });
  REQUIRE(commit_soon(*e, create("/registry/a", "1")).what == outcome::kind::committed);
  etcd.kill(1);
  etcd.kill(2);
  eventually(*e, [](const status& now) { return now.now == standing::leaderless; });
  const auto said = commit_one(here, *e, create("/registry/b", "1"));
  CHECK(said.what == outcome::kind::unavailable);
  CHECK(said.note.find("http://127.0.0.1:") != std::string::npos);
  CHECK(range(here, *e, {}).code() == errc::unavailable);
  CHECK(woken > 0);
  const int before = woken;
  etcd.start(1);
  eventually(*e, [](const status& now) { return now.now == standing::leading; });
  CHECK(woken > before);
  wait_ready(*e);
  CHECK(commit_soon(*e, create("/registry/b", "1")).what == outcome::kind::committed);
  CHECK(range_soon(*e, {}).records.size() == 2);
}

TEST_CASE("a cluster grows by a learner, tells of itself, and shrinks") {
  etcd_stage etcd(1);
  auto e = open_ready(config_for(etcd.access()));
  auto through = *open_cluster(etcd.access());
  const auto url = etcd[0].client_url;
  const auto fresh = etcd.add();
  answer<result<member>> added;
  through->add_learner({etcd[fresh].peer_url}, added.take());
  const auto learner = added.get(here);
  REQUIRE(learner.ok());
  CHECK(learner->learner);
  CHECK(learner->name.empty());
  answer<result<member>> twice;
  through->add_learner({etcd[fresh].peer_url}, twice.take());
  CHECK(twice.get(here).code() == errc::already_exists);
  CHECK(done_by([&](auto done) { through->promote(learner->id, std::move(done)); }).code() == errc::conflict);
  CHECK(done_by([&](auto done) { through->promote(17, std::move(done)); }).code() == errc::not_found);
  CHECK(done_by([&](auto done) { through->remove(17, std::move(done)); }).code() == errc::not_found);
  etcd.start(fresh);
  result<void> promoted = fail(errc::conflict);
  for (int tries = 0; tries < 100 && !promoted; ++tries) {
    promoted = done_by([&](auto done) { through->promote(learner->id, std::move(done)); });
    std::mutex mutex;
    std::unique_lock hold(mutex);
    if (!promoted) std::condition_variable().wait_for(hold, 50ms);
  }
  CHECK_MESSAGE(promoted.ok(), (promoted.ok() ? std::string() : promoted.why().text()));
  answer<result<std::vector<member>>> list;
  through->members(list.take());
  const auto members = list.get(here);
  REQUIRE(members.ok());
  REQUIRE(members->size() == 2);
  for (const auto& one : *members) CHECK_FALSE(one.learner);
  through->set_endpoints(etcd.access().endpoints);

  answer<result<member_status>> asked;
  through->status(etcd[fresh].client_url, asked.take());
  const auto now = asked.get(here);
  REQUIRE(now.ok());
  CHECK(now->id == learner->id);
  CHECK(now->version.starts_with("3."));
  CHECK(now->leader != 0);
  CHECK(now->file_bytes > 0);
  CHECK(now->errors.empty());
  CHECK(done_by([&](auto done) { through->move_leader(url, learner->id, std::move(done)); }).ok());
  CHECK(leader_of(etcd, *through) == fresh);
  CHECK(done_by([&](auto done) { through->move_leader(url, learner->id, std::move(done)); }).code() == errc::conflict);
  answer<result<std::vector<storage::alarm>>> alarms;
  through->alarms(alarms.take());
  CHECK(alarms.get(here)->empty());
  CHECK(done_by([&](auto done) { through->disarm({learner->id, alarm_kind::no_space}, std::move(done)); }).ok());
  CHECK(done_by([&](auto done) { through->defragment(url, std::move(done)); }).ok());
  const scratch_folder files;
  CHECK(done_by([&](auto done) { through->snapshot(url, files / "copy", std::move(done)); }).ok());
  struct stat seen {};
  REQUIRE(::stat((files / "copy").c_str(), &seen) == 0);
  CHECK(seen.st_size % 512 == 32);
  CHECK(done_by([&](auto done) { through->snapshot("http://127.0.0.1:1", files / "none", std::move(done)); }).code() == errc::unavailable);
  CHECK(::stat((files / "none").c_str(), &seen) != 0);
  CHECK(::stat((files / "none.part").c_str(), &seen) != 0);
  wait_ready(*e);
  CHECK(commit_soon(*e, create("/registry/k", "v")).what == outcome::kind::committed);
}
