#include "actors/front/front.hpp"

#include <algorithm>
#include <unordered_map>

#include "actors/apiserver/respond.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::front {

void prefix_table::add(std::string prefix, handler_actor to) {
  for (auto& row : rows_)
    if (row.first == prefix) {   // the API takes over from what said that it does not stand yet
      row.second = std::move(to);
      return;
    }
  rows_.emplace_back(std::move(prefix), std::move(to));
  std::stable_sort(rows_.begin(), rows_.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
}

const handler_actor* prefix_table::find(std::string_view path) const {
  for (const auto& [prefix, to] : rows_) {
    if (!path.starts_with(prefix)) continue;
    if (prefix.ends_with('/') || path.size() == prefix.size() || path[prefix.size()] == '/') return &to;
  }
  return nullptr;
}

namespace {

class front_state {
 public:
  static constexpr const char* name = "front";
  explicit front_state(rt::self<front_actor> self) : self_(self) {}

  void init(const rt::world& in, front_config config) {
    world_ = &in;
    config_ = config;
    routes_ = std::make_shared<prefix_table>();
  }

  front_actor::behavior_type make_behavior() {
    return {
        [this](start_listening& ask) { return listen(std::move(ask)); },
        [this](replace_identity& next) { tls_ = std::move(next.tls); },
        [this](route_prefix& row) { routes_->add(std::move(row.prefix), std::move(row.to)); },
        [this](stream_accepted& got) { take(std::move(*got.stream)); },
        [this](connection_ended& end) { connections_.erase(end.number); },
        [this](stop_listening) { stop(); },
        [this](revocation::revocations_changed& news) { revoke(std::move(news.now)); },
    };
  }

 private:
  caf::result<endpoint> listen(start_listening ask) {
    tls_ = std::move(ask.tls);
    auto opened = world_->acceptor->listen(ask.at, [me = rt::strong<front_actor>(self_)](net::stream_ptr stream) {
      rt::post(me, stream_accepted{std::make_shared<net::stream_ptr>(std::move(stream))});
    });
    if (!opened.ok()) return rt::refuse(opened.why());
    listeners_.push_back(std::move(*opened));
    return listeners_.back()->address();
  }

  void take(net::stream_ptr raw) {
    if (connections_.size() + handshakes_ >= config_.connections_max) {
      if (!std::exchange(full_, true)) log::warn("front.connections_full", {{"open", connections_.size()}});
      return;
    }
    full_ = false;
    ++handshakes_;
    // Runs on this actor's own thread, and not after the actor: the provider drops the call with its stream.
    world_->tls->accept(*world_->shard, std::move(raw), tls_, [this, alive = std::weak_ptr(alive_)](result<net::stream_ptr> got) {
      if (alive.expired()) return;
      --handshakes_;
      if (got.ok()) serve(std::move(*got));
    });
  }

  void serve(net::stream_ptr stream) {
    const auto number = ++numbers_;
    const auto peer = stream->peer();
    auto with = std::make_shared<net::http::server_config>();
    with->body_max = config_.body_max;
    with->wall = world_->wall;
    with->on_request = [routes = routes_, no = revoked_->refusal(peer)](net::http::request ask, net::http::exchange_ptr to) {
      if (no) return apiserver::respond_error(*to, refusal(*no));
      // A CONNECT names a host and no path: it is the supervisor's.
      const auto* handler = routes->find(ask.method == "CONNECT" ? std::string_view("/v1-k3s/connect") : std::string_view(ask.path));
      if (!handler) return apiserver::respond_error(*to, apiserver::unavailable("starting", 1));
      rt::post(*handler, request_arrived{std::make_shared<net::http::request>(std::move(ask)), std::move(to)});
    };
    with->on_error = apiserver::codec_refusal;
    with->on_end = [me = rt::strong<front_actor>(self_), number] { rt::post(me, connection_ended{number}); };
    connections_.emplace(number, connection{net::http::serve(*world_->shard, std::move(stream), std::move(with)), peer});
  }

  static apiserver::api_error refusal(std::string why) {
    apiserver::api_error out;
    out.code = 401;
    out.reason = "Unauthorized";
    out.message = std::move(why);
    return out;
  }

  // Connections of revoked nodes end now, with the watches on them.
  void revoke(std::shared_ptr<const revocation::revoked_nodes> now) {
    revoked_ = std::move(now);
    const auto ended = std::erase_if(connections_, [&](const auto& one) { return revoked_->refusal(one.second.peer).has_value(); });
    if (ended > 0) log::info("front.connections_revoked", {{"connections", ended}});
  }

  void stop() {
    listeners_.clear();
    for (auto& [number, one] : connections_) one.http->drain();
  }

  rt::self<front_actor> self_;
  const rt::world* world_ = nullptr;
  front_config config_;
  std::shared_ptr<prefix_table> routes_;
  std::shared_ptr<const net::tls::server_context> tls_;
  std::vector<std::unique_ptr<net::listener>> listeners_;
  struct connection {
    std::unique_ptr<net::http::server_connection> http;
    net::peer_identity peer;
  };
  std::unordered_map<std::uint64_t, connection> connections_;
  std::shared_ptr<const revocation::revoked_nodes> revoked_ = std::make_shared<const revocation::revoked_nodes>();
  std::uint64_t numbers_ = 0;
  std::size_t handshakes_ = 0;
  bool full_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

front_actor make_front(const rt::world& in, front_config config) {
  return rt::spawn_pinned<front_actor, front_state>(in, "", in, config);
}

}  // namespace troupe::front
