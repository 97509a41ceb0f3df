// Servers that each keep an etcd of their own: one begins a cluster, others join it, and then they lose leaders, roads, processes,
// etcds, disks and addresses, their nodes are deleted, they die for good and others come in their place. Invariants: what clients
// were told is one order of writes, and no acknowledged write is lost; there is one cluster; nobody votes without the log, and
// no change of members costs the quorum; once healed the members of etcd are the servers that live, at their addresses, all
// voting, every server serves, and the endpoints of `kubernetes` are these servers; the same seed gives the same run.
//
//   TROUPE_SEED=n     runs that one seed;  TROUPE_SEEDS=n  as many (default 12)
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>

#include "actors/membership/joining.hpp"
#include "tests/harness/servers/object_clients.hpp"

using namespace troupe;
using harness::cluster;
using harness::collection;
using harness::listed;
using entry = testing::history_entry;

namespace {

constexpr duration trouble = std::chrono::seconds(40);
constexpr duration healing_max = std::chrono::minutes(9);   // a place that was asked for and not taken is freed after five
const std::vector<std::string> servers{"s1", "s2", "s3", "s4"};

struct verdict {
  std::string broken;          ///< The first invariant that did not hold; empty when all did.
  std::uint64_t digest = 0, steps = 0;
  std::size_t asked = 0, committed = 0, unknown = 0;
  storage::sim::etcd_group::counts of;
};

enum class trouble_kind : std::uint8_t {
  leader_lost, child_killed, sync_failed, disk_full, crashed, parted, black_hole, quota_used,   // pass by themselves
  moved,          ///< Comes back at another address.
  disk_lost,      ///< Comes back without its data.
  node_deleted,   ///< While it runs.
  dead            ///< For good; its node is deleted.
};
constexpr std::uint64_t kinds = 12;
struct fault {
  duration at{}, lasts{};
  trouble_kind what{};
  std::string who, other;
};

/// Who keeps the servers going: starts what ended, with what it needs to find the others.
class caretaker {
 public:
  caretaker(cluster& c, storage::sim::etcd_group& etcd) : c_(c), etcd_(etcd) {
    for (const auto& s : servers) c.add_server(s, first_address(s), second_address(s)), address_[s] = first_address(s);
    c.dress = [this](const std::string& name, node::server_config& with) { dress(name, with); };
  }

  bool over = false;   ///< Nothing is to be done any more.
  const std::string& address(const std::string& who) const { return address_.at(who); }
  bool is_dead(const std::string& who) const { return dead_.contains(who); }
  /// Those who shall be members in the end.
  std::vector<std::string> living() const {
    std::vector<std::string> out;
    for (const auto& s : servers)
      if (called_.contains(s) && !dead_.contains(s)) out.push_back(s);
    return out;
  }
  std::size_t voters() const {
    const auto all = etcd_.members();
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto& m) { return !m.learner && !m.name.empty(); }));
  }
  std::optional<storage::member> member_of(const std::string& who) const {
    for (const auto& m : etcd_.members())
      if (!m.name.empty() && membership::node_of_member(m.name) == who) return m;
    return std::nullopt;
  }

  void start(const std::string& who) {
    if (over || c_[who].running || dead_.contains(who)) return;
    called_.insert(who);
    c_.start(who);
  }
  void crash(const std::string& who) { c_.crash(who); }
  void move(const std::string& who) {
    crash(who);
    address_[who] = address_[who] == first_address(who) ? second_address(who) : first_address(who);
  }
  void lose_disk(const std::string& who) {
    crash(who);
    REQUIRE(c_.net().find(who).disk().remove_tree("/var/lib/rancher/troupe").ok());
    if (who == "s1") founder_ = false;
  }
  void bury(const std::string& who) { crash(who), dead_.insert(who); }

  /// A service manager starts again what ended; with --server, as the sentence says that ended it. And somebody corrects the
  /// --server of one that looks for the cluster at who is not there.
  void look_after() {
    for (const auto& s : servers) {
      const bool ended = !c_[s].refused.empty();
      if (!c_[s].running || (c_[s].ready && !ended)) continue;
      if (ended && s == "s1" && c_[s].refused.find("was removed") != std::string::npos) founder_ = false;
      const auto told = told_.find(s);
      const bool lost = told != told_.end() && (!c_[told->second.first].ready || address_[told->second.first] != told->second.second);
      if (ended || (lost && !another(s).empty())) crash(s), start(s);
    }
  }
  /// One that runs and answers, other than `who`; "" when there is none.
  std::string another(const std::string& who) const {
    for (const auto& s : servers)
      if (s != who && c_[s].running && c_[s].ready) return s;
    return "";
  }

 private:
  static std::string first_address(const std::string& who) { return "10.0.0." + who.substr(1); }
  static std::string second_address(const std::string& who) { return "10.0.1." + who.substr(1); }
  void dress(const std::string& who, node::server_config& with) {
    with.disable_runtime = true;
    with.node_addresses = {address_.at(who)};
    with.cluster_init = who == "s1" && founder_;
    if (with.cluster_init) return;
    auto by = another(who);
    if (by.empty()) by = servers[who == "s1"];
    with.server = {address_.at(by), 6443};
    told_[who] = {by, with.server.host};
  }

  cluster& c_;
  storage::sim::etcd_group& etcd_;
  std::map<std::string, std::string> address_;
  std::map<std::string, std::pair<std::string, std::string>> told_;
  std::set<std::string> called_, dead_;
  bool founder_ = true;
};

client::api_call ask(const std::string& method, const std::string& path, const std::string& body = "") {
  client::api_call out;
  out.method = method;
  out.path = path;
  out.body = body;
  return out;
}

/// Nodes that somebody deletes with kubectl, at whichever server answers, until it is done.
class deleter {
 public:
  deleter(cluster& c, caretaker& care) : c_(c), care_(care) {}
  void remove(const std::string& who) {
    if (const auto m = care_.member_of(who)) gone_.insert(m->id);
    left_.insert(who);
    step(who);
  }
  bool done() const { return left_.empty(); }
  /// Members that must not be there in the end.
  const std::set<storage::member_id>& gone() const { return gone_; }

 private:
  void step(const std::string& who) {
    if (care_.over) return;
    const auto at = care_.another(who);
    const auto again = [this, who] { c_.run().plan().in(std::chrono::milliseconds(500), [this, who] { step(who); }); };
    if (at.empty()) return again();
    c_.call(at, ask("DELETE", "/api/v1/nodes/" + who), [this, who, again](const client::api_answer* got) {
      if (got != nullptr && (got->ok() || got->status == 404)) left_.erase(who);
      else again();
    });
  }

  cluster& c_;
  caretaker& care_;
  std::set<std::string> left_;
  std::set<storage::member_id> gone_;
};

/// What breaks, and what ends it.
struct stage {
  cluster& c;
  storage::sim::etcd_group& etcd;
  caretaker& care;
  deleter& hand;
  bool lost = false, deleted = false;   ///< A disk or a machine for good; a node of one that runs. One of each in a run.

  void later(duration wait, std::function<void()> what) { c.run().plan().in(wait, std::move(what)); }
  void begin(const fault& f) {
    switch (f.what) {
      case trouble_kind::leader_lost: return etcd.lose_leader();
      case trouble_kind::child_killed: return etcd.kill_child(f.who);
      case trouble_kind::sync_failed: return etcd.fail_sync(f.who);
      case trouble_kind::disk_full: return etcd.fill_disk(f.who), later(f.lasts, [this, f] { etcd.heal_disk(f.who); });
      case trouble_kind::crashed: return interrupt(f);
      case trouble_kind::parted: return c.net().partition(f.who, f.other), etcd.partition(f.who, f.other), mend_after(f.lasts);
      case trouble_kind::black_hole: return c.net().black_hole(f.who), etcd.black_hole(f.who), mend_after(f.lasts);
      case trouble_kind::quota_used: return etcd.use_up_quota();
      case trouble_kind::moved: return move(f);
      case trouble_kind::disk_lost: return lose_disk(f);
      case trouble_kind::node_deleted: return remove_node(f);
      case trouble_kind::dead: return lose_machine(f);
    }
  }

 private:
  void mend_after(duration wait) {
    later(wait, [this] { c.net().heal(), etcd.heal_roads(); });
  }
  void interrupt(const fault& f) {
    if (!c[f.who].running) return;
    care.crash(f.who);
    later(f.lasts, [this, f] { care.start(f.who); });
  }
  bool may_lose(const std::string& who) const {
    const auto m = care.member_of(who);
    return c[who].ready && m && !m->learner && care.voters() >= 3;
  }
  void move(const fault& f) {
    if (!c[f.who].running || !care.member_of(f.who)) return;
    care.move(f.who);
    later(f.lasts, [this, f] { care.start(f.who); });
  }
  void lose_disk(const fault& f) {
    if (!may_lose(f.who) || std::exchange(lost, true)) return;
    care.lose_disk(f.who);
    later(f.lasts, [this, f] { care.start(f.who); });
  }
  /// Once its Node says which member is its own: nobody can tell before.
  void when_marked(const std::string& who, std::function<void()> then) {
    if (!may_lose(who) || care.another(who).empty()) return;
    c.call(care.another(who), ask("GET", "/api/v1/nodes/" + who), [this, who, then = std::move(then)](const client::api_answer* got) {
      const auto node = got != nullptr && got->ok() ? parse_json(got->body) : result<json>(fail(errc::unavailable, ""));
      if (may_lose(who) && node.ok() && text_or(dig(*node, "metadata", "annotations", "etcd.k3s.cattle.io/node-name")) == care.member_of(who)->name) then();
    });
  }
  void remove_node(const fault& f) {
    when_marked(f.who, [this, f] {
      if (!std::exchange(deleted, true)) hand.remove(f.who);
    });
  }
  void lose_machine(const fault& f) {
    when_marked(f.who, [this, f] {
      if (std::exchange(lost, true)) return;
      care.bury(f.who);
      later(f.lasts, [this, f] { hand.remove(f.who); });
    });
  }
};

/// At any time, and some just when a server joins.
std::vector<fault> draw_faults(rng& dice, const std::map<std::string, duration>& starts) {
  std::vector<fault> out;
  const auto count = 1 + dice.below(6);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto who = dice.below(servers.size()), other = (who + 1 + dice.below(servers.size() - 1)) % servers.size();
    out.push_back({std::chrono::milliseconds(dice.below(32'000)), std::chrono::milliseconds(200 + dice.below(8'000)), static_cast<trouble_kind>(dice.below(kinds)), servers[who], servers[other]});
    if (dice.chance(30) && starts.contains(servers[who])) out.back().at = starts.at(servers[who]) + std::chrono::milliseconds(dice.below(2'000));
  }
  return out;
}

/// One run from its seed.
class play {
 public:
  explicit play(std::uint64_t seed) : whole_(std::make_unique<cluster>(seed)) {}
  ~play() {
    care_.over = true;
    clients_.stop();
    whole_.reset();   // what is still planned happens now, and needs the others
  }
  play(const play&) = delete;

  /// The second server dies between having a place and having a vote, and comes back; whether it serves then.
  bool learner_dies() {
    care_.start("s1");
    if (!until([&] { return c_["s1"].ready; })) return false;
    care_.start("s2");
    const auto learns = [&] {
      const auto m = care_.member_of("s2");
      return m && m->learner;
    };
    if (!until(learns)) return false;
    care_.crash("s2");
    if (!learns()) return false;   // else it was let vote before it died, and this is no test
    care_.start("s2");
    return until([&] { return c_["s2"].ready; }) && astray().empty();
  }

  /// A node is deleted while nobody leads; whether its member is out in the end.
  bool deleted_between_terms() {
    for (const std::string s : {"s1", "s2", "s3"}) {
      care_.start(s);
      if (!until([&] { return c_[s].ready; })) return false;
    }
    c_.run().run_for(std::chrono::seconds(10));
    const auto terms = c_.said("election.term_began");
    const auto holder = terms.back().substr(terms.back().find("holder=") + 7, 2);
    const std::string leaves = holder == "s3" ? "s2" : "s3";
    care_.crash(holder);
    hand_.remove(leaves);
    if (!until([&] { return hand_.done(); }) || c_.said("election.term_began").size() != terms.size()) return false;
    care_.start(holder);
    return until([&] {
      const auto all = etcd_.members();
      return std::none_of(all.begin(), all.end(), [&](const auto& m) { return hand_.gone().contains(m.id); });
    });
  }

  verdict go() {
    auto& dice = c_.dice();
    if (std::getenv("TROUPE_TRACE")) c_.listener = [this](const std::string& line) { std::printf("%9.3f %s\n", std::chrono::duration<double>(c_.run().now().time_since_epoch()).count(), line.c_str()); };
    for (const auto& s : servers) c_.net().find(s).set_skew(std::chrono::seconds(dice.below(600)) - std::chrono::seconds(300));
    auto& plan = c_.run().plan();
    std::map<std::string, duration> starts{{"s1", duration::zero()}};
    for (std::size_t i = 1; i < servers.size(); ++i)
      if (i < 3 || dice.chance(60)) starts[servers[i]] = std::chrono::milliseconds(dice.below(7'000) * i);
    for (const auto& [who, at] : starts) plan.in(at, [this, who = who] { care_.start(who); });
    for (const auto& f : draw_faults(dice, starts)) plan.in(f.at, [this, f] { on_.begin(f); });
    watch();
    c_.run().run_for(trouble);
    c_.net().heal();
    etcd_.heal();
    clients_.stop();
    verdict out;
    out.broken = look_at_the_end();
    if (!out.broken.empty()) out.broken += situation();
    const auto wrong = testing::violations(clients_.history());
    if (out.broken.empty() && !wrong.empty()) out.broken = wrong.front();
    if (!etcd_.broken().empty()) out.broken = etcd_.broken();
    out.digest = c_.run().digest();
    out.steps = c_.run().steps();
    out.of = etcd_.count();
    for (const auto& one : clients_.history()) {
      ++out.asked;
      out.committed += one.what != entry::kind::read && one.outcome == entry::said::committed;
      out.unknown += one.outcome == entry::said::unknown;
    }
    return out;
  }

 private:
  void watch() {
    if (care_.over) return;
    care_.look_after();
    c_.run().plan().in(std::chrono::seconds(2), [this] { watch(); });
  }
  bool until(const std::function<bool()>& good) { return c_.run().run_until(good, healing_max); }

  /// For who reads a failure.
  std::string situation() const {
    std::string out = "\n  etcd " + std::string(etcd_.stands() ? "stands" : "does not stand") + ", led on " + etcd_.leader_host();
    for (const auto& m : etcd_.members()) out += "\n  member " + (m.name.empty() ? "without a name" : m.name) + " at " + m.peer_urls.front() + (m.learner ? ", a learner" : "");
    for (const auto& s : servers)
      out += "\n  " + s + " at " + care_.address(s) + (care_.is_dead(s) ? " is dead" : !c_[s].running ? " does not run" : c_[s].ready ? std::string(" is ready") : " waits for " + c_[s].waits) +
             (c_[s].refused.empty() ? "" : ", ended: " + c_[s].refused);
    return out;
  }

  /// What does not hold of the members of etcd; empty when they are the servers that live.
  std::string astray() const {
    const auto all = etcd_.members();
    for (const auto& m : all)
      if (hand_.gone().contains(m.id)) return "the member " + m.name + " is there although its node was deleted";
    for (const auto& s : care_.living()) {
      const auto m = care_.member_of(s);
      if (!m) return s + " is no member";
      if (m->learner) return s + " does not vote";
      if (m->peer_urls != std::vector<std::string>{"https://" + care_.address(s) + ":2380"}) return s + " stands in the list at another address: " + m->peer_urls.front();
    }
    if (all.size() != care_.living().size()) return "there are " + std::to_string(all.size()) + " members and " + std::to_string(care_.living().size()) + " servers";
    return "";
  }

  /// Asks `server` for `path` until `good` says so.
  bool insist(const std::string& server, const client::api_call& what, const std::function<bool(const client::api_answer&)>& good) {
    bool done = false, busy = false;
    mono_time next{};
    return until([&] {
      if (!done && !busy && c_.run().now() >= next) {
        busy = true;
        next = c_.run().now() + std::chrono::milliseconds(500);
        c_.call(server, what, [&](const client::api_answer* got) {
          busy = false;
          done = done || (got != nullptr && good(*got));
        });
      }
      return done && !busy;
    });
  }

  /// The end of a run: all is healed. What does not hold then, if anything.
  std::string look_at_the_end() {
    for (const auto& s : care_.living())
      if (!until([&] { return c_[s].running && c_[s].ready; })) return s + " does not serve although all is healed: " + (!c_[s].running ? "it does not run" : c_[s].refused.empty() ? "it waits for " + c_[s].waits : c_[s].refused);
    if (!until([&] { return hand_.done(); })) return "a node cannot be deleted";
    if (!until([&] { return astray().empty(); })) return astray();
    if (!until([&] { return !etcd_.alarmed(); })) return "the members have no room although much can be let go";
    std::string addresses;
    std::set<std::string> sorted;
    for (const auto& s : care_.living()) sorted.insert(care_.address(s));
    for (const auto& a : sorted) addresses += a + " ";
    for (const auto& s : care_.living()) {
      if (!until([&] { return c_[s].running && c_[s].ready; })) return s + " ended again: " + c_[s].refused;
      const json object{{"metadata", {{"name", "end-" + s}}}};
      if (!insist(s, ask("POST", collection, to_text(object)), [](const client::api_answer& got) { return got.ok() || got.status == 409; })) return s + " takes no writes although all is healed";
      std::string last;
      if (!insist(s, ask("GET", "/api/v1/namespaces/default/endpoints/kubernetes"), [&](const client::api_answer& got) { return (last = listed(got)) == addresses; }))
        return "the endpoints of kubernetes at " + s + " are " + last + "and not " + addresses;
      if (!insist(s, ask("GET", "/api/v1/nodes/" + s), [](const client::api_answer& got) { return got.ok(); })) return "the node of " + s + " is not there";
      if (!insist(s, ask("GET", "/readyz"), [](const client::api_answer& got) { return got.ok(); })) return s + " is not ready";
      clients_.read_all(s);
    }
    if (!until([&] { return clients_.all_read(); })) return "a read was never answered";
    if (clients_.unread() > 0) return "a read was refused although all is healed";
    return astray();
  }

  std::unique_ptr<cluster> whole_;
  cluster& c_ = *whole_;
  storage::sim::etcd_group& etcd_ = c_.embed_etcd();
  caretaker care_{c_, etcd_};
  deleter hand_{c_, care_};
  stage on_{c_, etcd_, care_, hand_};
  harness::object_clients clients_{c_, c_.dice().fork("clients"), servers};
};

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("servers with an etcd each join, leave and come back, lose no write and agree on who they are, under every seed") {
  const auto first = number_from("TROUPE_SEED", 1);
  const auto count = std::getenv("TROUPE_SEED") ? 1 : number_from("TROUPE_SEEDS", 12);
  verdict sum;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const auto v = play(seed).go();
    sum.steps += v.steps;
    sum.asked += v.asked;
    sum.committed += v.committed;
    sum.unknown += v.unknown;
    sum.of.elections += v.of.elections;
    sum.of.deaths += v.of.deaths;
    sum.of.promoted += v.of.promoted;
    sum.of.removed += v.of.removed;
    sum.of.updated += v.of.updated;
    INFO("repeat with: TROUPE_SEED=" << seed << " build/tests/scenarios/members_scenarios -tc='servers with an etcd each join*'");
    REQUIRE(v.broken == "");
  }
  MESSAGE(count << " seeds, " << sum.steps << " messages, " << sum.asked << " requests, " << sum.committed << " writes, " << sum.unknown << " of unknown fate, "
                << sum.of.elections << " elections, " << sum.of.deaths << " etcds died, " << sum.of.promoted << " members let vote, " << sum.of.removed << " taken out, "
                << sum.of.updated << " moved");
}

TEST_CASE("servers with an etcd each: the same seed gives the same run, another seed another") {
  const auto a = play(3).go(), b = play(3).go(), c = play(4).go();
  CHECK(a.digest == b.digest);
  CHECK(a.steps == b.steps);
  CHECK(a.digest != c.digest);
}

TEST_CASE("a server that died before it was let vote comes back and votes") { CHECK(play(1).learner_dies()); }

TEST_CASE("a node that is deleted while nobody leads takes its member out when somebody does") { CHECK(play(1).deleted_between_terms()); }
