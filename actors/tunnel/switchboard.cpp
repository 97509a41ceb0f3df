#include "actors/tunnel/switchboard.hpp"

#include <algorithm>
#include <map>

#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"
#include "net/tunnel/tunnel.hpp"

namespace troupe::tunnel {
namespace {

using promise = caf::typed_response_promise<stream_box>;

struct node_line {
  std::uint64_t number = 0;                          ///< Of the session; 0 while there is none.
  std::unique_ptr<net::tunnel::session> session;
  wall_time changed{};                               ///< When it came or went.
  std::string cause;                                 ///< Why the last one ended.
};

struct waiting_dial {
  std::uint64_t number = 0;
  open_stream what;
  promise answer;
  std::string peers_said;                            ///< Why no other server had it.
};

class switchboard_state {
 public:
  static constexpr const char* name = "switchboard";
  explicit switchboard_state(rt::self<switchboard_actor> self) : self_(self) {}

  void init(const rt::world& in, switchboard_config config) {
    world_ = &in;
    config_ = config;
    dice_ = in.dice.fork("switchboard");
  }

  switchboard_actor::behavior_type make_behavior() {
    return {
        [this](open_stream& ask) { return open(std::move(ask)); },
        [this](session_arrived& got) { take(std::move(got)); },
        [this](session_ended& end) { lose(end); },
        [this](wait_due due) { give_up(due.number); },
        [this](peers_due due) { ask_peers(due.number); },
        [this](list_tunnels) { return list(); },
        [this](close_tunnels& ask) { close(ask); },
        [this](use_peers& with) { peers_ = std::move(with.peers); },
        [this](revocation::revocations_changed& news) {
          for (const auto& [node, line] : lines_)
            if (const auto why = news.now->refusal(node)) close({node, *why});
        },
    };
  }

 private:
  caf::result<stream_box> open(open_stream ask) {
    const auto found = lines_.find(ask.node);
    const bool here = found != lines_.end() && found->second.session;
    // A silent tunnel may be dead already: then another server's is better, if there is one.
    if (here && (!peers_ || found->second.session->silence() < config_.doubt_after)) {
      auto answer = self_->make_response_promise<stream_box>();
      dial(*found->second.session, ask, answer);
      return answer;
    }
    // No promise before this line: whoever has one and returns an error answers nothing at all.
    if (ask.here_only) return rt::refuse(errc::unavailable, absence(ask.node));
    if (waiting_.size() >= config_.waiting_max) return rt::refuse(errc::overloaded, "too many requests wait for absent nodes");
    auto answer = self_->make_response_promise<stream_box>();
    const auto number = ++numbers_;
    waiting_.push_back({number, std::move(ask), answer, {}});
    self_->delayed_send(rt::strong<switchboard_actor>(self_), config_.reconnect_wait, wait_due{number});
    ask_peers(number);
    return answer;
  }

  std::vector<waiting_dial>::iterator find_waiting(std::uint64_t number) {
    return std::find_if(waiting_.begin(), waiting_.end(), [&](const waiting_dial& w) { return w.number == number; });
  }

  // The node may have reached another server sooner than us, so they are asked until the wait is over.
  void ask_peers(std::uint64_t number) {
    const auto waits = find_waiting(number);
    if (waits == waiting_.end() || !peers_) return;
    auto what = waits->what;
    what.here_only = true;
    self_->request(peers_, caf::infinite, std::move(what))
        .then([this, number](stream_box& got) {
          const auto still = find_waiting(number);
          if (still == waiting_.end()) return;
          still->answer.deliver(std::move(got));
          waiting_.erase(still);
        }, [this, number](caf::error& why) {
          const auto still = find_waiting(number);
          if (still == waiting_.end()) return;
          still->peers_said = rt::reason(why).note;
          if (const auto found = lines_.find(still->what.node); found != lines_.end() && found->second.session) {
            dial(*found->second.session, still->what, still->answer);
            waiting_.erase(still);
            return;
          }
          self_->delayed_send(rt::strong<switchboard_actor>(self_), config_.peers_again, peers_due{number});
        });
  }

  void dial(net::tunnel::session& over, const open_stream& ask, promise answer) {
    const auto at = parse_endpoint(ask.address);
    if (!at.ok()) return void(answer.deliver(rt::refuse(at.why())));
    over.dial(*at, std::chrono::seconds(10), [answer](result<net::stream_ptr> got) mutable {
      if (!got.ok()) return void(answer.deliver(rt::refuse(got.why())));
      answer.deliver(stream_box{std::make_shared<net::stream_ptr>(std::move(*got))});
    });
  }

  void take(session_arrived got) {
    auto& line = lines_[got.node];
    if (line.session) line.session->close("replaced by a newer tunnel of the same node");
    retired_.push_back(std::move(line.session));
    line.number = ++numbers_;
    line.changed = world_->wall->now();
    net::tunnel::session_config with;
    with.side = net::websocket::role::server;
    with.name = got.node.text;
    with.on_end = [me = rt::strong<switchboard_actor>(self_), number = line.number](const error& why) {
      rt::post(me, session_ended{number, why});
    };
    with.on_refusals = [node = with.name](std::string_view why, std::uint64_t count) {
      log::warn("tunnel.streams_refused", {{"node", node}, {"why", std::string(why)}, {"count", count}});
    };
    line.session = net::tunnel::open(*world_->shard, std::move(*got.over), std::move(with), dice_.fork(got.node.text));
    log::info("tunnel.session_opened", {{"node", got.node.text}});
    serve_waiting(got.node, *line.session);
    bound_memory();
  }

  void serve_waiting(const node_name& node, net::tunnel::session& over) {
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (it->what.node != node) {
        ++it;
        continue;
      }
      dial(over, it->what, it->answer);
      it = waiting_.erase(it);
    }
  }

  void lose(const session_ended& end) {
    retired_.clear();
    for (auto& [node, line] : lines_) {
      if (line.number != end.number || !line.session) continue;
      line.session.reset();
      line.changed = world_->wall->now();
      line.cause = end.why.text();
      log::info("tunnel.session_ended", {{"node", node.text}, {"why", line.cause}});
    }
  }

  void give_up(std::uint64_t number) {
    const auto waits = find_waiting(number);
    if (waits == waiting_.end()) return;
    auto note = absence(waits->what.node);
    if (!waits->peers_said.empty()) note += "; other servers: " + waits->peers_said;
    waits->answer.deliver(rt::refuse(errc::unavailable, std::move(note)));
    waiting_.erase(waits);
  }

  std::string absence(const node_name& node) const {
    const auto found = lines_.find(node);
    const std::string note = "no tunnel to node " + node.text;
    if (found != lines_.end() && found->second.session) return note + " that answers: nothing was heard through it since " + to_rfc3339(world_->wall->now() - found->second.session->silence());
    if (found == lines_.end()) return note + ": it has not connected since this server started";
    return note + ": gone since " + to_rfc3339(found->second.changed) + " (" + found->second.cause + ")";
  }

  std::vector<std::string> list() const {
    std::vector<std::string> out;
    for (const auto& [node, line] : lines_)
      if (line.session) out.push_back(node.text);
    return out;
  }

  void close(const close_tunnels& ask) {
    const auto found = lines_.find(ask.node);
    if (found != lines_.end() && found->second.session) found->second.session->close(ask.why);
  }

  void bound_memory() {
    if (lines_.size() <= config_.remembered_max) return;
    for (auto it = lines_.begin(); it != lines_.end();) it = it->second.session ? std::next(it) : lines_.erase(it);
  }

  rt::self<switchboard_actor> self_;
  const rt::world* world_ = nullptr;
  switchboard_config config_;
  rng dice_{0};
  std::map<node_name, node_line> lines_;
  std::vector<std::unique_ptr<net::tunnel::session>> retired_;   // closing; dropped at the next end
  std::vector<waiting_dial> waiting_;
  dialer_actor peers_;
  std::uint64_t numbers_ = 0;
};

}  // namespace

switchboard_actor make_switchboard(const rt::world& in, switchboard_config config) {
  return rt::spawn_pinned<switchboard_actor, switchboard_state>(in, "", in, config);
}

}  // namespace troupe::tunnel
