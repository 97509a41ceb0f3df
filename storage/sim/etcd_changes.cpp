// What a member of the simulated etcd may be asked, by etcd 3.4's rules; and the client that asks.
#include <algorithm>
#include <functional>

#include "storage/sim/etcd_group.hpp"

namespace troupe::storage::sim {
namespace {
constexpr std::string_view socket_scheme = "unix://";
constexpr revision ready_tenths = 9;               // Of the leader's log, for a learner to be let vote.
constexpr duration stale_question = 5s;            // A question is this old at most when it arrives.
constexpr std::uint64_t defragmented_bytes = 64ull << 20;
}  // namespace

std::string etcd_group::host_of(const std::string& host, const std::string& url) const {
  if (url.starts_with(socket_scheme)) return host;
  const auto found = hosts_.find(url);
  return found == hosts_.end() ? std::string() : found->second;
}

/// The etcd that listens behind `url`, as `host` sees it; null when nobody does.
etcd_group::process* etcd_group::at(const std::string& host, const std::string& url) {
  const bool own = url.starts_with(socket_scheme);
  for (auto& [id, one] : runs_)
    if (one.up && (own ? one.what.host == host : one.what.client_url == url)) return &one;
  return nullptr;
}

/// A learner answers nobody, and a member without a leader no question that needs one.
bool etcd_group::serves(const process& one) const {
  const auto s = seats_.find(one.of);
  return working_ && s != seats_.end() && !s->second.who.learner && s->second.linked;
}

bool etcd_group::reaches(const std::string& host, const std::vector<std::string>& ends) {
  return std::any_of(ends.begin(), ends.end(), [&](const std::string& url) {
    const auto* one = at(host, url);
    return one != nullptr && passes(host, one->what.host) && serves(*one);
  });
}

std::vector<member> etcd_group::members() const {
  std::vector<member> out;
  for (const auto& [id, s] : seats_) out.push_back(s.who);
  return out;
}
std::string etcd_group::leader_host() const {
  const auto* one = leader_ == 0 ? nullptr : run_of(leader_);
  return one == nullptr ? std::string() : one->what.host;
}

/// A change of members must leave enough who can vote, when there were enough.
void etcd_group::watch_quorum(bool worked, const char* by) {
  if (worked && living_voters() < majority()) note(std::string("quorum was lost by ") + by);
}

result<member> etcd_group::add_learner(const process& at, const std::vector<std::string>& peer_urls) {
  for (const auto& [id, s] : seats_)
    if (!s.who.learner && !connected(at.of, id, true)) return fail(errc::conflict, "etcdserver: unhealthy cluster");
  for (const auto& [id, s] : seats_) {
    if (s.who.peer_urls == peer_urls) return fail(errc::already_exists, "etcdserver: Peer URLs already exists");
    if (s.who.learner) return fail(errc::conflict, "etcdserver: too many learner members in cluster");
  }
  member made{chance_.next() >> 1, {}, peer_urls, {}, true};
  seats_[made.id].who = made;
  ++counts_.added;
  in(1ms, [this] { assess(); });
  return made;
}

result<void> etcd_group::promote(member_id who) {
  const auto found = seats_.find(who);
  if (found == seats_.end()) return fail(errc::not_found, "etcdserver: member not found");
  auto& s = found->second;
  if (!s.who.learner) return fail(errc::conflict, "etcdserver: can only promote a learner member");
  const auto started = static_cast<std::size_t>(std::count_if(seats_.begin(), seats_.end(), [](const auto& each) { return !each.second.who.learner && !each.second.who.name.empty(); })) + 1;
  const auto voters = static_cast<std::size_t>(std::count_if(seats_.begin(), seats_.end(), [](const auto& each) { return !each.second.who.learner; })) + 1;
  if (started < voters / 2 + 1) return fail(errc::conflict, "etcdserver: re-configuration failed due to not enough started members");
  settle_log();
  if (level_of(s) * 10 < settled_ * ready_tenths) return fail(errc::conflict, "etcdserver: can only promote a learner member which is in sync with leader");
  // Whoever asks this must have seen it live; only in between may it have died.
  const bool lives = run_of(who) != nullptr;
  if (!lives && when_->now() - s.down_at > stale_question) note("a learner was let vote that has been down for long");
  const bool worked = working_;
  s.who.learner = false;
  ++counts_.promoted;
  if (lives) watch_quorum(worked, "letting a learner vote");
  assess();
  return {};
}

result<void> etcd_group::remove(const process& at, member_id who) {
  const auto found = seats_.find(who);
  if (found == seats_.end()) return fail(errc::not_found, "etcdserver: member not found");
  if (!found->second.who.learner) {
    std::size_t voters = 0, started = 0, active = 0;
    for (const auto& [id, s] : seats_) {
      if (s.who.learner) continue;
      ++voters;
      started += id != who && !s.who.name.empty();
      active += connected(at.of, id, true);
    }
    if (started < (voters - 1) / 2 + 1) return fail(errc::conflict, "etcdserver: re-configuration failed due to not enough started members");
    // One that is down is no part of the quorum.
    const bool down = who != at.of && !connected(at.of, who, false);
    if (!down && active < 2 + (voters - 1) / 2) return fail(errc::conflict, "etcdserver: unhealthy cluster");
  }
  settle_log();
  const bool worked = working_;
  seats_.erase(found);
  removed_.insert(who);
  alarms_.erase(who);
  ++counts_.removed;
  watch_quorum(worked, "taking a member out");
  assess();
  return {};
}

result<void> etcd_group::update(member_id who, const std::vector<std::string>& peer_urls) {
  const auto found = seats_.find(who);
  if (found == seats_.end()) return fail(errc::not_found, "etcdserver: member not found");
  for (const auto& [id, s] : seats_)
    if (id != who && s.who.peer_urls == peer_urls) return fail(errc::already_exists, "etcdserver: Peer URLs already exists");
  found->second.who.peer_urls = peer_urls;
  ++counts_.updated;
  return {};
}

member_status etcd_group::status_of(const process& one) {
  member_status out;
  out.id = one.of;
  out.term = term_;
  out.version = "3.4.23";
  const auto s = seats_.find(one.of);
  if (s == seats_.end()) return out;
  out.leader = s->second.linked ? leader_ : 0;
  out.learner = s->second.who.learner;
  out.revision = level_of(s->second);
  out.raft_index = out.raft_applied = static_cast<std::uint64_t>(out.revision);
  out.file_bytes = out.used_bytes = s->second.file_bytes;
  for (const auto id : alarms_) out.errors.push_back("memberID:" + std::to_string(id) + " alarm:NOSPACE");
  return out;
}

result<void> etcd_group::disarm(const alarm& what) {
  alarms_.erase(what.who);
  if (alarms_.empty()) store_.make_room();
  return {};
}
void etcd_group::defragment(const process& at) {
  if (const auto s = seats_.find(at.of); s != seats_.end()) s->second.file_bytes = defragmented_bytes;
}

// --- the client --------------------------------------------------------------------------------------------------

/// As storage/etcd/cluster.cpp tries: every endpoint, twice at most; a change whose answer is lost is not tried again.
class group_client final : public cluster {
 public:
  group_client(etcd_group& of, std::string host, std::vector<std::string> ends)
      : road_(std::make_shared<road>(road{&of, std::move(host), 0, std::move(ends)})) {
    road_->life = of.lives_[road_->host];
  }

  void members(members_done done) override {
    anywhere<std::vector<member>>(false, [](etcd_group& g, etcd_group::process&) -> result<std::vector<member>> { return g.members(); }, std::move(done));
  }
  void add_learner(std::vector<std::string> peer_urls, member_done done) override {
    anywhere<member>(true, [urls = std::move(peer_urls)](etcd_group& g, etcd_group::process& at) { return g.add_learner(at, urls); }, std::move(done));
  }
  void promote(member_id who, cluster::done finished) override {
    anywhere<void>(true, [who](etcd_group& g, etcd_group::process&) { return g.promote(who); }, std::move(finished));
  }
  void remove(member_id who, cluster::done finished) override {
    anywhere<void>(true, [who](etcd_group& g, etcd_group::process& at) { return g.remove(at, who); }, std::move(finished));
  }
  void update(member_id who, std::vector<std::string> peer_urls, cluster::done finished) override {
    anywhere<void>(true, [who, urls = std::move(peer_urls)](etcd_group& g, etcd_group::process&) { return g.update(who, urls); }, std::move(finished));
  }
  void disarm(alarm what, cluster::done finished) override {
    anywhere<void>(false, [what](etcd_group& g, etcd_group::process&) { return g.disarm(what); }, std::move(finished));
  }
  void alarms(alarms_done done) override {
    anywhere<std::vector<alarm>>(false, [](etcd_group& g, etcd_group::process&) -> result<std::vector<alarm>> {
      std::vector<alarm> out;
      for (const auto id : g.alarms_) out.push_back({id, alarm_kind::no_space});
      return out;
    }, std::move(done));
  }
  void status(std::string client_url, status_done done) override {
    there<member_status>(client_url, [](etcd_group& g, etcd_group::process& at) -> result<member_status> { return g.status_of(at); }, std::move(done));
  }
  void defragment(std::string client_url, cluster::done finished) override {
    there<void>(client_url, [](etcd_group& g, etcd_group::process& at) -> result<void> { return g.defragment(at), result<void>(); }, std::move(finished));
  }
  void move_leader(std::string, member_id, cluster::done finished) override { finished(fail(errc::unsupported, "the simulated etcd elects by itself")); }
  void snapshot(std::string, std::string, cluster::done finished) override { finished(fail(errc::unsupported, "the simulated etcd has no files")); }
  void set_endpoints(std::vector<std::string> client_urls) override { road_->ends = std::move(client_urls); }

 private:
  /// What calls that are under way still need when their client is gone.
  struct road {
    etcd_group* of;
    std::string host;
    std::uint64_t life;
    std::vector<std::string> ends;
    bool dead() const { return of->lives_[host] != life; }
  };
  using road_ptr = std::shared_ptr<road>;
  template <class T>
  using work = std::function<result<T>(etcd_group&, etcd_group::process&)>;
  template <class T>
  struct call {
    bool writes;
    work<T> what;
    callback<void(result<T>)> done;
  };
  template <class T>
  using call_ptr = std::shared_ptr<call<T>>;

  template <class T>
  void anywhere(bool writes, work<T> what, callback<void(result<T>)> done) {
    attempt<T>(road_, std::make_shared<call<T>>(call<T>{writes, std::move(what), std::move(done)}), 0);
  }
  template <class T>
  static void after(const road_ptr& r, duration wait, std::function<void()> what) {
    r->of->in(wait, [r, what = std::move(what)] { if (!r->dead()) what(); });
  }
  /// The same at the next endpoint, or the end of it.
  template <class T>
  static void go_on(const road_ptr& r, const call_ptr<T>& c, std::size_t number, const char* why) {
    if (number + 1 >= r->ends.size() * r->of->config_.rounds_max) return c->done(fail(errc::unavailable, why));
    after<T>(r, (number + 1) % r->ends.size() == 0 ? duration(100ms) : duration(1ms), [r, c, number] { attempt<T>(r, c, number + 1); });
  }
  template <class T>
  static void silence(const road_ptr& r, const call_ptr<T>& c, std::size_t number) {
    after<T>(r, r->of->config_.attempt_limit, [r, c, number] {
      if (c->writes) c->done(fail(errc::outcome_unknown, "Deadline Exceeded"));
      else go_on<T>(r, c, number, "Deadline Exceeded");
    });
  }
  template <class T>
  static void attempt(const road_ptr& r, const call_ptr<T>& c, std::size_t number) {
    if (r->ends.empty()) return after<T>(r, 1ms, [c] { c->done(fail(errc::unavailable, "there is no endpoint")); });
    const auto url = r->ends[number % r->ends.size()];
    after<T>(r, r->of->way(), [r, c, number, url] {
      auto& g = *r->of;
      const auto host = g.host_of(r->host, url);
      if (!host.empty() && !g.passes(r->host, host)) return silence<T>(r, c, number);
      auto* at = g.at(r->host, url);
      if (at == nullptr) return go_on<T>(r, c, number, "failed to connect to all addresses");
      if (!g.serves(*at)) return go_on<T>(r, c, number, "etcdserver: no leader");
      auto got = std::make_shared<result<T>>(c->what(g, *at));
      if (!got->ok()) ++g.counts_.refused;
      after<T>(r, g.way(), [r, c, number, url, host, got] {
        if (!r->of->passes(r->host, host)) return silence<T>(r, c, number);
        if (r->of->at(r->host, url) == nullptr && c->writes) return c->done(fail(errc::outcome_unknown, "Socket closed"));
        if (r->of->at(r->host, url) == nullptr) return go_on<T>(r, c, number, "Socket closed");
        c->done(std::move(*got));
      });
    });
  }
  /// At that URL alone; also of a member without a leader.
  template <class T>
  void there(const std::string& url, work<T> what, callback<void(result<T>)> done) {
    auto c = std::make_shared<call<T>>(call<T>{false, std::move(what), std::move(done)});
    after<T>(road_, road_->of->way(), [r = road_, c, url] {
      auto& g = *r->of;
      const auto host = g.host_of(r->host, url);
      const auto fails = [c] { c->done(fail(errc::unavailable, "it does not answer")); };
      if (!host.empty() && !g.passes(r->host, host)) return after<T>(r, g.config_.attempt_limit, fails);
      auto* at = g.at(r->host, url);
      if (at == nullptr) return after<T>(r, 1ms, fails);
      auto got = std::make_shared<result<T>>(c->what(g, *at));
      after<T>(r, g.way(), [c, got] { c->done(std::move(*got)); });
    });
  }

  road_ptr road_;
};

std::unique_ptr<cluster> etcd_group::open_cluster(const std::string& host, const etcd_access& access) {
  return std::make_unique<group_client>(*this, host, access.endpoints);
}

std::unique_ptr<engine> etcd_group::open_engine(const std::string& host, const etcd_access& access) {
  ends_[host].push_back(access.endpoints);
  mend_roads();
  return store_.open(host);
}

}  // namespace troupe::storage::sim
