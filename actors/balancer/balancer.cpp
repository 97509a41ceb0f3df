#include "actors/balancer/balancer.hpp"

#include <algorithm>
#include <map>

#include "actors/balancer/status.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

//   client --> balancer --open_stream--> connection (the best) --dial_settled--> balancer --begin_relay--> that connection
//                 '--- after hedge_after, or when it fails or is lost: open_stream --> connection (the next)
//   connection --client_refused--> balancer: the server ended without a word, so the client goes on to the next
//   connection --server_seen--> balancer --> roster --> close_relays, use_server, attend, dismiss

namespace troupe::balancer {
namespace {

/// A client that waits for a server. Each server is tried once.
struct dialing {
  net::stream_ptr client;
  std::string said;                ///< What a server that went has left unanswered.
  std::vector<endpoint> order;
  std::size_t tried = 0;           ///< Of order, from its front.
  std::vector<endpoint> under_way;
  net::timer_id hedge = 0;
};

class balancer_state {
 public:
  static constexpr const char* name = "balancer";
  explicit balancer_state(rt::self<balancer_actor> self) : self_(self) {}
  ~balancer_state() {
    alive_.reset();
    for (auto& [at, one] : tended_) rt::end(one.link);
  }

  void init(const rt::world& in, balancer_config config) {
    world_ = &in;
    config_ = std::move(config);
    roster_.emplace(config_.fallback, config_.self, world_->shard->now(), config_.limits);
    attend(config_.fallback);
    rt::post(rt::strong<balancer_actor>(self_), look_due{});
  }

  balancer_actor::behavior_type make_behavior() {
    return {
        [this](start_balancing& ask) { return listen(ask.at); },
        [this](set_roster& next) { carry_out(roster_->replace(std::move(next.servers), next.generation, now())); },
        [this](doubt_server& who) { doubt(who.at); },
        [this](client_arrived& got) { take(std::move(*got.stream)); },
        [this](connection::dial_settled& got) { settle(got); },
        [this](connection::server_seen& got) { hear(got); },
        [this](connection::client_refused& got) { take_back(got); },
        [this](look_due) { look(); },
        [this](show_roster) { return show(); },
    };
  }

 private:
  mono_time now() const { return world_->shard->now(); }

  caf::result<endpoint> listen(const endpoint& at) {
    auto opened = world_->acceptor->listen(at, [me = rt::strong<balancer_actor>(self_)](net::stream_ptr stream) {
      rt::post(me, client_arrived{std::make_shared<net::stream_ptr>(std::move(stream))});
    });
    if (!opened.ok()) return rt::refuse(opened.why());
    endpoint bound = (*opened)->address();
    listeners_.push_back(std::move(*opened));
    roster_->refuse(bound);   // a list that names us would have us dial ourselves, for ever
    publish();
    return bound;
  }

  // --- what the roster decides -------------------------------------------------------------------

  void attend(const endpoint& at) {
    auto link = config_.connect(at, caf::actor_cast<connection::owner_actor>(rt::strong<balancer_actor>(self_)));
    tended_[at] = {std::move(link), {}, 0};
  }
  void dismiss(const endpoint& at) {
    log::info("balancer.server_dismissed", {{"server", to_string(at)}});
    const auto found = tended_.find(at);
    if (found == tended_.end()) return;
    rt::end(found->second.link);   // its relays end with it
    tended_.erase(found);
  }
  void doubt(const endpoint& at) {
    if (const auto found = tended_.find(at); found != tended_.end()) self_->send(found->second.link, connection::probe_now{});
  }

  void carry_out(const std::vector<effect>& effects) {
    for (const auto& e : effects) {
      if (const auto* use = std::get_if<use_server>(&e)) log::info("balancer.server_chosen", {{"server", to_string(use->at)}, {"why", roster_->reason()}});
      if (const auto* shut = std::get_if<close_relays>(&e); shut && tended_.contains(shut->at)) {
        log::info("balancer.relays_closed", {{"server", to_string(shut->at)}, {"relays", tended_.at(shut->at).relays}});
        self_->send(tended_.at(shut->at).link, connection::close_relays{});
        tended_.at(shut->at).relays = 0;
      }
      if (const auto* more = std::get_if<attend_server>(&e)) attend(more->at);
      if (const auto* less = std::get_if<dismiss_server>(&e)) dismiss(less->at);
      if (const auto* list = std::get_if<doubt_list>(&e)) log::warn("balancer.list_doubted", {{"why", list->why}});
    }
    if (!effects.empty()) publish();
  }

  void hear(connection::server_seen& got) {
    const auto found = tended_.find(got.at);
    if (found == tended_.end()) return;
    found->second.latency = got.latency;
    found->second.relays = got.relays;
    const auto before = state_of(got.at);
    switch (got.what) {
      case connection::verdict::ready: carry_out(roster_->recovered(got.at, now())); break;
      case connection::verdict::unready: carry_out(roster_->unready(got.at, now(), std::move(got.why))); break;
      case connection::verdict::lost: carry_out(roster_->lost(got.at, now(), std::move(got.why))); break;
    }
    const auto after = state_of(got.at);
    if (before == after) return;
    const auto& row = *find(got.at);
    log::info(event_of(after), {{"server", to_string(got.at)}, {"why", after == roster::health::ready ? "" : row.error}});
    if (after == roster::health::lost) go_on_from(got.at);
    publish();
  }

  const roster::row* find(const endpoint& at) const {
    for (const auto& r : roster_->rows())
      if (r.at == at) return &r;
    return nullptr;
  }
  roster::health state_of(const endpoint& at) const {
    const auto* r = find(at);
    return r ? r->state : roster::health::unknown;
  }

  static std::string_view event_of(roster::health state) {
    if (state == roster::health::ready) return "balancer.server_ready";
    return state == roster::health::lost ? "balancer.server_lost" : "balancer.server_unready";
  }

  // --- clients -----------------------------------------------------------------------------------

  void take(net::stream_ptr client) {
    if (carried() + dialing_.size() >= config_.relays_max) {   // the client sees a closed connection
      if (!std::exchange(full_, true)) log::warn("balancer.full", {{"clients", config_.relays_max}});
      return;
    }
    full_ = false;
    const auto number = ++numbers_;
    auto& d = dialing_[number];
    d.client = std::move(client);
    d.order = roster_->order();
    dial_next(number, d);
  }

  void dial_next(std::uint64_t number, dialing& d) {
    while (d.tried < d.order.size()) {
      const auto& at = d.order[d.tried++];
      const auto found = tended_.find(at);
      if (found == tended_.end() || find(at)->draining) continue;   // it left the list meanwhile
      d.under_way.push_back(at);
      self_->send(found->second.link, connection::open_stream{number});
      return arm_hedge(number, d);
    }
  }

  void arm_hedge(std::uint64_t number, dialing& d) {
    world_->shard->cancel(std::exchange(d.hedge, 0));
    if (d.tried == d.order.size() || d.under_way.size() >= config_.dials_max) return;
    d.hedge = world_->shard->after(config_.hedge_after, [this, alive = std::weak_ptr(alive_), number] {
      if (alive.expired()) return;
      const auto found = dialing_.find(number);
      if (found == dialing_.end()) return;
      found->second.hedge = 0;
      dial_next(number, found->second);
    });
  }

  // The server is lost: those that wait for it also try the next, in the order in which they came.
  void go_on_from(const endpoint& at) {
    for (auto& [number, d] : dialing_)
      if (std::find(d.under_way.begin(), d.under_way.end(), at) != d.under_way.end()) dial_next(number, d);
  }

  void settle(connection::dial_settled& got) {
    if (!got.stream) doubt(got.at);
    const auto found = dialing_.find(got.number);
    if (found == dialing_.end()) return;   // another server was faster; this stream ends here
    auto& d = found->second;
    std::erase(d.under_way, got.at);
    const auto at = tended_.find(got.at);
    if (got.stream && at != tended_.end()) {
      world_->shard->cancel(d.hedge);
      ++at->second.relays;
      connection::client_box box{std::move(d.client), std::move(d.said), std::move(d.under_way)};
      box.left.insert(box.left.end(), d.order.begin() + static_cast<std::ptrdiff_t>(d.tried), d.order.end());
      self_->send(at->second.link, connection::begin_relay{std::make_shared<connection::client_box>(std::move(box)), std::move(got.stream)});
      dialing_.erase(found);
      return;
    }
    dial_next(got.number, d);
    if (!d.under_way.empty()) return;
    log::debug("balancer.client_left", {{"why", got.why.text()}});
    dialing_.erase(found);
  }

  // A server took it and went before it said a word: it goes on to those that were not tried.
  void take_back(connection::client_refused& got) {
    doubt(got.at);
    if (const auto at = tended_.find(got.at); at != tended_.end() && at->second.relays > 0) --at->second.relays;
    const auto number = ++numbers_;
    auto& d = dialing_[number];
    d.client = std::move(got.client->stream);
    d.said = std::move(got.client->said);
    d.order = std::move(got.client->left);
    dial_next(number, d);
    if (d.under_way.empty()) dialing_.erase(number);
  }

  // --- each second -------------------------------------------------------------------------------

  void look() {
    carry_out(roster_->pass(now()));
    for (const auto& at : roster_->strays(now()))
      if (const auto found = tended_.find(at); found != tended_.end())
        self_->send(found->second.link, connection::return_relays{config_.returns_per_second});
    publish();
    self_->delayed_send(rt::strong<balancer_actor>(self_), look_every, look_due{});
  }

  std::size_t carried() const {
    std::size_t out = 0;
    for (const auto& [at, one] : tended_) out += one.relays;
    return out;
  }
  roster_view show() const { return {roster_->current(), roster_->rows(), roster_->generation(), carried(), dialing_.size()}; }

  void publish() {
    if (!world_->publish) return;
    link_facts facts;
    for (const auto& one : listeners_) facts.listeners.push_back(one->address());
    facts.now = world_->wall->now();
    facts.waiting = dialing_.size();
    for (const auto& r : roster_->rows()) {
      const auto& one = tended_.at(r.at);
      facts.servers.push_back({r, facts.now - (now() - r.since), one.latency, one.relays});
    }
    world_->publish("balancer", to_text(render_link(*roster_, facts)));
  }

  static constexpr duration look_every = std::chrono::seconds(1);
  struct tended {
    connection::connection_actor link;
    duration latency{};
    std::size_t relays = 0;   ///< As the connection last told, and those begun since.
  };

  rt::self<balancer_actor> self_;
  const rt::world* world_ = nullptr;
  balancer_config config_;
  std::optional<roster> roster_;
  std::vector<std::unique_ptr<net::listener>> listeners_;
  std::map<endpoint, tended> tended_;
  std::map<std::uint64_t, dialing> dialing_;   ///< In the order of arrival.
  std::uint64_t numbers_ = 0;
  bool full_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace

balancer_actor make_balancer(const rt::world& in, balancer_config config) {
  return rt::spawn_pinned<balancer_actor, balancer_state>(in, "", in, std::move(config));
}

}  // namespace troupe::balancer
