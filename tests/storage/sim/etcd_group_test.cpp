// What the simulated cluster of etcd members does, by etcd's rules, and that it notices what must not happen.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>

#include "storage/sim/etcd_group.hpp"

using namespace troupe;
using namespace troupe::storage;

namespace {

std::string peer_of(const std::string& host) { return "https://" + host + ":2380"; }
std::string client_of(const std::string& host) { return "https://" + host + ":2379"; }

/// A cluster, its hosts' disks, and what their etcds said; time moves by run().
struct stage {
  explicit stage(std::uint64_t seed = 1) : group(when, rng(seed)) {}
  void run(duration span) {
    const auto limit = when.now() + span;
    while (const auto due = when.next_due()) {
      if (*due > limit) break;
      when.advance_to(*due);
      when.run_one();
    }
    when.advance_to(limit);
  }
  void start(const std::string& host, const std::string& initial, bool founds = false) {
    sim::member_life life;
    life.keep = [this, host](const std::string& data) { disks[host] = data; };
    life.say = [this, host](const std::string& line) { said[host] += line; };
    life.end = [this, host](int, int) { ++ends[host]; };
    runs[host] = group.start({host, host, peer_of(host), client_of(host), initial, founds, disks[host]}, std::move(life));
  }
  void found() {
    start("a", "a=" + peer_of("a"), true);
    run(6s);   // long enough to be changed
  }
  std::unique_ptr<cluster> client(const std::string& host) { return group.open_cluster("client", {{client_of(host)}, {}, {}, {}}); }
  template <class T>
  result<T> wait(const std::function<void(callback<void(result<T>)>)>& ask) {
    std::optional<result<T>> got;
    ask([&got](result<T> what) { got = std::move(what); });
    run(10s);
    return got ? std::move(*got) : result<T>(fail(errc::internal, "no answer"));
  }
  result<member> add(const std::string& host, const std::string& by = "a") {
    auto with = client(by);
    return wait<member>([&](auto done) { with->add_learner({peer_of(host)}, std::move(done)); });
  }
  result<void> promote(member_id who) {
    auto with = client("a");
    return wait<void>([&](auto done) { with->promote(who, std::move(done)); });
  }
  result<void> remove(member_id who, const std::string& by = "a") {
    auto with = client(by);
    return wait<void>([&](auto done) { with->remove(who, std::move(done)); });
  }
  std::string initial() const {
    std::string out;
    for (const auto& m : group.members()) out += (out.empty() ? "x=" : ",x=") + m.peer_urls.front();
    return out;
  }
  void join(const std::string& host) {
    const auto made = add(host);
    REQUIRE(made.ok());
    start(host, initial());
    run(6s);
    REQUIRE(promote(made->id).ok());
    run(6s);
  }
  member_id id_of(const std::string& host) const {
    for (const auto& m : group.members())
      if (m.peer_urls.front() == peer_of(host)) return m.id;
    return 0;
  }
  /// What came of one create.
  std::shared_ptr<std::optional<outcome>> write(engine& e, const std::string& key) {
    auto box = std::make_shared<std::optional<outcome>>();
    std::vector<operation> one;
    one.push_back({operation::kind::create, key, bytes("x"), 0});
    e.commit(std::move(one), [box](committed_batch done) { *box = std::move(done.outcomes.at(0)); });
    return box;
  }

  agenda when;
  std::map<std::string, std::string> disks, said;
  std::map<std::string, int> ends;
  std::map<std::string, sim::etcd_group::run_id> runs;
  sim::etcd_group group;
};

}  // namespace

TEST_CASE("sim etcd: newcomers are learners, one at a time, and vote when they have the log") {
  stage s;
  s.found();
  const auto first = s.add("b");
  REQUIRE(first.ok());
  CHECK(first->learner);
  CHECK(s.add("b").code() == errc::already_exists);
  CHECK(s.add("c").why().note.find("too many learner") != std::string::npos);
  auto e = s.group.open_engine("client", {{client_of("a")}, {}, {}, {}});
  s.run(1s);
  for (int i = 0; i < 50; ++i) s.write(*e, "/registry/" + std::to_string(i));
  s.run(1s);
  CHECK(s.promote(first->id).why().note.find("in sync with leader") != std::string::npos);
  s.start("b", s.initial());
  s.run(2s);
  CHECK(s.promote(first->id).ok());
  CHECK(s.promote(first->id).code() == errc::conflict);
  CHECK(s.promote(77).code() == errc::not_found);
  CHECK(s.group.stands());
  CHECK(s.group.broken() == "");
}

TEST_CASE("sim etcd: members change only while all voters have been connected for 5 s, and never at the cost of the quorum") {
  stage s;
  s.found();
  s.join("b");
  s.group.partition("a", "b");
  s.run(10s);
  CHECK_FALSE(s.group.stands());
  CHECK(s.add("c").code() == errc::unavailable);
  s.group.heal();
  s.run(3s);
  CHECK(s.group.stands());
  auto with = s.client("a");
  std::optional<result<member>> early;
  with->add_learner({peer_of("c")}, [&](result<member> got) { early = std::move(got); });
  s.run(200ms);
  REQUIRE(early);
  CHECK(early->why().note.find("unhealthy cluster") != std::string::npos);
  s.run(5s);
  s.join("c");
  s.group.kill_child("c");
  s.run(1s);
  CHECK(s.remove(s.id_of("b")).code() == errc::conflict);   // two of three live: none of them may go
  CHECK(s.remove(s.id_of("c")).ok());                       // one that is down may
  CHECK(s.group.stands());
  CHECK(s.group.broken() == "");
}

TEST_CASE("sim etcd: without a majority nothing is written, and whoever leads next has what was acknowledged") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    stage s(seed);
    s.found();
    s.join("b");
    s.join("c");
    auto e = s.group.open_engine("client", {{client_of("a"), client_of("b"), client_of("c")}, {}, {}, {}});
    s.run(1s);
    std::vector<std::shared_ptr<std::optional<outcome>>> told;
    for (int i = 0; i < 30; ++i) {
      told.push_back(s.write(*e, "/registry/" + std::to_string(i)));
      s.run(1ms);
      if (i % 10 != 9) continue;
      s.group.kill_child(s.group.leader_host());
      s.run(3s);
    }
    s.run(10s);
    CHECK_FALSE(s.group.stands());
    const auto late = s.write(*e, "/registry/late");
    s.run(1s);
    CHECK((*late)->what == outcome::kind::unavailable);
    for (const std::string host : {"a", "b", "c"})
      if (s.ends[host] > 0) s.start(host, "");
    s.run(20s);
    CHECK(s.group.stands());
    for (int i = 0; i < 30; ++i) {
      REQUIRE(told[static_cast<std::size_t>(i)]->has_value());
      const auto found = s.group.store().log().range({"/registry/" + std::to_string(i), "/registry/" + std::to_string(i) + "0", 0, 1});
      if ((*told[static_cast<std::size_t>(i)])->what == outcome::kind::committed) CHECK(found->records.size() == 1);
    }
    REQUIRE(s.group.broken() == "");
  }
}

TEST_CASE("sim etcd: who was removed hears it from the first member that it reaches, and ends") {
  stage s;
  s.found();
  s.join("b");
  s.join("c");
  const auto who = s.id_of("c");
  s.group.black_hole("c");
  s.run(1s);
  CHECK(s.remove(who).ok());
  s.run(5s);
  CHECK(s.ends["c"] == 0);
  s.group.heal();
  s.run(1s);
  CHECK(s.ends["c"] == 1);
  CHECK(s.said["c"].find("permanently removed from the cluster") != std::string::npos);
}

TEST_CASE("sim etcd: an etcd without data that is not in its fellows' list, or reaches none, ends") {
  stage s;
  s.found();
  s.start("b", "x=" + peer_of("a") + ",x=" + peer_of("b"));
  s.run(2s);
  CHECK(s.ends["b"] == 1);
  REQUIRE(s.add("b").ok());
  s.group.partition("a", "b");
  s.start("b", s.initial());
  s.run(2s);
  CHECK(s.ends["b"] == 2);
  CHECK(s.group.broken() == "");
}

TEST_CASE("sim etcd: a voter that comes back without its data, and a second cluster, are noticed") {
  stage s;
  s.found();
  s.join("b");
  s.group.kill_child("b");
  s.run(1s);
  s.disks["b"].clear();
  s.start("b", s.initial());
  s.run(2s);
  CHECK(s.group.broken().find("came back without its data") != std::string::npos);
  stage t;
  t.found();
  t.start("b", "b=" + peer_of("b"), true);
  t.run(2s);
  CHECK(t.group.broken().find("a second cluster") != std::string::npos);
}

TEST_CASE("sim etcd: a full disk ends its etcd until there is room, and a used up quota is an alarm until somebody disarms it") {
  stage s;
  s.found();
  s.group.fill_disk("a");
  s.run(1s);
  CHECK(s.ends["a"] == 1);
  s.start("a", "");
  s.run(2s);
  CHECK(s.ends["a"] == 2);
  s.group.heal_disk("a");
  s.start("a", "");
  s.run(2s);
  CHECK(s.group.stands());
  s.group.use_up_quota();
  auto e = s.group.open_engine("client", {{client_of("a")}, {}, {}, {}});
  s.run(1s);
  auto refused = s.write(*e, "/registry/x");
  s.run(1s);
  CHECK((*refused)->what == outcome::kind::no_space);
  auto with = s.client("a");
  CHECK(s.wait<void>([&](auto done) { with->disarm({s.id_of("a"), alarm_kind::no_space}, std::move(done)); }).ok());
  auto taken = s.write(*e, "/registry/x");
  s.run(1s);
  CHECK((*taken)->what == outcome::kind::committed);
}

TEST_CASE("sim etcd: a change that was asked of a member which then vanished is of unknown fate, and an earlier life is answered to nobody") {
  stage s;
  s.found();
  auto with = s.client("a");
  s.group.partition("a", "client");
  std::optional<result<member>> got;
  with->add_learner({peer_of("b")}, [&](result<member> what) { got = std::move(what); });
  s.run(5s);
  REQUIRE(got);
  CHECK(got->code() == errc::outcome_unknown);
  s.group.heal();
  bool called = false;
  with->members([&](result<std::vector<member>>) { called = true; });
  s.group.crash("client");
  s.run(5s);
  CHECK_FALSE(called);
}
