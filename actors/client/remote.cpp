#include <deque>
#include <map>

#include "actors/client/clients.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "net/http/client.hpp"

// Callbacks of the connection run on this actor's own thread. They hold a weak mark of the state's
// life: when the actor has ended they do nothing.

namespace troupe::client {
namespace {

using promise = caf::typed_response_promise<api_answer>;
using connection_ptr = std::unique_ptr<net::http::client_connection>;

struct waiting_call {
  api_call what;
  promise answer;
  bool again = false;
};

struct watching {
  std::uint64_t number = 0;
  watcher_actor to;
  connection_ptr connection;
  std::string line;
  int status = 0;
};

constexpr std::size_t line_bytes_max = 4 * 1024 * 1024;

class remote_state {
 public:
  static constexpr const char* name = "remote";
  explicit remote_state(rt::self<remote_actor> self) : self_(self) {}
  ~remote_state() {
    alive_.reset();
    for (const auto& each : watches_) each->connection.reset();   // a watch and its connection hold each other
  }

  void init(const rt::world& in, remote_config config) {
    world_ = &in;
    config_ = std::move(config);
    prepare();
  }

  remote_actor::behavior_type make_behavior() {
    return {
        [this](api_call& call) { return take(std::move(call)); },
        [this](open_watch& ask) { open(std::move(ask)); },
        [this](close_watch& ask) { close(ask); },
        [this](use_identity& next) { change(std::move(next)); },
    };
  }

 private:
  void prepare() {
    auto made = world_->tls->make_client({config_.trust, config_.server_name, config_.self});
    if (made.ok()) tls_ = std::move(*made);
    else broken_ = made.why();
  }
  void change(use_identity next) {
    config_.trust = std::move(next.trust);
    config_.self = std::move(next.self);
    prepare();
    if (calls_ && calls_->idle()) world_->shard->post([old = std::shared_ptr(std::move(calls_))] {});
  }

  template <class F>
  auto guarded(F body) {
    return [alive = std::weak_ptr(alive_), body = std::move(body)](auto&&... xs) mutable {
      if (!alive.expired()) body(std::forward<decltype(xs)>(xs)...);
    };
  }

  void connect(callback<void(result<connection_ptr>)> done) {
    if (!tls_) return done(result<connection_ptr>(broken_));
    auto shared = std::make_shared<callback<void(result<connection_ptr>)>>(std::move(done));
    world_->dialer->dial(config_.at, config_.dial_limit, guarded([this, shared](result<net::stream_ptr> raw) {
      if (!raw.ok()) return (*shared)(result<connection_ptr>(raw.why()));
      world_->tls->connect(*world_->shard, std::move(*raw), tls_, guarded([this, shared](result<net::stream_ptr> safe) {
        if (!safe.ok()) return (*shared)(result<connection_ptr>(safe.why()));
        (*shared)(result<connection_ptr>(net::http::attach(*world_->shard, std::move(*safe))));
      }));
    }));
  }

  static net::http::request as_request(const api_call& call) {
    net::http::request ask;
    ask.method = call.method;
    const auto mark = call.path.find('?');
    ask.path = call.path.substr(0, mark);
    if (mark != std::string::npos) ask.query = call.path.substr(mark + 1);
    ask.headers.add("accept", "application/json");
    ask.headers.add("user-agent", "troupe");
    if (!call.body.empty()) ask.headers.add("content-type", call.content_type);
    ask.body = call.body;
    return ask;
  }

  // --- calls: one at a time, in order ------------------------------------------------------------

  caf::result<api_answer> take(api_call call) {
    if (waiting_.size() >= config_.waiting_max) return rt::refuse(errc::overloaded, "too many calls wait for the server");
    auto answer = self_->make_response_promise<api_answer>();
    waiting_.push_back({std::move(call), answer});
    pump();
    return answer;
  }

  void pump() {
    if (busy_ || waiting_.empty()) return;
    busy_ = true;
    if (calls_ && calls_->idle()) return send();
    calls_.reset();
    connect([this](result<connection_ptr> got) {
      if (!got.ok()) return fail_front(got.code() == errc::timeout ? got.why() : error{errc::unavailable, got.why().text()});
      calls_ = std::move(*got);
      send();
    });
  }

  void send() {
    net::http::fetch(*calls_, as_request(waiting_.front().what), config_.server_name, config_.answer_limit,
                     guarded([this](result<net::http::response> got) { settle(std::move(got)); }));
  }

  void settle(result<net::http::response> got) {
    if (got.ok()) {
      auto call = std::move(waiting_.front());
      waiting_.pop_front();
      busy_ = false;
      call.answer.deliver(api_answer{got->status, got->body.str()});
      return pump();
    }
    // We stand inside the connection's own call: it is dropped once that has returned.
    world_->shard->post([dead = std::shared_ptr(std::move(calls_))] {});
    auto& call = waiting_.front();
    const bool reads = call.what.method == "GET";
    if (reads && !std::exchange(call.again, true)) {
      busy_ = false;
      return pump();
    }
    fail_front(reads ? error{errc::unavailable, got.why().text()} : error{errc::outcome_unknown, got.why().text()});
  }

  void fail_front(const error& why) {
    auto call = std::move(waiting_.front());
    waiting_.pop_front();
    busy_ = false;
    call.answer.deliver(rt::refuse(why));
    pump();
  }

  // --- watches -----------------------------------------------------------------------------------

  void open(open_watch ask) {
    auto w = std::make_shared<watching>();
    w->number = ask.watch;
    w->to = ask.to;
    watches_.push_back(w);
    connect([this, w, call = std::move(ask.call)](result<connection_ptr> got) {
      if (!got.ok()) return end(*w, got.why().text());
      w->connection = std::move(*got);
      net::http::answer_sink sink;
      sink.on_head = guarded([w](int status, net::http::header_list) { w->status = status; });
      sink.on_data = guarded([this, w](std::string_view data) { hear(*w, data); });
      sink.on_end = guarded([this, w](result<void> how) { end(*w, how.ok() ? "the stream ended" : how.why().text()); });
      w->connection->send(as_request(call), config_.server_name, config_.answer_limit, std::move(sink));
    });
  }

  void hear(watching& w, std::string_view data) {
    for (;;) {
      const auto cut = data.find('\n');
      w.line.append(data.substr(0, cut));
      if (w.line.size() > line_bytes_max) return end(w, "an event is too large");
      if (cut == std::string_view::npos) return;
      data.remove_prefix(cut + 1);
      auto event = parse_json(w.line);
      w.line.clear();
      if (!event.ok() || w.status != 200) continue;
      self_->send(w.to, watch_event{w.number, text_or(dig(*event, "type")), std::make_shared<const json>(std::move((*event)["object"]))});
    }
  }

  void end(watching& w, const std::string& why) {
    if (w.number == 0) return;
    const std::string cause = w.status != 0 && w.status != 200 ? "HTTP " + std::to_string(w.status) : why;
    self_->send(w.to, watch_event{std::exchange(w.number, 0), "CLOSED", std::make_shared<const json>(json{{"message", cause}})});
    drop(w);
  }

  void close(const close_watch& ask) {
    for (auto& w : watches_)
      if (w->number == ask.watch && w->to == ask.to) {
        w->number = 0;
        drop(*w);
        break;
      }
  }

  void drop(watching& w) {
    world_->shard->post([dead = std::shared_ptr(std::move(w.connection))] {});
    std::erase_if(watches_, [&](const auto& x) { return x.get() == &w; });
  }

  rt::self<remote_actor> self_;
  const rt::world* world_ = nullptr;
  remote_config config_;
  std::shared_ptr<const net::tls::client_context> tls_;
  error broken_;
  std::deque<waiting_call> waiting_;
  connection_ptr calls_;
  bool busy_ = false;
  std::vector<std::shared_ptr<watching>> watches_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

remote_actor make_remote(const rt::world& in, remote_config config) {
  std::string detail = to_string(config.at);
  return rt::spawn_pinned<remote_actor, remote_state>(in, std::move(detail), in, std::move(config));
}

}  // namespace troupe::client
