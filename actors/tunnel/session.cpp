#include "actors/tunnel/session.hpp"

#include <algorithm>

#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"
#include "net/http/client.hpp"
#include "net/tunnel/tunnel.hpp"

namespace troupe::tunnel {
namespace {

class session_state {
 public:
  static constexpr const char* name = "session";
  explicit session_state(rt::self<session_actor> self) : self_(self) {}
  ~session_state() { alive_.reset(); }

  void init(const rt::world& in, session_config config, tunnel_listener_actor owner) {
    world_ = &in;
    config_ = std::move(config);
    owner_ = std::move(owner);
    delay_ = config_.delay_first;
  }

  session_actor::behavior_type make_behavior() {
    return {
        [this](keep_tunnel& ask) { keep(std::move(ask.server)); },
        [this](stop_tunnel) { stop(); },
        [this](tunnel_opened& got) { run(std::move(got)); },
        [this](tunnel_lost& lost) { lose(lost); },
        [this](retry_due due) { if (due.attempt == attempt_) connect(); },
        [this](use_identity& next) { config_.trust = std::move(next.trust), config_.self = std::move(next.self), context_.reset(); },
    };
  }

 private:
  void keep(endpoint server) {
    server_ = std::move(server);
    dice_ = world_->dice.fork("tunnel").fork(to_string(server_));
    connect();
  }

  void stop() {
    ++attempt_;
    if (session_) session_->close("this agent stops");
    self_->quit(caf::exit_reason::user_shutdown);
  }

  template <class F>
  auto guarded(F body) {
    return [attempt = attempt_, this, alive = std::weak_ptr(alive_), body = std::move(body)](auto&&... xs) mutable {
      if (!alive.expired() && attempt == attempt_) body(std::forward<decltype(xs)>(xs)...);
    };
  }
  void fail(const error& why) { rt::post(rt::strong<session_actor>(self_), tunnel_lost{attempt_, why}); }

  void connect() {
    ++attempt_;
    if (!context_) {   // reading keys and authorities costs more than a handshake
      auto made = world_->tls->make_client({config_.trust, server_.host, config_.self});
      if (!made.ok()) return fail(made.why());
      context_ = std::move(*made);
    }
    world_->dialer->dial(server_, config_.dial_limit, guarded([this, context = context_](result<net::stream_ptr> raw) {
      if (!raw.ok()) return fail(raw.why());
      world_->tls->connect(*world_->shard, std::move(*raw), context, guarded([this](result<net::stream_ptr> safe) {
        if (!safe.ok()) return fail(safe.why());
        upgrade(std::move(*safe));
      }));
    }));
  }

  void upgrade(net::stream_ptr stream) {
    connection_ = net::http::attach(*world_->shard, std::move(stream));
    net::websocket::connect(*world_->shard, *connection_, to_string(server_), "/v1-k3s/connect", {}, "", config_.dial_limit,
                            *world_->chance, guarded([this](result<net::websocket::connection_ptr> got) {
      if (!got.ok()) return fail(got.why());
      rt::post(rt::strong<session_actor>(self_),
               tunnel_opened{attempt_, std::make_shared<net::websocket::connection_ptr>(std::move(*got))});
    }));
  }

  void run(tunnel_opened got) {
    connection_.reset();
    if (got.attempt != attempt_) return;
    net::tunnel::session_config with;
    with.side = net::websocket::role::client;
    with.name = to_string(server_);
    with.on_dial = [this, alive = std::weak_ptr(alive_)](const net::tunnel::dial_request& ask, net::dialer::dialed done) {
      if (alive.expired()) return done(fail_dial("this agent stops"));
      const auto at = config_.rules->allow(ask.protocol, ask.address);
      if (!at) return done(fail_dial("connect not allowed: " + ask.protocol + "/" + ask.address.substr(0, 100)));
      world_->dialer->dial(*at, config_.dial_limit, std::move(done));
    };
    with.on_end = [me = rt::strong<session_actor>(self_), attempt = attempt_](const error& why) {
      rt::post(me, tunnel_lost{attempt, why});
    };
    with.streams_max = config_.streams_max;
    with.on_refusals = [at = with.name](std::string_view why, std::uint64_t count) {
      log::warn("tunnel.streams_refused", {{"server", at}, {"why", std::string(why)}, {"count", count}});
    };
    session_ = net::tunnel::open(*world_->shard, std::move(*got.over), std::move(with), dice_.fork("ids"));
    opened_ = world_->shard->now();
    log::info("tunnel.connected", {{"server", to_string(server_)}});
    self_->send(owner_, tunnel_state{server_, true, {}});
  }

  static result<net::stream_ptr> fail_dial(std::string why) { return result<net::stream_ptr>(errc::forbidden, std::move(why)); }

  void lose(const tunnel_lost& lost) {
    if (lost.attempt != attempt_) return;
    connection_.reset();
    const bool was_open = session_ != nullptr;
    session_.reset();
    // A server that lets us in only to break the tunnel's rules is tried less and less often, as one that does not let us in.
    if (was_open && world_->shard->now() - opened_ >= config_.delay_max) delay_ = config_.delay_first;
    // Once when it is lost and once for each other reason why it does not come back, not once for each try.
    if (const auto text = lost.why.text(); text != std::exchange(told_, text) || was_open) {
      log::warn("tunnel.lost", {{"server", to_string(server_)}, {"why", text}});
      self_->send(owner_, tunnel_state{server_, false, text});
    }
    const auto spread = static_cast<std::int64_t>(dice_.below(static_cast<std::uint64_t>(delay_.count() / 2) + 1));
    self_->delayed_send(rt::strong<session_actor>(self_), delay_ / 2 + duration(spread), retry_due{attempt_});
    delay_ = std::min(delay_ * 2, config_.delay_max);
  }

  rt::self<session_actor> self_;
  const rt::world* world_ = nullptr;
  session_config config_;
  tunnel_listener_actor owner_;
  endpoint server_;
  std::shared_ptr<const net::tls::client_context> context_;   ///< Of the present identity.
  rng dice_{0};
  std::unique_ptr<net::http::client_connection> connection_;
  std::unique_ptr<net::tunnel::session> session_;
  std::uint64_t attempt_ = 0;
  duration delay_{};
  mono_time opened_{};
  std::string told_;   ///< Why it is away, as said last; empty while it is there.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

session_actor make_session(const rt::world& in, session_config config, tunnel_listener_actor owner) {
  return rt::spawn_pinned<session_actor, session_state>(in, "", in, std::move(config), std::move(owner));
}

}  // namespace troupe::tunnel
