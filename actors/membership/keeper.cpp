#include "actors/membership/keeper.hpp"

#include <signal.h>

#include <algorithm>
#include <functional>

#include "actors/membership/etcd_child.hpp"
#include "actors/membership/joining.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/bytes.hpp"
#include "basis/log.hpp"

namespace troupe::membership {

etcd_timers choose_timers(duration sync_p99) {
  return sync_p99 < std::chrono::milliseconds(20) ? etcd_timers{50, 500} : etcd_timers{100, 1000};
}
std::string timers_text(const etcd_timers& of) {
  return to_text(json{{"heartbeatMilliseconds", of.heartbeat_ms}, {"electionMilliseconds", of.election_ms}}) + "\n";
}
result<etcd_timers> parse_timers(std::string_view text) {
  const auto read = parse_json(text);
  if (!read.ok() || !read->is_object()) return fail(errc::invalid, "etcd's timers cannot be read");
  const auto& beat = dig(*read, "heartbeatMilliseconds");
  const auto& vote = dig(*read, "electionMilliseconds");
  if (!beat.is_number_unsigned() || !vote.is_number_unsigned()) return fail(errc::invalid, "etcd's timers cannot be read");
  etcd_timers out{beat.get<unsigned>(), vote.get<unsigned>()};
  // etcd's own rule: an election takes at least five heartbeats.
  if (out.heartbeat_ms < 10 || out.election_ms < 5 * out.heartbeat_ms || out.election_ms > 50000) return fail(errc::invalid, "etcd's timers make no sense");
  return out;
}

namespace {

const std::string place = "a place in the cluster";
constexpr duration look_soon = std::chrono::milliseconds(50), look_seldom = std::chrono::seconds(2);
constexpr auto join_pause = std::chrono::milliseconds(300);

class keeper_state {
 public:
  static constexpr const char* name = "keeper";
  explicit keeper_state(rt::self<keeper_actor> self) : self_(self) {}

  void init(const rt::world& in, keeper_config config, members_actor known, owner_actor owner) {
    world_ = &in;
    config_ = std::move(config);
    known_ = std::move(known);
    owner_ = std::move(owner);
    us_.node = config_.node.text;
    us_.peer_url = etcd_url(config_.address, config_.peer_port);
    us_.client_url = etcd_url(config_.address, config_.client_port);
    self_->send(rt::strong<keeper_actor>(self_), restart_due{});
  }

  keeper_actor::behavior_type make_behavior() {
    return {
        [this](list_members) { return list(); },
        [this](remove_member& who) { return remove(std::move(who)); },
        [this](end_keeping) { return finish(); },
        [this](etcd_said& said) { if (said.run == run_) hear(said.line); },
        [this](etcd_ended& over) { if (over.run == run_) mourn(over.how); },
        [this](members_settled& done) { members_.settle(done.ticket, *done.what); },
        [this](member_settled& done) { added_.settle(done.ticket, *done.what); },
        [this](status_settled& done) { statuses_.settle(done.ticket, *done.what); },
        [this](call_settled& done) { calls_.settle(done.ticket, *done.what); },
        [this](look_due) { look(); },
        [this](restart_due) { proceed(); },
    };
  }

 private:
  /// What goes on when the cluster's client has answered.
  template <class T>
  struct continuations {
    std::uint64_t add(std::function<void(result<T>&)> then) { return waiting.emplace(++last, std::move(then)), last; }
    void settle(std::uint64_t ticket, result<T>& what) {
      const auto found = waiting.find(ticket);
      if (found == waiting.end()) return;
      auto then = std::move(found->second);
      waiting.erase(found);
      then(what);
    }
    std::map<std::uint64_t, std::function<void(result<T>&)>> waiting;
    std::uint64_t last = 0;
  };
  template <class Settled, class T>
  auto report(continuations<T>& to, std::function<void(result<T>&)> then) {
    return [me = rt::strong<keeper_actor>(self_), ticket = to.add(std::move(then))](result<T> got) {
      rt::post(me, Settled{ticket, std::make_shared<result<T>>(std::move(got))});
    };
  }
  using members_result = result<std::vector<storage::member>>;

  void wait_for(const std::string& what) {
    if (what != std::exchange(waiting_for_, what)) self_->send(owner_, keeper_waits{what});
  }
  void refuse(const std::string& why) {
    ended_ = true;
    self_->send(owner_, joining_refused{why});
  }

  // --- from nothing to a running etcd ----------------------------------------------------------

  /// Also the way back after etcd ended, or when joining must be tried again.
  void proceed() {
    if (ended_ || child_) return;
    const bool has_data = world_->files->exists(config_.folder + "/member/wal");
    if (world_->files->exists(config_.folder + "/tombstone")) return rise_again();
    if (auto named = settle_name(); !named.ok()) return refuse("the datastore's folder cannot be used: " + named.why().note);
    if (has_data) return launch("", "existing");
    if (!config_.join) return launch(us_.name + "=" + us_.peer_url, "new");
    if (!waiting_for_.starts_with(place)) wait_for("the members of the cluster");   // said once, not at every try
    self_->request(known_, std::chrono::seconds(10), list_members{})
        .then([this](member_list& got) { join(std::move(got.members)); }, [this](caf::error& why) { join_later(rt::reason(why)); });
  }

  void rise_again() {
    if (!config_.join)
      return refuse("this server was removed from its cluster; start it with --server https://OTHER:6443 to join again, or remove " + config_.folder + " to begin a new cluster");
    const auto stamp = std::chrono::duration_cast<std::chrono::seconds>(world_->wall->now().time_since_epoch()).count();
    const auto aside = config_.folder + "-backup-" + std::to_string(stamp);
    if (auto moved = world_->files->rename(config_.folder, aside); !moved.ok()) return refuse(moved.why().note);
    log::warn("membership.data_moved_aside", {{"to", aside}, {"why", "this server was removed from its cluster and joins again"}});
    proceed();
  }

  result<void> settle_name() {
    const auto path = config_.folder + "/name";
    if (auto made = world_->files->make_folder(config_.folder, 0700); !made.ok()) return made;
    auto present = world_->files->read(path);
    if (present.ok() && !present->empty()) {
      us_.name = *present;
      while (!us_.name.empty() && us_.name.back() == '\n') us_.name.pop_back();
      return {};
    }
    if (!present.ok() && present.code() != errc::not_found) return present.why();
    us_.name = config_.node.text + "-" + to_hex(world_->chance->draw(4));
    return world_->files->write(path, us_.name, 0600);
  }

  void join(std::vector<storage::member> there) {
    auto step = next_step(us_, there);
    if (const auto* twin = std::get_if<duplicate_member>(&step))
      return refuse("a server named " + config_.node.text + " is in the cluster already, at " + twin->address + "; choose another --node-name, or delete that node first");
    if (const auto* ready = std::get_if<start_member>(&step)) return launch(ready->initial_cluster, "existing");
    auto with = config_.access;
    with.endpoints = voters(there, us_.client_url);
    if (with.endpoints.empty()) return join_later(fail(errc::unavailable, "no member of the cluster can be asked"));
    auto opened = world_->open_cluster(with);
    if (!opened.ok()) return join_later(opened.why());
    cluster_ = std::move(*opened);
    if (const auto* lost = std::get_if<replace_member>(&step)) {
      log::warn("membership.member_replaced", {{"address", config_.address}, {"why", "it stands in the cluster, and this server has no data of it"}});
      return cluster_->remove(lost->who, report<call_settled, void>(calls_, [this](result<void>& done) {
        if (done.ok()) proceed();
        else join_later(done.why());
      }));
    }
    cluster_->add_learner({us_.peer_url}, report<member_settled, storage::member>(added_, [this](result<storage::member>& done) {
      if (done.ok()) proceed();   // the list is read again: it now names us
      else join_later(done.why());
    }));
  }

  void join_later(const error& why) {
    wait_for(place + (why.code == errc::conflict ? ": etcd takes one newcomer at a time, and the next once that one has been connected for 5 s (" + why.note + ")"
                                                 : ": " + why.text()));
    self_->delayed_send(rt::strong<keeper_actor>(self_), join_pause, restart_due{});
  }

  void launch(const std::string& initial, const std::string& state) {
    auto order = etcd_order(config_, us_.name, initial, state);
    clear_socket(*world_->files, config_);
    const auto run = ++run_;
    auto me = rt::strong<keeper_actor>(self_);
    auto started = world_->processes->start(std::move(order), [me, run](std::string line) { rt::post(me, etcd_said{run, std::move(line)}); },
                                            [me, run](net::process_end how) { rt::post(me, etcd_ended{run, std::move(how)}); });
    if (!started.ok()) {
      if (started.why().code == errc::not_found) return refuse("embedded etcd needs the program etcd, and there is none in PATH; on Debian: apt-get install etcd-server");
      return refuse(started.why().note);
    }
    child_ = std::move(*started);
    log::info("membership.etcd_started", {{"name", us_.name}, {"pid", child_->pid()}});
    wait_for("etcd");
    if (!looking_) look();
  }

  void hear(const std::string& line) {
    if (line.find("permanently removed from the cluster") != std::string::npos) removed_ = true;
    if (line.find("\"level\":\"fatal\"") != std::string::npos || line.find("\"level\":\"panic\"") != std::string::npos) last_words_ = line.substr(0, 600);
    if (line.find("slow fdatasync") != std::string::npos) log::warn("membership.disk_slow", {{"etcd", us_.name}});
  }

  void mourn(const net::process_end& how) {
    child_.reset();
    if (end_asked_) {
      end_asked_->deliver(true);
      end_asked_.reset();
    }
    if (ended_) return;
    log::warn("membership.etcd_ended", {{"status", how.status}, {"signal", how.signal}, {"said", last_words_.empty() && !how.last_lines.empty() ? how.last_lines.back() : last_words_}});
    if (removed_) {
      if (auto left = world_->files->write(config_.folder + "/tombstone", "", 0600); !left.ok()) log::error("membership.tombstone_failed", {{"error", left.why().note}});
      return refuse("this server was removed from its cluster; start it with --server https://OTHER:6443 to join again");
    }
    wait_for("etcd, which ended (" + (how.signal ? "signal " + std::to_string(how.signal) : "status " + std::to_string(how.status)) + ") and is started again" +
             (last_words_.empty() ? "" : ": " + last_words_));
    last_words_.clear();
    self_->delayed_send(rt::strong<keeper_actor>(self_), pause_, restart_due{});
    pause_ = std::min(pause_ * 2, config_.restart_max);
  }

  // --- looking after it ------------------------------------------------------------------------

  void look() {
    looking_ = true;
    if (ended_) return;
    if (!local_) {
      auto with = config_.access;
      with.endpoints = {us_.client_url};
      auto opened = world_->open_cluster(with);
      if (!opened.ok()) return refuse(opened.why().note);
      local_ = std::move(*opened);
    }
    if (!child_) return again();
    local_->status(us_.client_url, report<status_settled, storage::member_status>(statuses_, [this](result<storage::member_status>& got) { judge(got); }));
  }
  void again() { self_->delayed_send(rt::strong<keeper_actor>(self_), ready_ ? look_seldom : look_soon, look_due{}); }

  void judge(result<storage::member_status>& got) {
    if (!got.ok()) {
      if (!ready_) wait_for("etcd to answer");
      return again();
    }
    own_ = *got;
    if (own_.learner) return ask_to_vote();
    if (own_.leader == 0) {
      if (!ready_) wait_for("most of the cluster's servers: etcd has no leader");
      return again();
    }
    pause_ = config_.restart_first;
    const auto says_full = [](const std::string& what) { return what.find("NOSPACE") != std::string::npos; };
    if (std::any_of(own_.errors.begin(), own_.errors.end(), says_full)) make_room();
    local_->members(report<members_settled, std::vector<storage::member>>(members_, [this](members_result& got) {
      if (got.ok()) take_members(*got);
      again();
    }));
  }

  // Only a member that votes may add one to the voters, and a learner is not told who they are: one that was started again
  // asks the server that it joined by, as does one whose voters have all moved or gone.
  void ask_to_vote() {
    wait_for(cluster_ || known_ ? "the other servers to let this one vote" : "the other servers to let this one vote, and does not know where they are: start it with --server https://OTHER:6443");
    if (cluster_) return promote();
    if (known_) find_voters();
    else again();
  }
  void find_voters() {
    self_->request(known_, std::chrono::seconds(10), list_members{}).then([this](member_list& got) {
      auto with = config_.access;
      with.endpoints = voters(got.members, us_.client_url);
      if (with.endpoints.empty()) return look_later();
      if (cluster_) cluster_->set_endpoints(with.endpoints);
      else if (auto opened = world_->open_cluster(with); opened.ok()) cluster_ = std::move(*opened);
      look_later();
    }, [this](caf::error&) { look_later(); });
  }
  void look_later() { self_->delayed_send(rt::strong<keeper_actor>(self_), join_pause, look_due{}); }
  void promote() {
    cluster_->promote(own_.id, report<call_settled, void>(calls_, [this](result<void>& done) {
      if (done.ok()) log::info("membership.promoted", {{"name", us_.name}});
      if (!done.ok() && done.code() == errc::unavailable && known_) find_voters();
      else again();
    }));
  }

  void take_members(const std::vector<storage::member>& there) {
    fellows_ = there;
    auto urls = voters(there, us_.client_url);
    urls.insert(urls.begin(), us_.client_url);
    local_->set_endpoints(urls);
    for (const auto& m : there)
      if (m.id == own_.id && std::find(m.peer_urls.begin(), m.peer_urls.end(), us_.peer_url) == m.peer_urls.end()) {
        log::info("membership.address_changed", {{"name", us_.name}, {"to", us_.peer_url}});
        local_->update(own_.id, {us_.peer_url}, report<call_settled, void>(calls_, [](result<void>&) {}));
      }
    clear_stranded(there);
    if (std::exchange(ready_, true)) return;
    waiting_for_.clear();
    auto access = config_.access;
    access.endpoints = std::move(urls);
    if (auto own = etcd_socket(config_); !own.empty()) access.endpoints.front() = std::move(own);   // spares both TLS
    self_->send(owner_, datastore_ready{std::move(access)});
  }

  // --- etcd's file is full ---------------------------------------------------------------------

  // The leader alone. The shards let history go as soon as they hear of it; what that freed inside the files goes back to
  // the disk here, one member after the other, we last, since a member is deaf meanwhile. Writing goes on by itself when
  // the file is well below its quota: then nothing was lost and nothing is hidden.
  void make_room() {
    if (own_.leader != own_.id || making_room_ || world_->shard->now() < room_due_) return;
    making_room_ = true;
    std::vector<std::string> left{us_.client_url};
    for (const auto& m : fellows_)
      if (m.id != own_.id && !m.client_urls.empty()) left.push_back(m.client_urls.front());
    defragment(std::move(left));
  }
  void defragment(std::vector<std::string> left) {
    if (left.empty()) return weigh();
    const auto at = left.back();
    left.pop_back();
    local_->defragment(at, report<call_settled, void>(calls_, [this, at, left](result<void>& done) {
      if (!done.ok()) log::warn("membership.defragment_failed", {{"at", at}, {"why", done.why().note}});
      defragment(left);
    }));
  }
  void weigh() {
    local_->status(us_.client_url, report<status_settled, storage::member_status>(statuses_, [this](result<storage::member_status>& got) {
      making_room_ = false;
      room_due_ = world_->shard->now() + config_.room_every;
      if (!got.ok() || got->file_bytes > config_.quota_bytes / 10 * 8) return;
      log::info("membership.space_found", {{"bytes", got->file_bytes}, {"quota", config_.quota_bytes}});
      for (const auto& m : fellows_) local_->disarm({m.id, storage::alarm_kind::no_space}, report<call_settled, void>(calls_, [](result<void>&) {}));
    }));
  }

  // The leader alone: a place that was asked for and never taken keeps everybody else out.
  void clear_stranded(const std::vector<storage::member>& there) {
    if (own_.leader != own_.id) return unstarted_.clear();
    std::map<storage::member_id, mono_time> still;
    for (const auto& m : there) {
      if (!m.learner || !m.name.empty()) continue;
      const auto before = unstarted_.find(m.id);
      const auto since = before == unstarted_.end() ? world_->shard->now() : before->second;
      if (world_->shard->now() - since < config_.unstarted_max) still.emplace(m.id, since);
      else local_->remove(m.id, report<call_settled, void>(calls_, [](result<void>&) {}));
    }
    unstarted_ = std::move(still);
  }

  // --- what others ask -------------------------------------------------------------------------

  caf::result<member_list> list() {
    if (!local_ || !ready_) return rt::refuse(errc::unavailable, "etcd does not stand yet: " + waiting_for_);
    auto answer = self_->make_response_promise<member_list>();
    local_->members(report<members_settled, std::vector<storage::member>>(members_, [answer](members_result& got) mutable {
      if (got.ok()) answer.deliver(member_list{std::move(*got)});
      else answer.deliver(rt::refuse(got.why()));
    }));
    return answer;
  }

  caf::result<bool> remove(remove_member who) {
    if (!local_ || !ready_) return rt::refuse(errc::unavailable, "etcd does not stand yet");
    auto answer = self_->make_response_promise<bool>();
    local_->members(report<members_settled, std::vector<storage::member>>(members_, [this, answer, who](members_result& got) mutable {
      if (!got.ok()) {
        answer.deliver(rt::refuse(got.why()));
        return;
      }
      // By its name, which no second member ever has: it may have moved since somebody wrote down where it is.
      const auto found = std::ranges::find(*got, who.name, &storage::member::name);
      if (who.name.empty() || found == got->end()) {   // one that never started has no name
        answer.deliver(false);
        return;
      }
      if (!found->learner && std::count_if(got->begin(), got->end(), [](const auto& m) { return !m.learner; }) == 1) {
        answer.deliver(rt::refuse(errc::invalid, who.name + " is the only member that votes, and a cluster cannot be without one"));
        return;
      }
      local_->remove(found->id, report<call_settled, void>(calls_, [answer, who](result<void>& done) mutable {
        if (done.ok()) log::info("membership.member_removed", {{"name", who.name}, {"address", who.address}});
        if (done.ok()) answer.deliver(true);
        else answer.deliver(rt::refuse(done.why()));
      }));
    }));
    return answer;
  }

  caf::result<bool> finish() {
    ended_ = true;
    if (!child_) return true;
    end_asked_ = self_->make_response_promise<bool>();
    child_->signal(SIGTERM);
    return *end_asked_;
  }

  rt::self<keeper_actor> self_;
  const rt::world* world_ = nullptr;
  keeper_config config_;
  members_actor known_;
  owner_actor owner_;
  candidate_member us_;
  std::unique_ptr<net::process> child_;
  std::unique_ptr<storage::cluster> cluster_;   ///< Over those who vote, while we do not.
  std::unique_ptr<storage::cluster> local_;     ///< Over our own etcd first.
  continuations<std::vector<storage::member>> members_;
  continuations<storage::member> added_;
  continuations<storage::member_status> statuses_;
  continuations<void> calls_;
  storage::member_status own_;
  std::vector<storage::member> fellows_;
  std::map<storage::member_id, mono_time> unstarted_;
  std::optional<caf::typed_response_promise<bool>> end_asked_;
  std::string waiting_for_, last_words_;
  std::uint64_t run_ = 0;
  duration pause_ = std::chrono::milliseconds(100);
  mono_time room_due_{};
  bool ready_ = false, making_room_ = false, removed_ = false, ended_ = false, looking_ = false;
};

}  // namespace

keeper_actor make_keeper(const rt::world& in, keeper_config config, members_actor known, owner_actor owner) {
  std::string detail = config.node.text;
  return rt::spawn<keeper_actor, keeper_state>(in, std::move(detail), in, std::move(config), std::move(known), std::move(owner));
}

}  // namespace troupe::membership
