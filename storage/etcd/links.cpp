#include "storage/etcd/links.hpp"

#include <algorithm>

namespace troupe::storage::etcd {
namespace {
// Of an endpoint that is bad: through an election, then twice as long each time, and in the end.
constexpr duration ask_at_once = 50ms, ask_late = 1s;
constexpr int asks_at_once = 20;
// Until one that does not answer is passed over. Less than the shortest election, so that nobody who is sent on by an old leader's
// followers is sent to the old leader.
constexpr duration silence_min = 250ms;
// Of the leader: how long it may take to say whether it is there, for its address, for how long it is taken for gone, and again.
constexpr duration there_limit = 300ms, learn_pause = 2s, gone_max = 2s, ask_pause = 10ms;
constexpr int asks_max = 5;   // A connection that breaks just now says so before a new one is refused.
}  // namespace

result<std::unique_ptr<endpoint>> make_endpoint(const std::string& url, const etcd_access& access) {
  rpc::channel_options with;
  with.ca = access.ca;
  with.certificate = access.certificate;
  with.key = access.key;
  auto channel = rpc::make_channel(url, with);
  if (!channel) return channel.why();
  auto out = std::make_unique<endpoint>();
  out->url = url;
  out->options = std::move(with);
  out->channel = std::move(*channel);
  out->kv = pb::KV::NewStub(out->channel);
  out->watch = pb::Watch::NewStub(out->channel);
  out->cluster = pb::Cluster::NewStub(out->channel);
  out->maintenance = pb::Maintenance::NewStub(out->channel);
  return out;
}

void links::start(preparation prepare, health_news news) {
  prepare_ = std::move(prepare);
  news_ = std::move(news);
  for (auto& one : ends_) ask(*one);
}

void links::stop() {
  stopped_ = true;
  for (auto& one : ends_) loop_.cancel(one->next);
  release(nullptr, true);
}

void links::ask(endpoint& which) {
  if (which.asking || stopped_) return;
  loop_.cancel(which.next);
  which.asking = true;
  which.asked = loop_.now();
  // Without `hasleader`: a member that knows no leader shall say so, with its size and its name.
  rpc::call<pb::StatusResponse>(
      loop_, config_.status_limit,
      [&which](grpc::ClientContext* context, grpc::CompletionQueue* on) {
        return which.maintenance->PrepareAsyncStatus(context, pb::StatusRequest(), on);
      },
      [this, &which](const grpc::Status& status, pb::StatusResponse& said) { answered(which, status, said); });
}

void links::answered(endpoint& which, const grpc::Status& status, const pb::StatusResponse& said) {
  which.asking = false;
  if (stopped_) return;
  if (!status.ok()) mark(which, endpoint::health::bad, explained(status.error_message(), which.url, which.options, system_wall_clock().now()));
  else if (said.leader() == 0) mark(which, endpoint::health::bad, "it knows no leader");
  else if (said.islearner()) mark(which, endpoint::health::bad, "it is a learner");
  else leader_.named(which, said), mark(which, endpoint::health::good, {});
  if (status.ok() && (&which == good() || file_bytes_ == 0)) file_bytes_ = static_cast<std::uint64_t>(said.dbsize());
  ask_later(which);
}

void links::ask_later(endpoint& which) {
  if (stopped_) return;
  const bool good = which.now == endpoint::health::good;
  const auto wait = good ? (leader_gone().empty() ? config_.status_every : ask_at_once)
                         : std::min(ask_at_once * (1 << std::clamp(which.misses - asks_at_once, 0, 5)), ask_late);
  which.next = loop_.after(wait, [this, &which] { ask(which); });
}

void links::mark(endpoint& which, endpoint::health now, std::string trouble) {
  which.misses = now == endpoint::health::good ? 0 : which.misses + 1;
  which.now = now;
  which.trouble = std::move(trouble);
  look_around();
}

void links::suspect(endpoint& which, const std::string& why) {
  if (which.now != endpoint::health::good) return;
  which.now = endpoint::health::unknown;
  which.trouble = why;
  ask(which);
}

void links::doubt_leader(task then) {
  for (auto& one : ends_)
    if (one->now == endpoint::health::good) ask(*one);
  leader_.doubt([this, then = std::move(then)]() mutable {
    if (!leader_gone().empty())
      for (auto& one : ends_)
        if (one->now == endpoint::health::good) ask(*one);   // and often from now on: they will name the next
    then();
  });
}

bool links::silent(const endpoint& which) const { return which.asking && loop_.now() - which.asked >= silence_min; }

bool links::all_silent() const {
  return std::all_of(ends_.begin(), ends_.end(), [this](const auto& one) { return silent(*one); });
}

endpoint* links::good() const {
  for (const auto& one : ends_)   // when nobody answers it is us, or the machine, and waiting would not help
    if (one->now == endpoint::health::good && !passed_over(*one)) return one.get();
  return nullptr;
}

void links::look_around() {
  if (stopped_) return;
  endpoint* const way = good();
  const bool none = std::all_of(ends_.begin(), ends_.end(), [this](const auto& one) {
    return one->now == endpoint::health::bad || (one->now == endpoint::health::good && passed_over(*one));
  });
  if (way != nullptr && !prepared_) {
    if (std::exchange(preparing_, true)) return;
    prepare_(*way, [this, way](bool done) {
      preparing_ = false;
      prepared_ = done;
      if (done) look_around();
      else suspect(*way, "it could not be read");
    });
    return;
  }
  if (way == nullptr && !none) return;
  judged_ = true;
  const auto now = way != nullptr ? storage::standing::leading : storage::standing::leaderless;
  const bool changed = standing_.exchange(now) != now;
  release(way, way != nullptr);
  if (news_) news_(changed);
}

void links::release(endpoint* to, bool patient_too) {
  auto some = std::move(waiters_);
  waiters_.clear();
  for (auto& [number, one] : some) {
    if (one.patient && !patient_too) {
      waiters_.emplace(number, std::move(one));
      continue;
    }
    loop_.cancel(one.timer);
    one.then(to);
  }
}

void links::choose(mono_time until, bool patient, chosen then) {
  endpoint* const way = prepared_ ? good() : nullptr;
  const bool hopeless = !patient && judged_ && standing_ == storage::standing::leaderless;
  if (way != nullptr || stopped_ || hopeless) return then(way);
  const auto number = ++waiters_made_;
  waiter one{std::move(then), patient, {}};
  one.timer = loop_.after(std::max(duration::zero(), until - loop_.now()), [this, number] {
    auto late = waiters_.extract(number);
    if (!late.empty()) late.mapped().then(nullptr);
  });
  waiters_.emplace(number, std::move(one));
}

std::string links::trouble() const {
  for (const auto& one : ends_)
    if (!one->trouble.empty()) return one->url + ": " + one->trouble;
  return "no endpoint of etcd has answered yet";
}

// --- the leader ------------------------------------------------------------------------------------------------

void leader::named(endpoint& by, const pb::StatusResponse& said) {
  if (said.leader() == 0 || said.raftterm() < term_) return;
  if (said.leader() != id_ || said.raftterm() != term_) {
    id_ = said.leader();
    term_ = said.raftterm();
    at_ = nullptr;
    learn_due_ = gone_until_ = {};
  }
  if (at_ != nullptr || said.header().member_id() == id_ || loop_.now() < learn_due_) return;
  learn_due_ = loop_.now() + learn_pause;
  learn(by);
}

void leader::learn(endpoint& by) {
  rpc::call<pb::MemberListResponse>(
      loop_, config_.status_limit,
      [&by](grpc::ClientContext* context, grpc::CompletionQueue* on) {
        return by.cluster->PrepareAsyncMemberList(context, pb::MemberListRequest(), on);
      },
      [this](const grpc::Status& status, pb::MemberListResponse& said) {
        const auto& all = said.members();
        const auto it = std::find_if(all.begin(), all.end(), [this](const auto& one) { return one.id() == id_; });
        if (!status.ok() || it == all.end() || it->clienturls().empty()) return;
        if (auto made = make_endpoint(it->clienturls(0), config_.access); made.ok()) prove(std::move(*made));
      });
}

void leader::prove(const std::shared_ptr<endpoint>& at) {
  rpc::call<pb::StatusResponse>(
      loop_, config_.status_limit,
      [at](grpc::ClientContext* context, grpc::CompletionQueue* on) {
        return at->maintenance->PrepareAsyncStatus(context, pb::StatusRequest(), on);
      },
      [this, at](const grpc::Status& status, const pb::StatusResponse& said) {
        if (status.ok() && said.header().member_id() == id_) at_ = at;
      });
}

void leader::doubt(task then) {
  if (at_ == nullptr) return then();
  ask(at_, asks_max, std::move(then));
}

void leader::ask(const std::shared_ptr<endpoint>& at, int left, task then) {
  // A try that met the process while it was dying was cut, not refused; gRPC would repeat that answer until its next try is due.
  grpc::experimental::ChannelResetConnectionBackoff(at->channel.get());
  rpc::call<pb::StatusResponse>(
      loop_, there_limit,
      [at](grpc::ClientContext* context, grpc::CompletionQueue* on) {
        return at->maintenance->PrepareAsyncStatus(context, pb::StatusRequest(), on);
      },
      [this, at, left, then = std::move(then)](const grpc::Status& status, const pb::StatusResponse&) mutable {
        if (at != at_ || status.error_code() != grpc::StatusCode::UNAVAILABLE) return then();
        if (status.error_message().find("refused") != std::string::npos) {
          gone_ = "etcd's leader at " + at->url + " refuses connections, and there is no other yet";
          gone_until_ = loop_.now() + gone_max;
          return then();
        }
        if (left == 1) return then();
        loop_.after(ask_pause, [this, at, left, then = std::move(then)]() mutable { ask(at, left - 1, std::move(then)); });
      });
}

}  // namespace troupe::storage::etcd
