#include "actors/tunnel/switchboard.hpp"

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
        [this](list_tunnels) { return list(); },
        [this](close_tunnels& ask) { close(ask); },
    };
  }

 private:
  caf::result<stream_box> open(open_stream ask) {
    auto answer = self_->make_response_promise<stream_box>();
    const auto found = lines_.find(ask.node);
    if (found != lines_.end() && found->second.session) {
      dial(*found->second.session, ask, answer);
      return answer;
    }
    if (waiting_.size() >= config_.waiting_max) return rt::refuse(errc::overloaded, "too many requests wait for absent nodes");
    const auto number = ++numbers_;
    waiting_.push_back({number, std::move(ask), answer});
    self_->delayed_send(rt::strong<switchboard_actor>(self_), config_.reconnect_wait, wait_due{number});
    return answer;
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
    for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
      if (it->number != number) continue;
      const auto found = lines_.find(it->what.node);
      std::string note = "no tunnel to node " + it->what.node.text;
      if (found == lines_.end()) note += ": it has not connected since this server started";
      else note += ": gone since " + to_rfc3339(found->second.changed) + " (" + found->second.cause + ")";
      it->answer.deliver(rt::refuse(errc::unavailable, note));
      waiting_.erase(it);
      return;
    }
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
  std::uint64_t numbers_ = 0;
};

}  // namespace

switchboard_actor make_switchboard(const rt::world& in, switchboard_config config) {
  return rt::spawn_pinned<switchboard_actor, switchboard_state>(in, "", in, config);
}

}  // namespace troupe::tunnel
