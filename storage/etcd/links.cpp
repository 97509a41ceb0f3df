#include "storage/etcd/links.hpp"

#include <algorithm>

namespace troupe::storage::etcd {
namespace {
constexpr duration ask_soon = 100ms, ask_late = 1s;  // Of an endpoint that is bad: at first, and in the end.
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
  else mark(which, endpoint::health::good, {});
  if (status.ok() && (&which == good() || file_bytes_ == 0)) file_bytes_ = static_cast<std::uint64_t>(said.dbsize());
  ask_later(which);
}

void links::ask_later(endpoint& which) {
  if (stopped_) return;
  const auto wait = which.now == endpoint::health::good ? config_.status_every
                                                        : std::min(ask_soon * (1 << std::min(which.misses, 4)), ask_late);
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

endpoint* links::good() const {
  for (const auto& one : ends_)
    if (one->now == endpoint::health::good) return one.get();
  return nullptr;
}

void links::look_around() {
  if (stopped_) return;
  endpoint* const way = good();
  const bool none = std::all_of(ends_.begin(), ends_.end(), [](const auto& one) { return one->now == endpoint::health::bad; });
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

}  // namespace troupe::storage::etcd
