#include "actors/election/candidate.hpp"

#include "actors/controllers/calls.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::election {
namespace {

class candidate_state {
 public:
  static constexpr const char* name = "candidate";
  explicit candidate_state(rt::self<candidate_actor> self) : self_(self) {}

  void init(const rt::world& in, candidate_config config, client::api_actor api, office_actor owner) {
    world_ = &in;
    config_ = std::move(config);
    api_ = std::move(api);
    owner_ = std::move(owner);
    dice_ = in.dice.fork("candidate");
    term_.emplace(config_.self, config_.times);
    self_->send(rt::strong<candidate_actor>(self_), renew_due{});
  }

  candidate_actor::behavior_type make_behavior() {
    return {
        [this](renew_due) { tick(); },
        [this](resign) { return give_up(); },
    };
  }

 private:
  static constexpr const char* collection = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
  std::string path() const { return std::string(collection) + "/" + config_.lease; }

  // Also while an answer is outstanding: an unanswered renewal must not prolong the term.
  void tick() {
    const auto now = world_->shard->now();
    const auto spread = duration(static_cast<std::int64_t>(dice_.below(static_cast<std::uint64_t>(config_.times.retry.count() / 5) + 1)));
    self_->delayed_send(rt::strong<candidate_actor>(self_), config_.times.retry + spread, renew_due{});
    if (term_->overdue(now)) end_term("it could not be renewed in time");
    if (busy_ || resigned_) return;
    busy_ = true;
    controllers::call(self_, api_, "GET", path(), nullptr, controllers::as_json, [this](const client::api_answer& got) { look(got); });
  }

  void look(const client::api_answer& got) {
    busy_ = false;
    std::optional<lease_seen> seen;
    json object;
    if (got.ok()) {
      auto read = parse_json(got.body);
      if (!read.ok()) return;
      object = std::move(*read);
      const auto& spec = dig(object, "spec");
      const auto seconds = dig(spec, "leaseDurationSeconds").is_number_integer() ? dig(spec, "leaseDurationSeconds").get<std::int64_t>() : 0;
      const auto turns = dig(spec, "leaseTransitions").is_number_integer() ? dig(spec, "leaseTransitions").get<std::int64_t>() : 0;
      seen = lease_seen{text_or(dig(spec, "holderIdentity")), text_or(dig(spec, "renewTime")), text_or(dig(object, "metadata", "resourceVersion")), turns, std::chrono::seconds(seconds)};
    } else if (got.status != 404) {
      return;
    }
    const auto now = world_->shard->now();
    const auto next = term_->look(seen, now);
    if (seen && seen->holder != config_.self && term_->lost()) end_term("the lease names " + seen->holder);
    if (next == move::wait || resigned_) return;
    const auto stamp = to_rfc3339_micro(world_->wall->now());
    json spec{{"holderIdentity", config_.self}, {"leaseDurationSeconds", std::chrono::duration_cast<std::chrono::seconds>(config_.times.lease).count()},
              {"renewTime", stamp}, {"acquireTime", stamp}, {"leaseTransitions", seen ? seen->transitions + (next == move::take ? 1 : 0) : 0}};
    if (next == move::renew) spec["acquireTime"] = dig(object, "spec", "acquireTime");
    busy_ = true;
    const auto settle = [this, sent = now](const client::api_answer& done) {
      busy_ = false;
      if (!done.ok() || resigned_) return;
      if (const auto written = parse_json(done.body); written.ok()) version_ = text_or(dig(*written, "metadata", "resourceVersion"));
      if (term_->won(sent, world_->shard->now())) begin_term();
    };
    if (next == move::create) {
      const json fresh{{"apiVersion", "coordination.k8s.io/v1"}, {"kind", "Lease"}, {"metadata", {{"name", config_.lease}, {"namespace", "kube-system"}}}, {"spec", spec}};
      return controllers::call(self_, api_, "POST", collection, fresh, controllers::as_json, settle);
    }
    object["spec"] = spec;   // the read revision goes along: who was faster wins
    controllers::call(self_, api_, "PUT", path(), object, controllers::as_json, settle);
  }

  void begin_term() {
    log::info("election.term_began", {{"lease", config_.lease}, {"holder", config_.self}});
    self_->send(owner_, term_began{});
  }
  void end_term(const std::string& why) {
    log::warn("election.term_ended", {{"lease", config_.lease}, {"holder", config_.self}, {"why", why}});
    self_->send(owner_, term_ended{});
  }

  caf::result<bool> give_up() {
    resigned_ = true;
    if (!term_->lost()) return true;
    end_term("this server stops");
    auto answer = self_->make_response_promise<bool>();
    // Only what we wrote ourselves is given up: should this be long on its way, another may have taken the lease meanwhile.
    const json nobody{{"metadata", {{"resourceVersion", version_}}}, {"spec", {{"holderIdentity", ""}, {"leaseDurationSeconds", 1}}}};
    controllers::call(self_, api_, "PATCH", path(), nobody, controllers::as_merge,
                      [answer](const client::api_answer& got) { auto to = answer; to.deliver(got.ok()); });
    return answer;
  }

  rt::self<candidate_actor> self_;
  const rt::world* world_ = nullptr;
  candidate_config config_;
  client::api_actor api_;
  office_actor owner_;
  rng dice_{0};
  std::optional<term> term_;
  std::string version_;          ///< Of the Lease as we wrote it last.
  bool busy_ = false, resigned_ = false;
};

}  // namespace

candidate_actor make_candidate(const rt::world& in, candidate_config config, client::api_actor api, office_actor owner) {
  std::string detail = config.lease;
  return rt::spawn<candidate_actor, candidate_state>(in, std::move(detail), in, std::move(config), std::move(api), std::move(owner));
}

}  // namespace troupe::election
