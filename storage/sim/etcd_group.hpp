// A cluster of etcd members in the simulation: who is in it, whose etcd runs, who reaches whom, who leads, and up to where each
// has the log on its own disk. Over an agenda and a seed; single-threaded. Objects lie in a shared_store, which is told who
// reaches a member that counts.
//
// As etcd 3.4 behaves (docs/decisions/183): one learner at a time, changes only while all voters have been connected for 5 s, a
// learner votes once it has nine tenths of the log, whoever begins without data asks its fellows and must find itself in their
// list, whoever was removed hears it from the first fellow it reaches. What cannot happen to a correct cluster is remembered in
// broken(): a second cluster, acknowledged writes that the next leader does not have, a voter that comes back without its data.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/cluster.hpp"
#include "storage/sim/shared.hpp"

namespace troupe::storage::sim {

struct group_config {
  duration start_min = 150ms, start_max = 900ms;         ///< Until an etcd that was started answers.
  duration election_min = 500ms, election_max = 1500ms;
  duration way_min = 100us, way_max = 2ms;
  duration copy_min = 50ms;                              ///< Until a newcomer has everything, at least ...
  std::int64_t copied_per_second = 1'500;                ///< ... and then by how much that is.
  duration connected_min = 5s;                           ///< etcd's HealthInterval: before members are changed again.
  duration attempt_limit = 2s;                           ///< A client at an endpoint that is silent, as cluster_config's.
  unsigned rounds_max = 2;                               ///< A client over its endpoints, likewise.
  std::uint64_t quota_bytes = 4ull << 30;
};

/// What an etcd is started with.
struct member_order {
  std::string host;                ///< The computer that it runs on.
  std::string name, peer_url, client_url;
  std::string initial;             ///< "a=https://10.0.0.1:2380,b=..."
  bool founds = false;             ///< --initial-cluster-state=new
  std::string kept;                ///< What an earlier life left in its folder; "" when there is none.
};
/// How an etcd reaches who started it. Called from the agenda; never after its host crashed or it was ended by `let_go`.
struct member_life {
  std::function<void(const std::string& data)> keep;   ///< To be in its folder from now on.
  std::function<void(std::string line)> say;
  std::function<void(int status, int signal)> end;
};

/// Owned by the simulation; outlives whatever was made from it, as `when` outlives it.
class etcd_group {
 public:
  etcd_group(agenda& when, rng chance, group_config config = {});
  etcd_group(const etcd_group&) = delete;

  using run_id = std::uint64_t;
  run_id start(member_order what, member_life life);
  /// Ends it, and says so; nothing when it has ended.
  void signal(run_id which, int number);
  /// Whoever started it is gone, and it with him: nobody hears of it any more.
  void let_go(run_id which);
  /// What a server on `host` sees the cluster by.
  std::unique_ptr<cluster> open_cluster(const std::string& host, const etcd_access& access);
  std::unique_ptr<engine> open_engine(const std::string& host, const etcd_access& access);

  // What breaks. Between hosts it must be told what the network is told.
  void partition(const std::string& a, const std::string& b);
  void black_hole(const std::string& host);
  /// The leader steps down, as after a stall; another is elected, or the same.
  void lose_leader();
  /// The etcd on `host` dies by a signal; whoever keeps it may start it again.
  void kill_child(const std::string& host);
  /// Its disk does not sync: it panics, once.
  void fail_sync(const std::string& host);
  /// Its disk has no room: it dies, and dies again whenever it is started, until heal_disk.
  void fill_disk(const std::string& host);
  void heal_disk(const std::string& host);
  /// The quota is used up on all members: an alarm that somebody has to deal with.
  void use_up_quota();
  /// The computer's process and its child die.
  void crash(const std::string& host);
  void heal_roads();
  /// Roads and disks. An alarm stays.
  void heal();

  // How things stand.
  std::vector<member> members() const;
  bool stands() const { return working_; }
  bool alarmed() const { return !alarms_.empty(); }
  std::string leader_host() const;
  shared_store& store() { return store_; }
  /// The first thing that must not happen; empty when nothing did.
  const std::string& broken() const { return broken_; }
  struct counts { std::size_t elections = 0, starts = 0, deaths = 0, added = 0, promoted = 0, removed = 0, updated = 0, refused = 0; };
  const counts& count() const { return counts_; }

 private:
  friend class group_client;
  struct seat {
    member who;
    revision durable = 0;            ///< What of the log is on its disk.
    bool linked = false;             ///< Its etcd runs and hears the leader.
    mono_time linked_at{}, level_at{};   ///< Since when; from when on it has everything.
    revision linked_from = 0;
    mono_time down_at{};
    std::uint64_t file_bytes = 64ull << 20;
  };
  struct process {
    member_order what;
    member_life life;
    member_id of = 0;
    bool up = false, publishing = false, published = false, leaving = false;
  };

  // etcd_group.cpp: processes, the log, who leads.
  void in(duration wait, std::function<void()> what) { when_->in(wait, std::move(what)); }
  duration between(duration least, duration most);
  duration way() { return between(config_.way_min, config_.way_max); }
  bool passes(const std::string& a, const std::string& b) const;
  process* run_of(member_id who);
  const process* run_of(member_id who) const { return const_cast<etcd_group*>(this)->run_of(who); }
  void wake(run_id which);
  bool find_seat(process& one);
  void die(run_id which, int status, int signal, std::string last_line);
  void forget(run_id which);
  void assess();
  void count_connections();
  void judge_leader();
  void elect();
  std::vector<member_id> fit_to_lead() const;
  void link_up();
  void settle_log();
  revision level_of(const seat& one) const;
  bool in_step(const seat& one) const { return one.linked && when_->now() >= one.level_at; }
  void publish();
  void bid_farewell();
  void mend_roads();
  bool reaches(const std::string& host, const std::vector<std::string>& ends);
  std::size_t majority() const;
  std::size_t living_voters() const;
  void note(std::string what) { if (broken_.empty()) broken_ = std::move(what); }

  // etcd_changes.cpp: what members may be asked.
  process* at(const std::string& host, const std::string& url);
  std::string host_of(const std::string& host, const std::string& url) const;
  bool serves(const process& one) const;
  bool connected(member_id a, member_id b, bool long_enough) const;
  result<member> add_learner(const process& at, const std::vector<std::string>& peer_urls);
  result<void> promote(member_id who);
  result<void> remove(const process& at, member_id who);
  result<void> update(member_id who, const std::vector<std::string>& peer_urls);
  member_status status_of(const process& one);
  result<void> disarm(const alarm& what);
  void defragment(const process& at);
  void watch_quorum(bool worked, const char* by);

  agenda* when_;
  rng chance_;
  group_config config_;
  shared_store store_;
  std::map<member_id, seat> seats_;
  std::map<run_id, process> runs_;
  std::map<std::string, std::string> hosts_;                    ///< By URL.
  std::map<std::string, std::vector<std::vector<std::string>>> ends_;   ///< What the engines of a host were opened with.
  std::map<std::string, bool> cut_;                             ///< As the store was told last.
  std::map<std::string, std::uint64_t> lives_;                  ///< Of hosts: what an earlier one asked is answered to nobody.
  std::map<std::pair<member_id, member_id>, mono_time> since_;  ///< Pairs of members that are connected.
  std::set<std::pair<std::string, std::string>> partitions_;
  std::set<std::string> black_holes_, full_disks_;
  std::set<member_id> alarms_, removed_;
  std::vector<member_id> holders_;                              ///< Who had the log's end on disk when last somebody worked.
  member_id leader_ = 0;
  std::uint64_t term_ = 0;
  revision settled_ = 0;
  bool working_ = false, electing_ = false, founded_ = false;
  run_id started_ = 0;
  std::string broken_;
  counts counts_;
};

}  // namespace troupe::storage::sim
