// The agent's end as an actor, against a server that lets it in and says what the test likes.
#include "actors/tunnel/session.hpp"

#include <algorithm>

#include "actors/runtime/host.hpp"
#include "net/http/server.hpp"
#include "net/sim/network.hpp"
#include "net/tunnel/frame.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::tunnel;

namespace {

using net::tunnel::frame_type;

/// Where the session tells how it is.
class owner_state {
 public:
  static constexpr const char* name = "owner";
  explicit owner_state(rt::self<tunnel_listener_actor>) {}
  void init(std::shared_ptr<std::vector<bool>> told) { told_ = std::move(told); }
  tunnel_listener_actor::behavior_type make_behavior() {
    return {[this](tunnel_state& now) { told_->push_back(now.up); }};
  }

 private:
  std::shared_ptr<std::vector<bool>> told_;
};

struct tunnel_server : net::websocket::sink {
  tunnel_server() {
    on.world.shard = &agent.on();
    on.world.dialer = &agent.dials();
    on.world.tls = &agent.tls();
    on.world.wall = &agent.wall();
    auto& issuer = agent.issuer();
    const auto now = agent.wall().now();
    const auto ca = *issuer.make_ca("ca", now, net::tls::ca_validity);
    const auto leaf_of = [&](net::tls::usage use) {
      net::tls::leaf_request leaf;
      leaf.common_name = "leaf";
      leaf.addresses = {at.host};
      leaf.use = use;
      const auto key = issuer.make_key();
      leaf.public_key = *issuer.public_key_of(key);
      return net::tls::identity{*issuer.sign(leaf, ca, now, net::tls::leaf_validity), key};
    };
    context = *computer.tls().make_server({leaf_of(net::tls::usage::server), ca.certificates});
    how->on_request = [this](const net::http::request& ask, const net::http::exchange_ptr& to) {
      ++let_in;
      over = net::websocket::accept(computer.on(), ask, *to, "", on.chance);
      over->start(this);
      if (on_open) on_open();
    };
    door = std::move(*computer.accepts().listen(at, [this](net::stream_ptr raw) {
      computer.tls().accept(computer.on(), std::move(raw), context, [this](result<net::stream_ptr> safe) {
        if (safe.ok()) served.push_back(net::http::serve(computer.on(), std::move(*safe), how));
      });
    }));
    auto rules = std::make_shared<dial_rules>();
    session_config with{ca.certificates, leaf_of(net::tls::usage::client), rules};
    const auto owner = on.show(rt::spawn<tunnel_listener_actor, owner_state>(on.world, "", told));
    session = on.show(make_session(on.world, std::move(with), owner));
    rt::post(session, keep_tunnel{at});
  }
  ~tunnel_server() override {
    rt::end(session);
    on.run.run_for(1ms);
  }
  void on_message(bool, std::string_view data) override {
    if (const auto f = net::tunnel::decode(data); f && f->is(frame_type::error)) ++refused;
  }
  void on_closed(const error&) override {}
  std::int64_t lines(std::string_view event) const { return std::ranges::count(on.said, event); }

  testing::stage on;
  std::unique_ptr<net::sim::network> net = net::sim::make_network(on.run.plan(), rng(3), *parse_rfc3339("2026-01-01T00:00:00Z"));
  net::sim::computer& agent = net->add("agent", {"10.0.1.1"});
  net::sim::computer& computer = net->add("server", {"10.0.0.1"});
  const endpoint at{"10.0.0.1", 6443};
  std::shared_ptr<const net::tls::server_context> context;
  std::shared_ptr<net::http::server_config> how = std::make_shared<net::http::server_config>();
  std::unique_ptr<net::listener> door;
  std::vector<std::unique_ptr<net::http::server_connection>> served;
  net::websocket::connection_ptr over;
  std::function<void()> on_open;
  std::shared_ptr<std::vector<bool>> told = std::make_shared<std::vector<bool>>();
  session_actor session;
  int let_in = 0, refused = 0;
};

}  // namespace

TEST_CASE("a server that breaks the tunnel's rules each time is let go each time, tried ever less often, and kept once it heeds them") {
  tunnel_server s;
  SUBCASE("with text") { s.on_open = [&] { s.over->send(false, "text"); }; }
  SUBCASE("with a varint that does not end") { s.on_open = [&] { s.over->send(true, std::string(500, '\xff')); }; }
  SUBCASE("with a list of connections that is cut") { s.on_open = [&] { s.over->send(true, net::tunnel::encode(1, 0, frame_type::sync, "1234567")); }; }
  s.on.run.run_for(5min);
  CHECK(s.let_in > 20);
  CHECK(s.let_in < 50);   // One try in 5 to 10 s, after a few that came sooner.
  CHECK(s.lines("tunnel.lost") <= s.let_in);
  CHECK(s.lines("tunnel.lost") >= s.let_in - 1);
  CHECK(std::ranges::count(*s.told, true) == s.let_in);
  CHECK(std::ranges::count(*s.told, false) >= s.let_in - 1);
  s.on_open = nullptr;
  REQUIRE(s.on.run.run_until([&, before = s.let_in] { return s.let_in > before; }, 20s));
  const auto kept = s.let_in;
  s.on.run.run_for(1s);
  CHECK(s.told->back());
  for (int i = 0; i < 60; ++i) s.over->ping(), s.on.run.run_for(2s);
  CHECK(s.let_in == kept);
  CHECK(s.told->back());
  s.over->close(1000, "restart");   // After it has stood for a while it is tried soon again.
  REQUIRE(s.on.run.run_until([&] { return s.let_in == kept + 1; }, 1s));
}

TEST_CASE("a server that floods its agent with Connects is told so one by one, and the agent's log in one line") {
  tunnel_server s;
  REQUIRE(s.on.run.run_until([&] { return s.let_in == 1; }, 5s));
  for (int i = 0; i < 3000; ++i) s.over->send(true, net::tunnel::encode(i, i + 1, frame_type::connect, "tcp/10.0.0.1:22"));
  REQUIRE(s.on.run.run_until([&] { return s.refused == 3000; }, 5s));
  CHECK(s.lines("tunnel.streams_refused") == 1);
  CHECK(s.lines("tunnel.lost") == 0);
  CHECK(*s.told == std::vector<bool>{true});
}
