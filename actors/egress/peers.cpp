#include <algorithm>
#include <map>

#include "actors/egress/egress.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "net/http/client.hpp"

namespace troupe::egress {
namespace {

using tunnel::stream_box;

/// One server that is asked for one stream. Lives until it has answered; everything on the net shard.
class asking : public std::enable_shared_from_this<asking> {
 public:
  using answered = std::function<void(result<net::stream_ptr>)>;
  asking(const rt::world& in, const peers_config& config, endpoint server, net::http::request what, answered done)
      : world_(in), config_(config), server_(std::move(server)), what_(std::move(what)), done_(std::move(done)) {}

  void begin() {
    auto context = world_.tls->make_client({config_.trust, server_.host, config_.identity});
    if (!context.ok()) return done_(context.why());
    world_.dialer->dial(server_, config_.patience, [me = shared_from_this(), context = *context](result<net::stream_ptr> raw) {
      if (!raw.ok()) return me->done_(raw.why());
      me->world_.tls->connect(*me->world_.shard, std::move(*raw), context, [me](result<net::stream_ptr> safe) {
        if (!safe.ok()) return me->done_(safe.why());
        me->ask(std::move(*safe));
      });
    });
  }

 private:
  void ask(net::stream_ptr stream) {
    connection_ = net::http::attach(*world_.shard, std::move(stream));
    connection_->upgrade(what_, to_string(server_), config_.patience, [me = shared_from_this()](result<std::pair<net::http::response, net::stream_ptr>> got) {
      // We stand inside our connection's own call: it dies after that.
      me->world_.shard->post([me] { me->connection_.reset(); });
      if (!got.ok()) return me->done_(got.why());
      me->done_(std::move(got->second));
    });
  }

  const rt::world& world_;
  const peers_config& config_;
  endpoint server_;
  net::http::request what_;
  answered done_;
  std::unique_ptr<net::http::client_connection> connection_;
};

/// What a server said, without the wrapping of its Status.
std::string sentence(const error& why) {
  const auto& note = why.note;
  if (note.empty()) return why.text();
  const auto brace = note.find('{');
  if (brace == std::string::npos) return note;
  const auto status = parse_json(std::string_view(note).substr(brace));
  const auto message = status.ok() ? text_or(dig(*status, "message")) : std::string();
  return message.empty() ? note : message;
}

struct asked {
  caf::typed_response_promise<stream_box> answer;
  std::size_t left = 0;
  std::string said;      ///< What each of them said.
};

class peers_state {
 public:
  static constexpr const char* name = "peers";
  explicit peers_state(rt::self<peers_actor> self) : self_(self) {}

  void init(const rt::world& in, peers_config config) {
    world_ = &in;
    config_ = std::make_shared<const peers_config>(std::move(config));
  }

  peers_actor::behavior_type make_behavior() {
    return {
        [this](tunnel::open_stream& ask) { return open(ask); },
        [this](endpoints::servers_settled& now) { learn(std::move(now.servers)); },
        [this](peer_answered& got) { hear(got); },
        [this](certificates::identity_renewed& now) {
          auto next = *config_;
          next.identity = std::move(now.self);
          config_ = std::make_shared<const peers_config>(std::move(next));   // asks under way keep theirs
        },
    };
  }

 private:
  void learn(std::vector<endpoint> servers) {
    std::erase(servers, config_->self);
    servers_ = std::move(servers);
  }

  caf::result<stream_box> open(const tunnel::open_stream& ask) {
    if (servers_.empty()) return rt::refuse(errc::unavailable, "there is no other server");
    if (asked_.size() >= config_->asks_max) return rt::refuse(errc::overloaded, "too many streams are asked of other servers");
    auto answer = self_->make_response_promise<stream_box>();
    const auto number = ++numbers_;
    asked_.emplace(number, asked{answer, servers_.size(), {}});
    const auto at = parse_endpoint(ask.address);
    net::http::request what;
    what.method = "CONNECT";
    what.path = ask.node.text + ":" + std::to_string(at.ok() ? at->port : 10250);
    what.headers.add(peer_header, "1");
    for (const auto& server : servers_) {
      auto one = std::make_shared<asking>(*world_, *config_, server, what,
          [me = rt::strong<peers_actor>(self_), number, server, keep = config_](result<net::stream_ptr> got) {
            peer_answered out{number, server, nullptr, {}};
            if (got.ok()) out.stream = std::make_shared<net::stream_ptr>(std::move(*got));
            else out.why = got.why();
            rt::post(me, std::move(out));
          });
      one->begin();
    }
    return answer;
  }

  void hear(peer_answered& got) {
    const auto found = asked_.find(got.ask);
    if (found == asked_.end()) return;   // another was first; this stream ends with the message
    auto& ask = found->second;
    if (got.stream) {
      ask.answer.deliver(stream_box{std::move(got.stream)});
      asked_.erase(found);
      return;
    }
    ask.said += (ask.said.empty() ? "" : "; ") + to_string(got.server) + ": " + sentence(got.why);
    if (--ask.left > 0) return;
    ask.answer.deliver(rt::refuse(errc::unavailable, std::move(ask.said)));
    asked_.erase(found);
  }

  rt::self<peers_actor> self_;
  const rt::world* world_ = nullptr;
  std::shared_ptr<const peers_config> config_;
  std::vector<endpoint> servers_;
  std::map<std::uint64_t, asked> asked_;
  std::uint64_t numbers_ = 0;
};

}  // namespace

peers_actor make_peers(const rt::world& in, peers_config config) {
  return rt::spawn_pinned<peers_actor, peers_state>(in, "", in, std::move(config));
}

}  // namespace troupe::egress
