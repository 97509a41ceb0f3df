#include "actors/balancer/balancer.hpp"

#include <unordered_map>

#include "actors/balancer/roster.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"
#include "net/relay/relay.hpp"

namespace troupe::balancer {
namespace {

/// A client that waits for a server: each is tried once.
struct dialing {
  net::stream_ptr client;
  std::vector<endpoint> left;
};
struct relaying {
  endpoint at;
  std::unique_ptr<net::relay> relay;
};

class balancer_state {
 public:
  static constexpr const char* name = "balancer";
  explicit balancer_state(rt::self<balancer_actor> self) : self_(self) {}

  void init(const rt::world& in, balancer_config config) {
    world_ = &in;
    config_ = config;
    roster_.emplace(config.fallback, config.self);
  }

  balancer_actor::behavior_type make_behavior() {
    return {
        [this](start_balancing& ask) { return listen(ask.at); },
        [this](set_roster& next) { replace(std::move(next)); },
        [this](server_lost& news) { carry_out(roster_->lost(news.at)); },
        [this](server_recovered& news) { carry_out(roster_->recovered(news.at)); },
        [this](client_arrived& got) { take(std::move(*got.stream)); },
        [this](dial_settled& got) { settle(got); },
        [this](relay_ended end) { relays_.erase(end.number); },
        [this](show_roster) { return show(); },
    };
  }

 private:
  caf::result<endpoint> listen(const endpoint& at) {
    auto opened = world_->acceptor->listen(at, [me = rt::strong<balancer_actor>(self_)](net::stream_ptr stream) {
      rt::post(me, client_arrived{std::make_shared<net::stream_ptr>(std::move(stream))});
    });
    if (!opened.ok()) return rt::refuse(opened.why());
    listener_ = std::move(*opened);
    return listener_->address();
  }

  void replace(set_roster next) {
    if (next.generation <= generation_) return;
    generation_ = next.generation;
    carry_out(roster_->replace(std::move(next.servers)));
  }

  void carry_out(const std::vector<effect>& effects) {
    for (const auto& e : effects) {
      if (const auto* use = std::get_if<use_server>(&e)) {
        log::info("balancer.server_chosen", {{"server", to_string(use->at)}});
        continue;
      }
      const auto& at = std::get<close_relays>(e).at;
      std::erase_if(relays_, [&](const auto& r) { return r.second.at == at; });
    }
  }

  void take(net::stream_ptr client) {
    if (relays_.size() + dialing_.size() >= config_.relays_max) return;  // the client sees a closed connection
    const auto number = ++numbers_;
    dialing_.emplace(number, dialing{std::move(client), roster_->order()});
    dial(number);
  }

  void dial(std::uint64_t number) {
    auto& d = dialing_.at(number);
    if (d.left.empty()) return void(dialing_.erase(number));
    world_->dialer->dial(d.left.front(), config_.dial_limit, [me = rt::strong<balancer_actor>(self_), number](result<net::stream_ptr> got) {
      dial_settled out{number, nullptr, {}};
      if (got.ok()) out.stream = std::make_shared<net::stream_ptr>(std::move(*got));
      else out.why = got.why();
      rt::post(me, std::move(out));
    });
  }

  void settle(dial_settled& got) {
    const auto found = dialing_.find(got.number);
    if (found == dialing_.end()) return;
    auto& d = found->second;
    const auto at = d.left.front();
    if (!got.stream) {
      carry_out(roster_->lost(at));
      d.left.erase(d.left.begin());
      return dial(got.number);
    }
    carry_out(roster_->recovered(at));
    auto relay = net::splice(*world_->shard, std::move(d.client), std::move(*got.stream),
                             [me = rt::strong<balancer_actor>(self_), number = got.number](error) { rt::post(me, relay_ended{number}); });
    relays_.emplace(got.number, relaying{at, std::move(relay)});
    dialing_.erase(found);
  }

  roster_view show() const {
    static constexpr const char* words[] = {"unknown", "ready", "unready", "lost"};
    roster_view out{roster_->current(), {}, relays_.size()};
    for (const auto& r : roster_->rows()) out.servers.emplace_back(r.at, words[static_cast<int>(r.state)]);
    return out;
  }

  rt::self<balancer_actor> self_;
  const rt::world* world_ = nullptr;
  balancer_config config_;
  std::optional<roster> roster_;
  std::unique_ptr<net::listener> listener_;
  std::unordered_map<std::uint64_t, dialing> dialing_;
  std::unordered_map<std::uint64_t, relaying> relays_;
  std::uint64_t numbers_ = 0, generation_ = 0;
};

}  // namespace

balancer_actor make_balancer(const rt::world& in, balancer_config config) {
  return rt::spawn_pinned<balancer_actor, balancer_state>(in, "", in, std::move(config));
}

}  // namespace troupe::balancer
