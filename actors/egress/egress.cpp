#include "actors/egress/egress.hpp"

#include <unordered_map>

#include "actors/apiserver/respond.hpp"
#include "actors/client/clients.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"
#include "net/relay/relay.hpp"

//  gate --open_stream--> egress --by tunnel--> switchboard --not here--> peers --CONNECT--> another server's supervisor
//  supervisor --carry_stream--^  '--direct--> dialer                                          '--carry_stream--> its egress

namespace troupe::egress {
namespace {

using tunnel::stream_box;

class egress_state {
 public:
  static constexpr const char* name = "egress";
  explicit egress_state(rt::self<egress_actor> self) : self_(self) {}
  ~egress_state() {
    for (const auto& one : reflectors_) rt::end(one);
  }

  void init(const rt::world& in, egress_config config, tunnel::dialer_actor switchboard) {
    world_ = &in;
    config_ = std::move(config);
    routes_.emplace(config_.mode, config_.self, config_.own_kubelet);
    switchboard_ = std::move(switchboard);
  }

  egress_actor::behavior_type make_behavior() {
    return {
        [this](tunnel::open_stream& ask) { return open(ask); },
        [this](follow_cluster& with) { follow(with.api); },
        [this](carry_stream& ask) { carry(std::move(ask)); },
        [this](carrying_ended end) { carried_.erase(end.number); },
        [this](client::object_seen& got) { see(got); },
        [this](client::object_lost& gone) { is_pod(gone.key) ? routes_->drop_pod(gone.key) : routes_->drop_node(gone.key); },
        [](client::kind_synced) {},
    };
  }

 private:
  // A key of a namespaced object has a namespace.
  static bool is_pod(const std::string& key) { return key.find('/') != std::string::npos; }

  void follow(const client::api_actor& api) {
    const auto me = caf::actor_cast<client::reflected_actor>(rt::strong<egress_actor>(self_));
    reflectors_.push_back(client::make_reflector(*world_, {"/api/v1/nodes", ""}, api, me));
    if (config_.mode == egress_mode::cluster || config_.mode == egress_mode::pod)
      reflectors_.push_back(client::make_reflector(*world_, {"/api/v1/pods", ""}, api, me));
  }

  void see(const client::object_seen& got) {
    if (!is_pod(got.key)) return routes_->set_node(got.key, node_entry_of(*got.object));
    const auto &spec = dig(*got.object, "spec"), &status = dig(*got.object, "status");
    const auto& host = dig(spec, "hostNetwork");
    const bool is_over = text_or(dig(status, "phase")) == "Succeeded" || text_or(dig(status, "phase")) == "Failed";
    if ((host.is_boolean() && host.get<bool>()) || is_over) return routes_->drop_pod(got.key);
    routes_->set_pod(got.key, text_or(dig(spec, "nodeName")), text_or(dig(status, "podIP")));
  }

  caf::result<stream_box> open(const tunnel::open_stream& ask) {
    const auto at = parse_endpoint(ask.address, 1);   // 1: the port may be left to us
    if (!at.ok()) return rt::refuse(at.why());
    auto answer = self_->make_response_promise<stream_box>();
    const auto port = ask.address.find(':') == std::string::npos ? std::uint16_t{0} : at->port;
    // Loopback is the node's own, its kubelet's; any other address is a pod's, or another port of the node.
    go(at->host == "127.0.0.1" ? routes_->to_kubelet(ask.node, port) : routes_->to_address(*at), false,
       [answer](result<net::stream_ptr> got) {
         auto to = answer;
         if (got.ok()) to.deliver(stream_box{std::make_shared<net::stream_ptr>(std::move(*got))});
         else to.deliver(rt::refuse(got.why()));
       });
    return answer;
  }

  /// `done` is called once, on our thread.
  template <class F>
  void go(const way& way, bool here_only, F done) {
    if (const auto* no = std::get_if<refused>(&way)) return done(result<net::stream_ptr>(errc::forbidden, no->why));
    if (const auto* straight = std::get_if<direct>(&way)) return dial(straight->at, std::move(done));
    const auto& through = std::get<by_tunnel>(way);
    self_->request(switchboard_, caf::infinite, tunnel::open_stream{through.node, through.address, here_only || through.else_direct})
        .then([done](stream_box& box) { done(result<net::stream_ptr>(std::move(*box.stream))); },
              [this, done, through](caf::error& why) {
                const auto at = parse_endpoint(through.address);
                if (through.else_direct && at.ok()) return dial(*at, done);
                done(result<net::stream_ptr>(rt::reason(why)));
              });
  }
  template <class F>
  void dial(const endpoint& at, F done) {
    world_->dialer->dial(at, config_.dial_limit, [done](result<net::stream_ptr> got) { done(std::move(got)); });
  }

  void carry(carry_stream ask) {
    if (carried_.size() >= config_.carried_max) return refuse(*ask.answer, "this server carries " + std::to_string(carried_.size()) + " streams already");
    const auto to = to_string(ask.to);
    go(routes_->to_address(ask.to), ask.from_peer, [this, alive = std::weak_ptr(alive_), answer = ask.answer, to](result<net::stream_ptr> got) {
      if (alive.expired()) return;
      if (!got.ok()) return refuse(*answer, to + ": " + (got.why().note.empty() ? got.why().text() : got.why().note));
      auto client = answer->upgrade(200, {});
      if (!client) return;
      const auto number = ++numbers_;
      carried_.emplace(number, net::splice(*world_->shard, std::move(client), std::move(*got),
                                           [me = rt::strong<egress_actor>(self_), number](error) { rt::post(me, carrying_ended{number}); }));
    });
  }
  static void refuse(net::http::exchange& to, std::string why) {
    apiserver::api_error out;
    out.code = 502;
    out.reason = "BadGateway";
    out.message = std::move(why);
    apiserver::respond_error(to, out);
  }

  rt::self<egress_actor> self_;
  const rt::world* world_ = nullptr;
  egress_config config_;
  std::optional<routes> routes_;
  tunnel::dialer_actor switchboard_;
  std::vector<client::watcher_actor> reflectors_;
  std::unordered_map<std::uint64_t, std::unique_ptr<net::relay>> carried_;
  std::uint64_t numbers_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

egress_actor make_egress(const rt::world& in, egress_config config, tunnel::dialer_actor switchboard) {
  return rt::spawn_pinned<egress_actor, egress_state>(in, "", in, std::move(config), std::move(switchboard));
}

}  // namespace troupe::egress
