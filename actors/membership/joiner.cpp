#include "actors/membership/joiner.hpp"

#include "actors/client/one_shot.hpp"
#include "actors/membership/joining.hpp"
#include "actors/registration/token.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/bytes.hpp"
#include "basis/log.hpp"
#include "net/http/wire.hpp"
#include "net/tls/signing/bundle.hpp"

namespace troupe::membership {

namespace {

/// Certificates begin so long before they are made that half of it is no harm.
constexpr duration clock_gap_max = net::tls::backdate / 2;

class joiner_state {
 public:
  static constexpr const char* name = "joiner";
  explicit joiner_state(rt::self<joiner_actor> self) : self_(self) {}

  void init(const rt::world& in, joiner_config config, owner_actor owner) {
    world_ = &in;
    config_ = std::move(config);
    owner_ = std::move(owner);
    dice_ = in.dice.fork("joiner");
    delay_ = config_.delay_first;
  }

  joiner_actor::behavior_type make_behavior() {
    return {
        [this](start_joining) { start(); },
        [this](list_members) { return members(); },
        [this](fetch_settled& got) { hear(got); },
        [this](joiner_due) { step(); },
    };
  }

 private:
  enum class phase : std::uint8_t { authority, bootstrap, settings, found };

  void start() {
    auto token = registration::parse_token(config_.token.reveal());
    if (!token.ok()) return refuse("--token: " + token.why().note);
    if (token->is_bootstrap()) return refuse("--token: a bootstrap token admits agents, not servers; take the server's token from <data-dir>/server/token");
    token_ = std::move(*token);
    self_->send(owner_, keeper_waits{"the cluster at " + to_string(config_.at)});
    step();
  }
  void refuse(const std::string& why) { self_->send(owner_, joining_refused{why}); }

  void step() {
    switch (phase_) {
      case phase::authority: return fetch("/cacerts", false);
      case phase::bootstrap: return fetch("/v1-k3s/server-bootstrap", true);
      case phase::settings: return fetch("/v1-k3s/config", true);
      case phase::found: return self_->send(owner_, cluster_found{bootstrap_});
    }
  }

  client::one_shot request(const std::string& path, bool trusted) const {
    client::one_shot out;
    out.to = config_.at;
    out.with.server_name = config_.at.host;
    if (trusted) out.with.trust = trust_;
    out.ask.method = "GET";
    out.ask.path = path;
    out.patience = config_.attempt_limit;
    // The password goes only to a server that has proved itself.
    if (trusted) out.ask.headers.add("authorization", "Basic " + to_base64("server:" + std::string(token_.password.reveal())));
    return out;
  }

  void fetch(const std::string& path, bool trusted) {
    client::fetch_once(*world_, request(path, trusted), [me = rt::strong<joiner_actor>(self_), attempt = ++attempt_](result<net::http::response> got) {
      fetch_settled out;
      out.attempt = attempt;
      if (got.ok()) out.status = got->status, out.body = got->body.str(), out.date = got->headers.get("date");
      else out.why = got.why().text();
      rt::post(me, std::move(out));
    });
  }

  void hear(const fetch_settled& got) {
    if (got.attempt != attempt_) return;
    if (got.status == 0) return again(got.why + (got.why.find("not yet valid") != std::string::npos || got.why.find("has expired") != std::string::npos ? clocks(last_date_) : ""));
    last_date_ = got.date;
    if (got.status == 401 || got.status == 403)
      return refuse("the server at " + to_string(config_.at) + " does not accept this token (" + std::to_string(got.status) +
                    "): give the one in <data-dir>/server/token on a server; an agent token cannot join a server");
    // What is said to anything but the first question is said by a server that has proved itself. What this one would sign by another
    // clock, others refuse.
    if (phase_ != phase::authority && net::http::clock_gap(got.date, world_->wall->now()) > clock_gap_max) return again("the clocks differ" + clocks(got.date));
    if (got.status != 200) return again("it answered " + std::to_string(got.status) + " " + got.body.substr(0, 200));
    switch (phase_) {
      case phase::authority: return take_authority(got.body);
      case phase::bootstrap: return take_bootstrap(got.body);
      case phase::settings: return take_settings(got.body);
      case phase::found: return;
    }
  }

  std::string clocks(const std::string& theirs) const {
    return "; this machine's clock shows " + to_rfc3339(world_->wall->now()) + (theirs.empty() ? "" : ", the server's " + theirs) + ": set the wrong one right, it is tried again";
  }

  void take_authority(const std::string& pem) {
    if (!world_->issuer->read(pem).ok()) return again("it does not answer as a server of ours does");
    const auto digest = world_->issuer->ca_digest(pem);
    // Authorities that were replaced since the token was made: what it names has signed them, or they are not believed below.
    const auto pinned = token_.ca_digest.empty() || digest == token_.ca_digest ? pem : net::tls::pinned_certificate(*world_->issuer, pem, token_.ca_digest);
    if (pinned.empty())
      return refuse("the cluster at " + to_string(config_.at) + " has another certificate authority than the token names (its digest is " +
                    digest + "): the token is of another cluster, or somebody stands between");
    if (token_.ca_digest.empty()) log::warn("membership.authority_not_pinned", {{"server", to_string(config_.at)}, {"hint", "use the full token K10<hash>::server:..."}});
    trust_ = pinned;
    next(phase::bootstrap);
  }

  void take_bootstrap(const std::string& text) {
    auto read = parse_json(text);
    if (!read.ok() || !read->is_object() || !read->contains("ServerCA")) return again("its bootstrap data cannot be read");
    bootstrap_ = std::make_shared<const json>(std::move(*read));
    next(phase::settings);
  }

  void take_settings(const std::string& text) {
    const auto theirs = parse_json(text);
    if (!theirs.ok()) return again("its configuration cannot be read");
    std::string wrong;
    for (const auto& [field, flag] : config_.critical_flags)
      if (theirs->contains(field) && config_.critical.contains(field) && theirs->at(field) != config_.critical.at(field))
        wrong += (wrong.empty() ? "--" : ", --") + flag;
    if (!wrong.empty())
      return refuse("critical configuration value mismatch between servers: " + wrong + " must be what the first server was given");
    next(phase::found);
  }

  void next(phase now) {
    phase_ = now;
    delay_ = config_.delay_first;
    step();
  }

  void again(const std::string& why) {
    const std::string text = "the cluster at " + to_string(config_.at) + ": " + why;
    if (text != std::exchange(last_miss_, text)) {
      log::warn("membership.server_missed", {{"server", to_string(config_.at)}, {"why", why}, {"next", "trying on"}});
      self_->send(owner_, keeper_waits{text});
    }
    const auto spread = static_cast<std::int64_t>(dice_.below(static_cast<std::uint64_t>(delay_.count() / 2) + 1));
    self_->delayed_send(rt::strong<joiner_actor>(self_), delay_ / 2 + duration(spread), joiner_due{});
    delay_ = std::min(delay_ * 2, config_.delay_max);
  }

  caf::result<member_list> members() {
    if (trust_.empty()) {
      if (attempt_ == 0) start();   // of a server that is a member already: it looks for the others when it needs them
      return rt::refuse(errc::unavailable, "the cluster has not been found yet");
    }
    auto answer = self_->make_response_promise<member_list>();
    auto give = [answer](result<net::http::response> got) mutable {
      if (!got.ok()) {
        answer.deliver(rt::refuse(got.why()));
        return;
      }
      auto read = got->status == 200 ? parse_members(got->body.view()) : result<std::vector<storage::member>>(errc::unavailable, "it answered " + std::to_string(got->status) + " " + got->body.str().substr(0, 200));
      if (read.ok()) answer.deliver(member_list{std::move(*read)});
      else answer.deliver(rt::refuse(read.why()));
    };
    client::fetch_once(*world_, request("/db/info", true), std::move(give));
    return answer;
  }

  rt::self<joiner_actor> self_;
  const rt::world* world_ = nullptr;
  joiner_config config_;
  owner_actor owner_;
  rng dice_{0};
  registration::token token_;
  phase phase_ = phase::authority;
  std::string trust_, last_miss_, last_date_;
  std::shared_ptr<const json> bootstrap_;
  std::uint64_t attempt_ = 0;
  duration delay_{};
};

}  // namespace

joiner_actor make_joiner(const rt::world& in, joiner_config config, owner_actor owner) {
  return rt::spawn_pinned<joiner_actor, joiner_state>(in, to_string(config.at), in, std::move(config), std::move(owner));
}

}  // namespace troupe::membership
