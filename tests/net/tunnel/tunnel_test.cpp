#include "net/tunnel/tunnel.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include "tests/net/tunnel/ends.hpp"

using namespace troupe;
using namespace troupe::net;
using test::by_hand, test::echo, test::plain_masks;

namespace {

/// A server's and an agent's end of one tunnel; the agent dials services of its own network.
struct tunnelled {
  explicit tunnelled(tunnel::session_config with = {}) {
    auto ends = test::connect(*at);
    with.name = "node-a";
    auto server_config = with, agent_config = with;
    server_config.side = websocket::role::server;
    server_config.on_end = [this](const error& why) { server_end = why; };
    agent_config.side = websocket::role::client;
    agent_config.on_end = [this](const error& why) { agent_end = why; };
    agent_config.on_dial = [this](const tunnel::dial_request& ask, dialer::dialed done) {
      asked.push_back(ask.protocol + " " + ask.address);
      const auto to = parse_endpoint(ask.address);
      at->dials().dial(*to, 5s, std::move(done));
    };
    auto opened = at->accepts().listen(at->anywhere(), [this](stream_ptr s) {
      if (hold) held.push_back(std::move(s));
      else services.push_back(std::make_unique<echo>(std::move(s)));
    });
    REQUIRE(opened.ok());
    door = std::move(*opened);
    server = tunnel::open(at->on(), websocket::wrap(at->on(), std::move(ends.far), websocket::role::server, masks), server_config, rng(1));
    agent = tunnel::open(at->on(), websocket::wrap(at->on(), std::move(ends.near), websocket::role::client, masks), agent_config, rng(2));
  }
  stream_ptr dial(const endpoint& to, stream_sink* ear) {
    stream_ptr out;
    server->dial(to, 5s, [&](result<stream_ptr> s) {
      REQUIRE(s.ok());
      out = std::move(*s);
    });
    REQUIRE(at->until([&] { return out != nullptr; }));
    out->start(ear);
    return out;
  }
  std::unique_ptr<test::stage> at = test::make_sim_stage();
  plain_masks masks;
  std::vector<std::unique_ptr<echo>> services;
  std::vector<stream_ptr> held;
  std::vector<std::string> asked;
  std::optional<error> server_end, agent_end;
  std::unique_ptr<listener> door;
  bool hold = false;
  std::unique_ptr<tunnel::session> server, agent;
};

}  // namespace

TEST_CASE("a stream through the tunnel reaches what the agent dials, and ends at both ends") {
  tunnelled t;
  test::recorder ear;
  auto s = t.dial(t.door->address(), &ear);
  s->write("hello");
  REQUIRE(t.at->until([&] { return ear.text == "hello"; }));
  CHECK(t.asked == std::vector{"tcp " + to_string(t.door->address())});
  CHECK(t.server->streams() == 1);
  s->close();
  REQUIRE(t.at->until([&] { return t.services[0]->over && ear.closes == 1 && t.server->streams() == 0 && t.agent->streams() == 0; }));
  CHECK(ear.end->code == errc::closed);
  CHECK(t.server->bytes_out() > 0);
}

TEST_CASE("the service's end reaches the server after its last words") {
  tunnelled t;
  t.hold = true;
  test::recorder ear;
  auto s = t.dial(t.door->address(), &ear);
  REQUIRE(t.at->until([&] { return t.held.size() == 1; }));
  t.held[0]->write(std::string(1'000'000, 'w'));
  t.held[0]->close();
  REQUIRE(t.at->until([&] { return ear.closes == 1; }));
  CHECK(ear.text.size() == 1'000'000);
}

TEST_CASE("closing and destroying at once still sends what was written") {
  tunnelled t;
  t.hold = true;
  test::recorder ear, service;
  auto s = t.dial(t.door->address(), &ear);
  REQUIRE(t.at->until([&] { return t.held.size() == 1; }));
  t.held[0]->start(&service);
  s->write(std::string(1'000'000, 'c'));
  s->close();
  s.reset();
  REQUIRE(t.at->until([&] { return service.closes == 1; }));
  CHECK(service.text.size() == 1'000'000);
}

TEST_CASE("a refused dial costs one stream, and its reason comes back") {
  tunnelled t;
  test::recorder good, bad;
  auto live = t.dial(t.door->address(), &good);
  auto dead = t.dial({"10.0.0.2", 9}, &bad);
  REQUIRE(t.at->until([&] { return bad.closes == 1; }));
  CHECK(bad.end->code == errc::unavailable);
  CHECK(bad.end->note.find("refused") != std::string::npos);
  live->write("still");
  CHECK(t.at->until([&] { return good.text == "still"; }));
  CHECK_FALSE(t.server_end.has_value());
}

TEST_CASE("a slow reader holds its own stream back, in bounded memory, and no other") {
  tunnelled t;
  t.hold = true;
  test::recorder slow, quick;
  auto bulk = t.dial(t.door->address(), &slow);
  REQUIRE(t.at->until([&] { return t.held.size() == 1; }));
  bulk->pause();
  for (int i = 0; i < 300; ++i) t.held[0]->write(std::string(100'000, 'b'));
  t.at->settle();
  t.at->settle();
  t.hold = false;
  auto small = t.dial(t.door->address(), &quick);
  small->write("through");
  REQUIRE(t.at->until([&] { return quick.text == "through"; }));
  CHECK(slow.text.size() < 1'000'000);
  CHECK(t.server->bytes_in() < 8'000'000);    // Pause was heeded: 2 MiB, and what was under way.
  CHECK(t.held[0]->unsent() > 15'000'000);    // The rest waits at its source.
  bulk->resume();
  REQUIRE(t.at->until([&] { return slow.text.size() == 30'000'000; }));
}

TEST_CASE("both directions may be congested at once, and both go on") {
  tunnelled t;
  t.hold = true;
  test::recorder near, far;
  auto s = t.dial(t.door->address(), &near);
  REQUIRE(t.at->until([&] { return t.held.size() == 1; }));
  t.held[0]->start(&far);
  s->pause();
  t.held[0]->pause();
  s->write(std::string(12'000'000, 'n'));
  t.held[0]->write(std::string(12'000'000, 'f'));
  t.at->settle();
  t.held[0]->resume();
  s->resume();
  CHECK(t.at->until([&] { return near.text.size() == 12'000'000 && far.text.size() == 12'000'000; }));
}

TEST_CASE("a hundred streams echo side by side") {
  tunnelled t;
  std::vector<std::unique_ptr<test::recorder>> ears;
  std::vector<stream_ptr> all;
  for (int i = 0; i < 100; ++i) {
    ears.push_back(std::make_unique<test::recorder>());
    all.push_back(t.dial(t.door->address(), ears.back().get()));
    all.back()->write(std::string(20'000, static_cast<char>('a' + i % 26)) + std::to_string(i));
  }
  REQUIRE(t.at->until([&] {
    for (int i = 0; i < 100; ++i)
      if (!ears[static_cast<std::size_t>(i)]->text.ends_with(std::to_string(i)) || ears[static_cast<std::size_t>(i)]->text.size() < 20'001) return false;
    return true;
  }));
  CHECK(t.server->streams() == 100);
}

TEST_CASE("the end of the session ends its streams, at both ends, and dials fail afterwards") {
  tunnelled t;
  test::recorder ear;
  auto s = t.dial(t.door->address(), &ear);
  REQUIRE(t.at->until([&] { return t.services.size() == 1; }));
  t.agent->close("going away");
  REQUIRE(t.at->until([&] { return ear.closes == 1 && t.services[0]->over && t.server_end && t.agent_end; }));
  std::optional<error> why;
  t.server->dial({"10.0.0.2", 80}, 1s, [&](result<stream_ptr> r) { why = r.why(); });
  REQUIRE(t.at->until([&] { return why.has_value(); }));
  CHECK(why->code == errc::closed);
  s->write("ignored");
  s->close();
}

TEST_CASE("destroying a session cuts its streams and tells no owner") {
  tunnelled t;
  test::recorder ear;
  auto s = t.dial(t.door->address(), &ear);
  REQUIRE(t.at->until([&] { return t.services.size() == 1; }));
  t.server.reset();
  REQUIRE(t.at->until([&] { return ear.closes == 1 && t.agent_end.has_value() && t.services[0]->over; }));
  CHECK_FALSE(t.server_end.has_value());
}

TEST_CASE("a silent far side ends the session") {
  by_hand h;
  h.peer->pause();
  CHECK(h.at->until([&] { return h.end.has_value(); }));
  CHECK(h.end->code == errc::timeout);
}

TEST_CASE("a tunnel that is only idle stays, because the agent pings") {
  tunnelled t;
  const auto from = t.at->on().now();
  CHECK(t.at->until([&] { return t.at->on().now() - from > 10min; }));
  CHECK_FALSE(t.server_end.has_value());
  CHECK_FALSE(t.agent_end.has_value());
}

TEST_CASE("the server's frames are those of remotedialer, and a K3s agent's habits are tolerated") {
  by_hand h;
  test::recorder ear;
  stream_ptr s;
  h.server->dial({"127.0.0.1", 10250}, 1s, [&](result<stream_ptr> r) { s = std::move(*r); });
  REQUIRE(h.at->until([&] { return s && h.frames.size() == 1; }));
  CHECK(h.frames[0] == "2 2 tcp/127.0.0.1:10250");
  s->start(&ear);
  s->write("ask");
  h.say(2, tunnel::frame_type::data, "answer");
  CHECK(ear.text == "answer");
  CHECK(h.frames.back() == "1 2 ask");
  h.say(2, tunnel::frame_type::pause, "");
  s->write("held");
  h.at->settle();
  CHECK(h.frames.back() == "1 2 ask");
  h.say(2, tunnel::frame_type::resume, "");
  CHECK(h.frames.back() == "1 2 held");
  h.say(2, tunnel::frame_type::error, "EOF");
  CHECK(ear.closes == 1);
  CHECK(ear.end->code == errc::closed);
  CHECK(h.frames.back() == "3 2 EOF");             // The echo.
  const auto before = h.frames.size();
  h.say(2, tunnel::frame_type::error, "EOF");      // Theirs again: said twice, echoed never.
  h.say(99, tunnel::frame_type::error, "unknown");
  h.say(99, tunnel::frame_type::pause, "");
  h.peer->send(true, std::string("\x02\x04\x7e", 3));  // A type nobody knows.
  h.at->settle();
  CHECK(h.frames.size() == before);
  h.say(77, tunnel::frame_type::data, "stray");
  CHECK(h.frames.back().find("3 77 connection not found") == 0);
  h.say(78, tunnel::frame_type::connect, "tcp/127.0.0.1:1");
  CHECK(h.frames.back() == "3 78 connect not allowed");
  CHECK_FALSE(h.end.has_value());
}

TEST_CASE("SyncConnections drops what the far side has forgotten, without a word, and spares the fresh") {
  tunnel::session_config patient;
  patient.silence_max = 10min;
  by_hand h(patient);
  test::recorder ear;
  stream_ptr s;
  h.server->dial({"127.0.0.1", 10250}, 1s, [&](result<stream_ptr> r) { s = std::move(*r); });
  REQUIRE(h.at->until([&] { return s && h.frames.size() == 1; }));
  s->start(&ear);
  h.say(0, tunnel::frame_type::sync, "");
  CHECK(ear.closes == 0);  // It was dialled a moment ago: the list may be older.
  const auto from = h.at->on().now();
  h.at->until([&] { return h.at->on().now() - from > 40s; });
  h.say(0, tunnel::frame_type::sync, tunnel::encode_sync({2}));
  CHECK(ear.closes == 0);
  h.say(0, tunnel::frame_type::sync, tunnel::encode_sync({3}));
  CHECK(ear.closes == 1);
  CHECK(h.frames.size() == 1);
}

TEST_CASE("a far side that ignores Pause loses the stream, not our memory") {
  by_hand h;
  test::recorder ear;
  stream_ptr s;
  h.server->dial({"127.0.0.1", 10250}, 1s, [&](result<stream_ptr> r) { s = std::move(*r); });
  REQUIRE(h.at->until([&] { return s && h.frames.size() == 1; }));
  s->start(&ear);
  s->pause();
  for (int i = 0; i < 30; ++i) h.say(2, tunnel::frame_type::data, std::string(1'000'000, 'x'));
  std::map<std::string, int> seen;
  for (const auto& f : h.frames) ++seen[f.substr(0, 3)];
  CHECK(seen["6 2"] == 1);  // Once.
  CHECK(std::ranges::count(h.frames, "3 2 too much data after Pause") == 1);
  CHECK(h.server->streams() == 0);
  CHECK_FALSE(h.end.has_value());
}

TEST_CASE("text, noise and broken lists end the session") {
  for (const int what : {0, 1, 2}) {
    by_hand h;
    if (what == 0) h.peer->send(false, "text");
    if (what == 1) h.peer->send(true, "\xff");
    if (what == 2) h.say(0, tunnel::frame_type::sync, "1234567");
    REQUIRE(h.at->until([&] { return h.end && h.closes == 1; }));
    CHECK(h.end->code == errc::invalid);
  }
}

namespace {
/// A carrier that brings what the test says, also between the session's end and the loop's next turn.
struct told : websocket::connection {
  explicit told(websocket::sink*& to) : to_(to) {}
  void start(websocket::sink* to) override { to_ = to; }
  void send(bool, std::string_view) override {}
  void ping() override {}
  void close(std::uint16_t, std::string_view) override {}
  std::size_t unsent() const override { return 0; }
  void pause() override {}
  void resume() override {}
  websocket::sink*& to_;
};
}  // namespace

TEST_CASE("a session that has ended dials for nobody, whatever its carrier still brings") {
  const auto at = test::make_sim_stage();
  int dials = 0;
  tunnel::session_config config;
  config.on_dial = [&](const tunnel::dial_request&, dialer::dialed) { ++dials; };
  websocket::sink* to = nullptr;
  auto session = tunnel::open(at->on(), std::make_unique<told>(to), config, rng(1));
  const auto ask = tunnel::encode(1, 7, tunnel::frame_type::connect, "tcp/127.0.0.1:1");
  to->on_message(true, ask);
  CHECK(dials == 1);
  SUBCASE("by its owner") { session.reset(); }
  SUBCASE("by a mistake of the far side") { to->on_message(false, "text"); }
  to->on_message(true, tunnel::encode(2, 8, tunnel::frame_type::connect, "tcp/127.0.0.1:1"));
  CHECK(dials == 1);
  at->settle();
}
