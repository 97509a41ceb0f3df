// The Cluster and Maintenance services. Calls that any member can answer try every endpoint, twice at most.
#include "storage/etcd/snapshot.hpp"

namespace troupe::storage {
namespace etcd {
namespace {
constexpr int rounds_max = 2;
constexpr duration pause = 100ms;
using end_ptr = std::shared_ptr<endpoint>;

class etcd_cluster final : public cluster {
 public:
  etcd_cluster(cluster_config config, std::vector<end_ptr> ends) : config_(std::move(config)), ends_(std::move(ends)), loop_("etcd-cluster") {}
  ~etcd_cluster() override {
    loop_.post([this] {
      stopping_ = true;
      if (jobs_ == 0) loop_.stop();
    });
    loop_.join();
  }

  void members(members_done done) override;
  void add_learner(std::vector<std::string> peer_urls, member_done done) override;
  void promote(member_id who, cluster::done finished) override {
    pb::MemberPromoteRequest request;
    request.set_id(who);
    change<pb::MemberPromoteResponse>(std::move(request), &pb::Cluster::Stub::PrepareAsyncMemberPromote, std::move(finished));
  }
  void remove(member_id who, cluster::done finished) override {
    pb::MemberRemoveRequest request;
    request.set_id(who);
    change<pb::MemberRemoveResponse>(std::move(request), &pb::Cluster::Stub::PrepareAsyncMemberRemove, std::move(finished));
  }
  void update(member_id who, std::vector<std::string> peer_urls, cluster::done finished) override {
    pb::MemberUpdateRequest request;
    request.set_id(who);
    for (auto& url : peer_urls) request.add_peerurls(std::move(url));
    change<pb::MemberUpdateResponse>(std::move(request), &pb::Cluster::Stub::PrepareAsyncMemberUpdate, std::move(finished));
  }
  void status(std::string client_url, status_done done) override;
  void move_leader(std::string client_url, member_id to, cluster::done finished) override;
  void alarms(alarms_done done) override;
  void disarm(alarm what, cluster::done finished) override;
  void defragment(std::string client_url, cluster::done finished) override;
  void snapshot(std::string client_url, std::string path, cluster::done finished) override;
  void set_endpoints(std::vector<std::string> client_urls) override;

 private:
  template <class Reply>
  using answer = callback<void(result<Reply>)>;

  /// Enters the loop and counts the job until `done` has run.
  template <class Reply, class Ask>
  void anywhere(bool writes, Ask ask, answer<Reply> done) {
    loop_.post([this, writes, ask = std::move(ask), done = std::move(done)]() mutable {
      ++jobs_;
      attempt<Reply>(writes, 0, std::move(ask), std::move(done));
    });
  }
  template <class Reply, class Ask>
  void attempt(bool writes, std::size_t number, Ask ask, answer<Reply> done);
  void read_members(int tries, members_done done);
  void list_members(int tries, member_id caught_up, members_done done);
  /// The same at one URL, once.
  template <class Reply, class Ask>
  void there(std::string url, bool writes, duration limit, Ask ask, answer<Reply> done);
  template <class Reply, class Request, class Method>
  void change(Request request, Method method, cluster::done finished) {
    anywhere<Reply>(
        true,
        [request = std::move(request), method](endpoint& at, grpc::ClientContext* context, grpc::CompletionQueue* on) {
          return (at.cluster.get()->*method)(context, request, on);
        },
        [finished = std::move(finished)](result<Reply> said) { finished(said ? result<void>() : said.why()); });
  }
  template <class Reply>
  void finish(answer<Reply>& done, result<Reply> what) {
    done(std::move(what));
    if (--jobs_ == 0 && stopping_) loop_.stop();
  }

  const cluster_config config_;
  std::vector<end_ptr> ends_;     ///< The loop's thread.
  std::size_t jobs_ = 0;
  bool stopping_ = false;
  rpc::loop loop_;
};

member to_member(const pb::Member& from) {
  member out{from.id(), from.name(), {}, {}, from.islearner()};
  out.peer_urls.assign(from.peerurls().begin(), from.peerurls().end());
  out.client_urls.assign(from.clienturls().begin(), from.clienturls().end());
  return out;
}

template <class Reply, class Ask>
void etcd_cluster::attempt(bool writes, std::size_t number, Ask ask, answer<Reply> done) {
  if (ends_.empty()) return finish<Reply>(done, fail(errc::unavailable, "there is no endpoint"));
  const auto at = ends_[number % ends_.size()];
  const bool last = number + 1 >= ends_.size() * rounds_max;
  rpc::call<Reply>(
      loop_, config_.attempt_limit,
      [&at, &ask](grpc::ClientContext* context, grpc::CompletionQueue* on) {
        require_leader(*context);
        return ask(*at, context, on);
      },
      [this, writes, number, last, at, ask, done = std::move(done)](const grpc::Status& status, Reply& said) mutable {
        if (status.ok()) return finish<Reply>(done, std::move(said));
        auto why = read_failure(status);
        const bool go_on = why.what == verdict::elsewhere || (why.what == verdict::doubtful && !writes);
        why.note = at->url + ": " + explained(why.note, at->url, at->options, system_wall_clock().now());
        if (!go_on || last) return finish<Reply>(done, to_error(why, writes));
        loop_.after((number + 1) % ends_.size() == 0 ? pause : 1ms, [this, writes, number, ask = std::move(ask), done = std::move(done)]() mutable {
          attempt<Reply>(writes, number + 1, std::move(ask), std::move(done));
        });
      });
}

template <class Reply, class Ask>
void etcd_cluster::there(std::string url, bool writes, duration limit, Ask ask, answer<Reply> done) {
  loop_.post([this, url = std::move(url), writes, limit, ask = std::move(ask), done = std::move(done)]() mutable {
    ++jobs_;
    end_ptr at;
    for (const auto& one : ends_)
      if (one->url == url) at = one;
    if (!at) {
      auto made = make_endpoint(url, config_.access);
      if (!made) return finish<Reply>(done, made.why());
      at = std::move(*made);
    }
    rpc::call<Reply>(
        loop_, limit,
        [&at, &ask](grpc::ClientContext* context, grpc::CompletionQueue* on) { return ask(*at, context, on); },
        [this, at, writes, done = std::move(done)](const grpc::Status& status, Reply& said) mutable {
          if (status.ok()) return finish<Reply>(done, std::move(said));
          auto why = read_failure(status);
          why.note = at->url + ": " + explained(why.note, at->url, at->options, system_wall_clock().now());
          finish<Reply>(done, to_error(why, writes));
        });
  });
}

/// A 3.4 member answers from its own memory, so it is made to catch up with the quorum first; then what it remembers
/// is at least what stood when we asked.
void etcd_cluster::members(members_done done) {
  loop_.post([this, done = std::move(done)]() mutable { read_members(rounds_max, std::move(done)); });
}

void etcd_cluster::read_members(int tries, members_done done) {
  ++jobs_;
  attempt<pb::RangeResponse>(
      false, 0,
      [](endpoint& at, grpc::ClientContext* context, grpc::CompletionQueue* on) {
        pb::RangeRequest request;
        request.set_key(std::string(fence_key));
        request.set_count_only(true);
        return at.kv->PrepareAsyncRange(context, request, on);
      },
      [this, tries, done = std::move(done)](result<pb::RangeResponse> said) mutable {
        if (!said) return done(said.why());
        list_members(tries, said->header().member_id(), std::move(done));
      });
}

void etcd_cluster::list_members(int tries, member_id caught_up, members_done done) {
  ++jobs_;
  attempt<pb::MemberListResponse>(
      false, 0,
      [](endpoint& at, grpc::ClientContext* context, grpc::CompletionQueue* on) {
        pb::MemberListRequest request;
        request.set_linearizable(true);
        return at.cluster->PrepareAsyncMemberList(context, request, on);
      },
      [this, tries, caught_up, done = std::move(done)](result<pb::MemberListResponse> list) mutable {
        if (!list) return done(list.why());
        if (list->header().member_id() != caught_up) {  // Another member has answered than the one that caught up.
          if (tries > 0) return read_members(tries - 1, std::move(done));
          return done(fail(errc::unavailable, "the members of etcd come and go"));
        }
        std::vector<storage::member> out;
        for (const auto& one : list->members()) out.push_back(to_member(one));
        done(std::move(out));
      });
}

void etcd_cluster::add_learner(std::vector<std::string> peer_urls, member_done done) {
  pb::MemberAddRequest request;
  request.set_islearner(true);
  for (auto& url : peer_urls) request.add_peerurls(std::move(url));
  anywhere<pb::MemberAddResponse>(
      true,
      [request = std::move(request)](endpoint& at, grpc::ClientContext* context, grpc::CompletionQueue* on) {
        return at.cluster->PrepareAsyncMemberAdd(context, request, on);
      },
      [done = std::move(done)](result<pb::MemberAddResponse> said) {
        if (!said) return done(said.why());
        done(to_member(said->member()));
      });
}

void etcd_cluster::status(std::string client_url, status_done done) {
  there<pb::StatusResponse>(
      std::move(client_url), false, config_.attempt_limit,
      [](endpoint& at, grpc::ClientContext* context, grpc::CompletionQueue* on) {
        return at.maintenance->PrepareAsyncStatus(context, pb::StatusRequest(), on);
      },
      [done = std::move(done)](result<pb::StatusResponse> said) {
        if (!said) return done(said.why());
        member_status out;
        out.id = said->header().member_id();
        out.leader = said->leader();
        out.term = said->raftterm();
        out.raft_index = said->raftindex();
        out.raft_applied = said->raftappliedindex();
        out.revision = said->header().revision();
        out.file_bytes = static_cast<std::uint64_t>(said->dbsize());
        out.used_bytes = static_cast<std::uint64_t>(said->dbsizeinuse());
        out.version = said->version();
        out.learner = said->islearner();
        out.errors.assign(said->errors().begin(), said->errors().end());
        done(std::move(out));
      });
}

void etcd_cluster::move_leader(std::string client_url, member_id to, cluster::done finished) {
  pb::MoveLeaderRequest request;
  request.set_targetid(to);
  there<pb::MoveLeaderResponse>(
      std::move(client_url), true, config_.attempt_limit,
      [request](endpoint& at, grpc::ClientContext* context, grpc::CompletionQueue* on) {
        return at.maintenance->PrepareAsyncMoveLeader(context, request, on);
      },
      [finished = std::move(finished)](result<pb::MoveLeaderResponse> said) { finished(said ? result<void>() : said.why()); });
}

void etcd_cluster::alarms(alarms_done done) {
  anywhere<pb::AlarmResponse>(
      false,
      [](endpoint& at, grpc::ClientContext* context, grpc::CompletionQueue* on) {
        return at.maintenance->PrepareAsyncAlarm(context, pb::AlarmRequest(), on);
      },
      [done = std::move(done)](result<pb::AlarmResponse> said) {
        if (!said) return done(said.why());
        std::vector<alarm> out;
        for (const auto& one : said->alarms())
          if (one.alarm() != pb::NONE)
            out.push_back({one.memberid(), one.alarm() == pb::NOSPACE ? alarm_kind::no_space : alarm_kind::corrupt});
        done(std::move(out));
      });
}

void etcd_cluster::disarm(alarm what, cluster::done finished) {
  pb::AlarmRequest request;
  request.set_action(pb::AlarmRequest::DEACTIVATE);
  request.set_memberid(what.who);
  request.set_alarm(what.what == alarm_kind::no_space ? pb::NOSPACE : pb::CORRUPT);
  anywhere<pb::AlarmResponse>(
      false,  // May be done twice.
      [request](endpoint& at, grpc::ClientContext* context, grpc::CompletionQueue* on) {
        return at.maintenance->PrepareAsyncAlarm(context, request, on);
      },
      [finished = std::move(finished)](result<pb::AlarmResponse> said) { finished(said ? result<void>() : said.why()); });
}

void etcd_cluster::defragment(std::string client_url, cluster::done finished) {
  there<pb::DefragmentResponse>(
      std::move(client_url), true, config_.defragment_limit,
      [](endpoint& at, grpc::ClientContext* context, grpc::CompletionQueue* on) {
        return at.maintenance->PrepareAsyncDefragment(context, pb::DefragmentRequest(), on);
      },
      [finished = std::move(finished)](result<pb::DefragmentResponse> said) { finished(said ? result<void>() : said.why()); });
}

void etcd_cluster::snapshot(std::string client_url, std::string path, cluster::done finished) {
  loop_.post([this, client_url = std::move(client_url), path = std::move(path), finished = std::move(finished)]() mutable {
    ++jobs_;
    take_snapshot(loop_, client_url, config_.access, std::move(path), config_.snapshot_limit,
                  [this, finished = std::move(finished)](result<void> what) {
      finished(std::move(what));
      if (--jobs_ == 0 && stopping_) loop_.stop();
    });
  });
}

void etcd_cluster::set_endpoints(std::vector<std::string> client_urls) {
  loop_.post([this, client_urls = std::move(client_urls)] {
    std::vector<end_ptr> fresh;
    for (const auto& url : client_urls) {
      end_ptr at;
      for (const auto& one : ends_)
        if (one->url == url) at = one;
      if (!at)
        if (auto made = make_endpoint(url, config_.access)) at = std::move(*made);
      if (at) fresh.push_back(std::move(at));   // One that cannot be read is not tried.
    }
    ends_ = std::move(fresh);
  });
}
}  // namespace
}  // namespace etcd

result<std::unique_ptr<cluster>> open_cluster(cluster_config config) {
  std::vector<std::shared_ptr<etcd::endpoint>> ends;
  for (const auto& url : config.access.endpoints) {
    auto one = etcd::make_endpoint(url, config.access);
    if (!one) return one.why();
    ends.push_back(std::move(*one));
  }
  return std::unique_ptr<cluster>(std::make_unique<etcd::etcd_cluster>(std::move(config), std::move(ends)));
}

result<std::unique_ptr<cluster>> open_cluster(etcd_access access) {
  cluster_config config;
  config.access = std::move(access);
  return open_cluster(std::move(config));
}

}  // namespace troupe::storage
