// What a far side may say that it should not: memory stays bounded, there is one line, and the link goes on.
#include <algorithm>

#include "tests/net/tunnel/ends.hpp"

using namespace troupe;
using namespace troupe::net;
using test::by_hand;

namespace {

using type = tunnel::frame_type;
constexpr std::int64_t flood = 5000;

tunnel::session_config patient(websocket::role side) {
  tunnel::session_config out;
  out.side = side;
  out.silence_max = 2h;   // of virtual time: who writes by hand does not ping
  return out;
}

/// An agent's end that a server written by hand may ask for streams to "service", which echoes, to "hole", which never answers,
/// and to nothing else.
struct agent_end {
  explicit agent_end(tunnel::session_config with) : hand(dialling(std::move(with))) {
    auto opened = hand.at->accepts().listen(hand.at->anywhere(), [this](stream_ptr s) {
      services.push_back(std::make_unique<test::echo>(std::move(s)));
    });
    REQUIRE(opened.ok());
    door = std::move(*opened);
  }
  tunnel::session_config dialling(tunnel::session_config with) {
    with.on_dial = [this](const tunnel::dial_request& ask, dialer::dialed done) {
      ++dials;
      if (ask.address == "hole") return holes.push_back(std::move(done));
      if (ask.address != "service") return done(result<stream_ptr>(errc::forbidden, "connect not allowed: " + ask.address));
      hand.at->dials().dial(door->address(), 5s, std::move(done));
    };
    return with;
  }
  std::int64_t alive() const { return std::ranges::count_if(services, [](const auto& s) { return !s->over; }); }
  std::int64_t told(std::string_view part) const {
    return std::ranges::count_if(hand.frames, [&](const std::string& f) { return f.find(part) != std::string::npos; });
  }
  /// A stream that was asked for carries there and back.
  void check_good(std::int64_t number, const std::string& word) {
    hand.say(number, type::data, word);
    CHECK(hand.at->until([&] { return told("1 " + std::to_string(number) + " " + word) == 1; }));
    CHECK_FALSE(hand.end.has_value());
  }
  by_hand hand;
  std::unique_ptr<listener> door;
  std::vector<std::unique_ptr<test::echo>> services;
  std::vector<dialer::dialed> holes;
  int dials = 0;
};

}  // namespace

TEST_CASE("a flood of Connects opens no more streams than the limit, each other costs itself, in one line, and the link goes on") {
  auto limits = patient(websocket::role::client);
  limits.streams_max = 50;
  agent_end a(limits);
  a.hand.say(1, type::connect, "tcp/service");
  a.check_good(1, "before");
  for (std::int64_t n = 2; n < 2 + flood; ++n) a.hand.say_on(n, type::connect, "tcp/service");
  REQUIRE(a.hand.at->until([&] { return a.told("too many streams") == flood - 49 && a.alive() == 50; }));
  CHECK(a.hand.server->streams() == 50);
  CHECK(a.dials == 50);
  CHECK(a.hand.refusals == std::vector<std::string>{"too many streams x1"});
  a.check_good(1, "during");
  for (std::int64_t n = 2; n <= 50; ++n) a.hand.say_on(n, type::error, "EOF");
  REQUIRE(a.hand.at->until([&] { return a.alive() == 1 && a.hand.server->streams() == 1; }));
  a.hand.say(9000, type::connect, "tcp/service");
  a.check_good(9000, "after");
}

TEST_CASE("a flood of Connects to what is not allowed dials nothing, is told in one line, later with its number, and the link goes on") {
  agent_end a(patient(websocket::role::client));
  for (std::int64_t n = 1; n <= flood; ++n) a.hand.say_on(n, type::connect, n % 2 == 0 ? "tcp/secret" : "no address");
  REQUIRE(a.hand.at->until([&] { return a.told("connect not allowed: secret") + a.told("malformed connect") == flood; }));
  CHECK(a.hand.server->streams() == 0);
  CHECK(a.hand.refusals == std::vector<std::string>{"malformed connect x1"});
  const auto from = a.hand.at->on().now();
  REQUIRE(a.hand.at->until([&] { return a.hand.at->on().now() - from > tunnel::session_config{}.refusals_every; }));
  a.hand.say(9000, type::connect, "tcp/secret");
  CHECK(a.hand.refusals == std::vector<std::string>{"malformed connect x1", "connect not allowed: secret x" + std::to_string(flood)});
  a.hand.say(9001, type::connect, "tcp/service");
  a.check_good(9001, "after");
}

TEST_CASE("a flood of Connects from an agent is refused one by one, in one line, and the server's own streams go on") {
  by_hand h(patient(websocket::role::server));
  test::recorder ear;
  stream_ptr s;
  h.server->dial({"127.0.0.1", 10250}, 1s, [&](result<stream_ptr> r) { s = std::move(*r); });
  REQUIRE(h.at->until([&] { return s && h.frames.size() == 1; }));
  s->start(&ear);
  for (std::int64_t n = 100; n < 100 + flood; ++n) h.say_on(n, type::connect, "tcp/10.0.0.1:22");
  REQUIRE(h.at->until([&] { return h.frames.size() == 1 + static_cast<std::size_t>(flood); }));
  CHECK(h.frames.back() == "3 " + std::to_string(99 + flood) + " connect not allowed");
  CHECK(h.server->streams() == 1);
  CHECK(h.refusals == std::vector<std::string>{"connect not allowed x1"});
  h.say(2, type::data, "still");
  CHECK(ear.text == "still");
  CHECK_FALSE(h.end.has_value());
}

TEST_CASE("Connects that are given up at once still count while they are dialled") {
  auto limits = patient(websocket::role::client);
  limits.streams_max = 50;
  agent_end a(limits);
  for (std::int64_t n = 1; n <= flood; ++n) {
    a.hand.say_on(n, type::connect, "tcp/hole");
    a.hand.say_on(n, type::error, "EOF");
  }
  REQUIRE(a.hand.at->until([&] { return a.told("too many streams") == flood - 50; }));
  CHECK(a.dials == 50);
  CHECK(a.hand.server->streams() == 0);
  for (auto& done : std::exchange(a.holes, {})) done(result<stream_ptr>(errc::timeout, "no answer"));
  a.hand.say(9000, type::connect, "tcp/service");
  a.check_good(9000, "after");
}

TEST_CASE("who floods and reads no answer is not read either, in bounded memory, and once it reads the link goes on") {
  auto limits = patient(websocket::role::client);
  limits.answers_max = 256 * 1024;
  agent_end a(limits);
  a.hand.peer->pause();
  constexpr std::int64_t many = 200'000;
  for (std::int64_t n = 1; n <= many; ++n) a.hand.say_on(n, type::connect, "tcp/secret");
  for (int i = 0; i < 5; ++i) a.hand.at->settle();
  CHECK(a.hand.server->bytes_out() < 2'000'000);   // of more than 8 MB of refusals
  CHECK(a.hand.peer->unsent() > 1'000'000);        // The flood waits at its source.
  CHECK_FALSE(a.hand.end.has_value());
  a.hand.peer->resume();
  REQUIRE(a.hand.at->until([&] { return a.told("connect not allowed") == many; }));
  a.hand.say(many + 1, type::connect, "tcp/service");
  a.check_good(many + 1, "after");
}

TEST_CASE("who floods with pings and reads no answer is not read either") {
  auto limits = patient(websocket::role::server);
  limits.answers_max = 64 * 1024;
  by_hand h(limits);
  h.peer->pause();
  for (int i = 0; i < 600'000; ++i) h.peer->ping();
  for (int i = 0; i < 5; ++i) h.at->settle();
  CHECK(h.peer->unsent() > 1'000'000);
  h.peer->resume();
  CHECK(h.at->until([&] { return h.peer->unsent() == 0; }));
  CHECK_FALSE(h.end.has_value());
}

TEST_CASE("messages of unknown types are passed over, however many, and nothing is kept of them") {
  agent_end a(patient(websocket::role::client));
  for (std::int64_t n = 0; n < flood; ++n)
    a.hand.peer->send(true, tunnel::encode(7, n, static_cast<type>(9 + n % 50), std::string(1000, 'u')));
  for (const auto unused : {type::add_client, type::remove_client}) a.hand.say_on(5, unused, "node-c");
  a.hand.at->settle();
  CHECK(a.hand.frames.empty());
  CHECK(a.hand.server->streams() == 0);
  a.hand.say(1, type::connect, "tcp/service");
  a.check_good(1, "after");
}

TEST_CASE("a varint without end is no frame: it ends the session with one reason, whatever its length") {
  for (const std::size_t length : {11, 2000, 1'000'000}) {
    by_hand h(patient(websocket::role::server));
    h.peer->send(true, std::string(length, '\xff'));
    REQUIRE(h.at->until([&] { return h.end && h.closes == 1; }));
    CHECK(h.end->code == errc::invalid);
    CHECK(h.end->note == "the far side does not speak the tunnel's language");
  }
}

TEST_CASE("what is said of connections that do not exist costs an answer to data and nothing else") {
  agent_end a(patient(websocket::role::client));
  for (std::int64_t n = 100; n < 100 + flood; ++n) {
    a.hand.say_on(n, type::data, "stray");
    for (const auto what : {type::error, type::pause, type::resume}) a.hand.say_on(-n, what, "?");
  }
  a.hand.at->settle();
  CHECK(a.hand.frames.size() == static_cast<std::size_t>(flood));
  CHECK(a.told("connection not found") == flood);
  CHECK(a.hand.server->streams() == 0);
  a.hand.say(1, type::connect, "tcp/service");
  a.check_good(1, "after");
}

TEST_CASE("data after the end of its stream reaches nobody, and the number may be used again") {
  agent_end a(patient(websocket::role::client));
  a.hand.say(1, type::connect, "tcp/service");
  a.check_good(1, "first");
  a.hand.say(1, type::error, "EOF");
  REQUIRE(a.hand.at->until([&] { return a.alive() == 0; }));
  const auto before = a.hand.server->bytes_out();
  for (int i = 0; i < 100; ++i) a.hand.say_on(1, type::data, "late");
  a.hand.at->settle();
  CHECK(a.told("1 1 late") == 0);
  CHECK(a.told("3 1 connection not found") == 100);
  CHECK(a.hand.server->bytes_out() - before < 100 * 100);
  a.hand.say(1, type::connect, "tcp/service");
  a.check_good(1, "again");
}

TEST_CASE("half a frame and then silence ends the session by its silence") {
  // A binary frame of 200 KiB, masked, of which a few bytes come; a header that stops in its length; one byte.
  const std::string whole = std::string("\x82\xff\0\0\0\0\0\x03\x20\0", 10) + "mask" + std::string(100, 'h');
  for (const std::size_t length : {whole.size(), std::size_t{5}, std::size_t{1}}) {
    const auto at = test::make_sim_stage();
    test::plain_masks masks;
    auto ends = test::connect(*at);
    tunnel::session_config with;
    std::optional<error> end;
    with.on_end = [&](const error& why) { end = why; };
    auto session = tunnel::open(at->on(), websocket::wrap(at->on(), std::move(ends.far), websocket::role::server, masks), with, rng(1));
    test::recorder ear;
    ends.near->start(&ear);
    ends.near->write(std::string_view(whole).substr(0, length));
    REQUIRE(at->until([&] { return end.has_value(); }));
    CHECK(end->code == errc::timeout);
    CHECK(session->bytes_in() == 0);
    session.reset();
    CHECK(at->until([&] { return ear.closes == 1; }));
  }
}
