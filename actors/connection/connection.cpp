#include "actors/connection/connection.hpp"

#include <map>

#include "actors/runtime/spawn.hpp"
#include "basis/check.hpp"
#include "net/http/client.hpp"
#include "net/relay/first_word.hpp"
#include "net/relay/relay.hpp"

//            probe_due                 kept connection still there
//   waiting ----------> dialling --TLS--> asking --answer--> server_seen, waiting
//      ^                    |                |
//      '--- server_seen ----'---- silence ---'      probe_now and a kept connection that ends: probe_due at once
//
// Callbacks of dialer, TLS and HTTP run on this actor's own thread. They hold a weak mark of the state's life and the
// number of their round: when the actor has ended or the round is over they do nothing.

namespace troupe::connection {
namespace {

struct carried {
  std::unique_ptr<net::relay> relay;
  std::uint64_t seen_bytes = 0;   ///< When it was last asked to return.
  unsigned asked = 0;
};

class connection_state {
 public:
  static constexpr const char* name = "connection";
  explicit connection_state(rt::self<connection_actor> self) : self_(self) {}
  ~connection_state() { alive_.reset(); }

  void init(const rt::world& in, connection_config config, owner_actor owner) {
    world_ = &in;
    config_ = std::move(config);
    owner_ = std::move(owner);
    CHECK_THAT(problem(config_.probe).empty());
    health_.emplace(config_.probe);
    dice_ = in.dice.fork("connection").fork(to_string(config_.at));
    auto made = in.tls->make_client({config_.trust, "127.0.0.1", config_.self});
    if (made.ok()) tls_ = std::move(*made);
    else broken_ = made.why();
    rt::post(rt::strong<connection_actor>(self_), probe_due{round_});
  }

  connection_actor::behavior_type make_behavior() {
    return {
        [this](open_stream ask) { dial(ask.number); },
        [this](begin_relay& what) { begin_trial(std::move(what)); },
        [this](close_relays) { let_go(); },
        [this](return_relays ask) { send_back(ask.count_max); },
        [this](probe_now) { if (world_->shard->now() - settled_ >= config_.probe.rest) probe(); },
        [this](relay_ended end) { relays_.erase(end.number); },
        [this](probe_due due) { if (due.round == round_) probe(); },
    };
  }

 private:
  template <class F>
  auto guarded(F body) {
    return [round = round_, this, alive = std::weak_ptr(alive_), body = std::move(body)](auto&&... xs) mutable {
      if (!alive.expired() && round == round_) body(std::forward<decltype(xs)>(xs)...);
    };
  }

  // --- carrying ----------------------------------------------------------------------------------

  // What carried nothing was probed seldom; from now on its silence hurts somebody.
  void be_used() {
    const auto due = settled_ + config_.probe.every, now = world_->shard->now();
    if (!probing_ && due < due_) probe_soon(std::max(due - now, duration::zero()));
  }

  void dial(std::uint64_t number) {
    be_used();
    ++dials_;
    world_->dialer->dial(config_.at, config_.dial_limit, [this, alive = std::weak_ptr(alive_), at = config_.at, owner = owner_, number](result<net::stream_ptr> got) {
      if (!alive.expired()) --dials_;
      dial_settled out{at, number, nullptr, {}};
      if (got.ok()) out.stream = std::make_shared<net::stream_ptr>(std::move(*got));
      else out.why = got.why();
      rt::post(owner, std::move(out));
    });
  }

  // Until the server has said its first word the client may still be taken elsewhere.
  void begin_trial(begin_relay what) {
    const auto number = ++numbers_;
    auto& client = *what.client;
    trials_[number] = net::await_first_word(*world_->shard, std::move(client.stream), std::move(*what.server), std::move(client.said),
                                            [this, alive = std::weak_ptr(alive_), number, left = std::move(client.left)](net::word_outcome out) mutable {
      if (!alive.expired()) end_trial(number, std::move(left), std::move(out));
    });
  }
  void end_trial(std::uint64_t number, std::vector<endpoint> left, net::word_outcome out) {
    trials_.erase(number);
    if (out.client && out.server) return carry(number, std::move(out.client), std::move(out.server));
    if (!out.client) return;
    client_box box{std::move(out.client), std::move(out.said), std::move(left)};
    rt::post(owner_, client_refused{config_.at, std::make_shared<client_box>(std::move(box))});
  }
  void carry(std::uint64_t number, net::stream_ptr client, net::stream_ptr server) {
    auto made = net::splice(*world_->shard, std::move(client), std::move(server),
                            [me = rt::strong<connection_actor>(self_), number](error) { rt::post(me, relay_ended{number}); });
    relays_.emplace(number, carried{std::move(made)});
  }
  void let_go() {
    relays_.clear();
    for (auto& [number, trial] : trials_) trial->give_up({errc::unavailable, "the server was lost"});
  }
  std::size_t carrying() const { return relays_.size() + trials_.size(); }

  // Quiet ones first: whoever waits for an answer just now would have to ask again.
  void send_back(std::size_t count_max) {
    std::size_t sent = 0;
    for (auto it = relays_.begin(); it != relays_.end();) {
      auto& one = it->second;
      const auto totals = one.relay->totals();
      const bool quiet = one.asked > 0 && totals.there + totals.back == one.seen_bytes;
      one.seen_bytes = totals.there + totals.back;
      const bool goes = sent < count_max && (quiet || ++one.asked > config_.returns_patience);
      if (goes) ++sent;
      it = goes ? relays_.erase(it) : std::next(it);
    }
  }

  // --- probing -----------------------------------------------------------------------------------

  void probe() {
    if (probing_) return;
    probing_ = true;
    ++round_;
    if (timer_ != 0) world_->shard->cancel(std::exchange(timer_, 0));
    arm_deadline(config_.probe.deadline, false);
    if (!tls_) return settle(health_->answered(false), "this node's certificate cannot be used: " + broken_.note);
    if (kept_ && kept_->idle()) return ask(true);
    drop_kept();
    connect();
  }

  void arm_deadline(duration wait, bool last) {
    const auto due = world_->shard->now() + wait;
    timer_ = world_->shard->after(wait, guarded([this, due, last] {
      timer_ = 0;
      if (!last && !health_->is_its_fault(world_->shard->now() - due)) return arm_deadline(config_.probe.grace, true);
      miss("no answer within " + std::to_string(config_.probe.deadline / std::chrono::milliseconds(1)) + " ms");
    }));
  }

  void connect() {
    world_->dialer->dial(config_.at, config_.probe.deadline, guarded([this](result<net::stream_ptr> raw) {
      if (!raw.ok()) return miss(raw.why().note);
      world_->tls->connect(*world_->shard, std::move(*raw), tls_, guarded([this](result<net::stream_ptr> safe) {
        if (!safe.ok() && safe.code() == errc::untrusted) return settle(health_->answered(false), "its certificate is not of this cluster: " + safe.why().note);
        if (!safe.ok()) return miss(safe.why().text());
        kept_ = net::http::attach(*world_->shard, std::move(*safe));
        ask(false);
      }));
    }));
  }

  void ask(bool again) {
    net::http::request what;
    what.method = "GET";
    what.path = "/readyz";
    what.headers.add("user-agent", "troupe-probe");
    const auto asked = world_->shard->now();
    // Our own deadline decides; the connection's is only so that it ends at all.
    net::http::fetch(*kept_, what, to_string(config_.at), 2 * config_.probe.deadline,
                     guarded([this, again, asked](result<net::http::response> got) { hear(again, asked, std::move(got)); }), answer_bytes_max);
  }

  void hear(bool again, mono_time asked, result<net::http::response> got) {
    if (!got.ok()) {
      drop_kept();
      // It had been idle and ended as we asked: a fresh one tells what is the matter, within the same deadline.
      if (again) return connect();
      return miss(got.why().text());
    }
    latency_ = world_->shard->now() - asked;
    if (got->status == 200) return settle(health_->answered(true), {});
    std::string said(got->body.view().substr(0, said_bytes_max));
    said = said.substr(0, said.find('\n'));
    for (auto& c : said)
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
    settle(health_->answered(false), "answers " + std::to_string(got->status) + (said.empty() ? "" : ": " + said));
  }

  void miss(std::string why) {
    drop_kept();
    settle(health_->missed(), std::move(why));
  }

  void settle(verdict what, std::string why) {
    ++round_;
    probing_ = false;
    settled_ = world_->shard->now();
    if (timer_ != 0) world_->shard->cancel(std::exchange(timer_, 0));
    if (kept_ && kept_->open()) kept_->on_closed(guarded([this] { drop_kept(), probe_soon(duration::zero()); }));
    rt::post(owner_, server_seen{config_.at, what, std::move(why), latency_, carrying()});
    probe_soon(health_->wait(carrying() + dials_ > 0, dice_));
  }

  void probe_soon(duration wait) {
    if (timer_ != 0) world_->shard->cancel(timer_);
    due_ = world_->shard->now() + wait;
    timer_ = world_->shard->after(wait, guarded([this] {
      timer_ = 0;
      rt::post(rt::strong<connection_actor>(self_), probe_due{round_});
    }));
  }

  // We may stand inside the connection's own call: it goes once that has returned.
  void drop_kept() {
    if (kept_) world_->shard->post([dead = std::move(kept_)] {});
  }

  static constexpr std::size_t answer_bytes_max = 64 * 1024, said_bytes_max = 100;

  rt::self<connection_actor> self_;
  const rt::world* world_ = nullptr;
  connection_config config_;
  owner_actor owner_;
  std::optional<health> health_;
  rng dice_{0};
  std::shared_ptr<const net::tls::client_context> tls_;
  error broken_;
  std::unique_ptr<net::http::client_connection> kept_;
  std::map<std::uint64_t, carried> relays_;   ///< Oldest first.
  std::map<std::uint64_t, std::unique_ptr<net::first_word>> trials_;
  std::uint64_t numbers_ = 0, round_ = 0;
  std::size_t dials_ = 0;
  net::timer_id timer_ = 0;
  duration latency_{};
  mono_time settled_{}, due_{};               ///< When the last probe ended; when the next one begins.
  bool probing_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace

connection_actor make_connection(const rt::world& in, connection_config config, owner_actor owner) {
  auto detail = to_string(config.at);
  return rt::spawn_pinned<connection_actor, connection_state>(in, std::move(detail), in, std::move(config), std::move(owner));
}

}  // namespace troupe::connection
