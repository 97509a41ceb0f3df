#include "net/websocket/websocket.hpp"

#include <vector>

#include "net/websocket/frames.hpp"
#include "tests/net/stage.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {

struct ear : websocket::sink {
  void on_message(bool binary, std::string_view data) override {
    messages.emplace_back((binary ? "b:" : "t:") + std::string(data));
    if (then) then();
  }
  void on_ping() override { ++pings; }
  void on_pong() override { ++pongs; }
  void on_drained() override { ++drained; }
  void on_closed(const error& why) override {
    ++closes;
    end = why;
  }
  std::vector<std::string> messages;
  int pings = 0, pongs = 0, drained = 0, closes = 0;
  std::optional<error> end;
  std::function<void()> then;
};

/// Unpredictable enough for a test, and the same each time.
struct counting : entropy {
  std::string draw(std::size_t count) override {
    std::string out;
    while (out.size() < count) out.push_back(static_cast<char>(++last * 37));
    return out;
  }
  unsigned last = 0;
};

/// A server's end against a peer that says raw bytes.
struct raw {
  explicit raw(websocket::role as = websocket::role::server, std::size_t max = 1000) {
    auto ends = test::connect(*at);
    peer = std::move(ends.near);
    peer->start(&heard);
    connection = websocket::wrap(at->on(), std::move(ends.far), as, masks, max);
    connection->start(&got);
  }
  /// A masked frame: first byte, payload.
  static std::string frame(unsigned char first, std::string_view payload, bool masked = true) {
    std::string out(1, static_cast<char>(first));
    const auto bit = masked ? 0x80u : 0u;
    if (payload.size() < 126) {
      out.push_back(static_cast<char>(bit | payload.size()));
    } else {
      out.push_back(static_cast<char>(bit | 126u));
      out.push_back(static_cast<char>(payload.size() >> 8));
      out.push_back(static_cast<char>(payload.size() & 0xff));
    }
    const std::string key = "\x11\x22\x33\x44";
    if (masked) out += key;
    for (std::size_t i = 0; i < payload.size(); ++i)
      out.push_back(masked ? static_cast<char>(payload[i] ^ key[i % 4]) : payload[i]);
    return out;
  }
  std::unique_ptr<test::stage> at = test::make_sim_stage();
  counting masks;
  test::recorder heard;
  ear got;
  stream_ptr peer;
  websocket::connection_ptr connection;
};

}  // namespace

TEST_CASE("fragments are put together around control frames, however the bytes are cut") {
  const std::string bytes = raw::frame(0x02, "one ") + raw::frame(0x89, "beat") + raw::frame(0x00, "two ") + raw::frame(0x8a, "") +
                            raw::frame(0x80, "three") + raw::frame(0x81, "text") + raw::frame(0x82, "");
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{1000}}) {
    raw r;
    for (std::size_t i = 0; i < bytes.size(); i += step) {
      r.peer->write(std::string_view(bytes).substr(i, step));
      r.at->settle();
    }
    CHECK(r.got.messages == std::vector<std::string>{"b:one two three", "t:text", "b:"});
    CHECK(r.got.pings == 1);
    CHECK(r.got.pongs == 1);
    CHECK(r.heard.text == raw::frame(0x8a, "beat", false));  // The ping was answered, unmasked.
  }
}

TEST_CASE("a peer that breaks the protocol is told the code and cut") {
  struct row {
    std::string bytes;
    int code;
  };
  const row rows[] = {
      {raw::frame(0x82, "x", false), 1002},                 // unmasked from a client
      {raw::frame(0xc2, "x"), 1002},                        // reserved bit
      {raw::frame(0x83, "x"), 1002},                        // unknown opcode
      {raw::frame(0x80, "x"), 1002},                        // continuation of nothing
      {raw::frame(0x02, "x") + raw::frame(0x82, "y"), 1002},  // a new message inside another
      {raw::frame(0x09, "x"), 0},                           // fragmented ping (wslay closes without a code)
      {raw::frame(0x89, std::string(126, 'p')), 0},         // large ping
      {raw::frame(0x81, "\xff\xfe"), 1007},                 // no UTF-8
      {raw::frame(0x82, std::string(1001, 'x')), 1009},
      {raw::frame(0x02, std::string(600, 'x')) + raw::frame(0x80, std::string(600, 'x')), 1009},
      {raw::frame(0xc2, "x") + std::string(100'000, 'x'), 1002},  // and more than is read at once
  };
  for (const auto& row : rows) {
    CAPTURE(to_hex(row.bytes.substr(0, 8)));
    raw r;
    r.peer->write(row.bytes);
    REQUIRE(r.at->until([&] { return r.got.closes == 1 && r.heard.closes == 1; }));
    CHECK(r.got.end->code == errc::invalid);
    CHECK(r.got.messages.empty());
    REQUIRE(r.heard.text.size() >= 2);
    CHECK(static_cast<unsigned char>(r.heard.text[0]) == 0x88);
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(r.heard.text[i]); };
    CHECK((r.heard.text.size() < 4 ? 0 : byte(2) << 8 | byte(3)) == row.code);
  }
}

TEST_CASE("a server that masks is refused by a client, and long frames are followed to their end") {
  raw good(websocket::role::client, 100'000);
  good.peer->write(raw::frame(0x82, std::string(60'000, 'x'), false) + raw::frame(0x82, "y", false));
  REQUIRE(good.at->until([&] { return good.got.messages.size() == 2; }));
  raw bad(websocket::role::client);
  bad.peer->write(raw::frame(0x82, "x", true));
  REQUIRE(bad.at->until([&] { return bad.got.closes == 1; }));
  CHECK(bad.got.end->code == errc::invalid);
  CHECK(bad.got.messages.empty());
}

namespace {
/// A frame with the mask that the test's end wants.
std::string long_frame(unsigned char first, std::string_view payload, bool masked) {
  if (payload.size() <= 0xffff) return raw::frame(first, payload, masked);
  std::string out(1, static_cast<char>(first));
  out.push_back(static_cast<char>(masked ? 0xff : 0x7f));
  for (int i = 7; i >= 0; --i) out.push_back(static_cast<char>(payload.size() >> (8 * i) & 0xff));
  const std::string key = "\x11\x22\x33\x44";
  if (masked) out += key;
  for (std::size_t i = 0; i < payload.size(); ++i) out.push_back(masked ? static_cast<char>(payload[i] ^ key[i % 4]) : payload[i]);
  return out;
}
std::string noise(rng& dice, std::size_t size) {
  std::string out;
  while (out.size() < size) out.push_back(static_cast<char>(dice.below(256)));
  return out;
}
}  // namespace

TEST_CASE("messages of every length come whole and in order, fragmented and between control frames, however the bytes are cut") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    rng dice(seed * 31);
    const auto as = seed % 2 == 0 ? websocket::role::server : websocket::role::client;
    const bool masked = as == websocket::role::server;
    raw r(as, 400'000);
    std::string bytes;
    std::vector<std::string> wanted;
    int pings = 0;
    for (int i = 0; i < 12; ++i) {
      const std::size_t sizes[] = {0, 5, 125, 126, 1000, 1023, 1024, 1025, 4096, 65'535, 65'536, 262'144, 262'145, 300'000};
      const auto text = noise(dice, sizes[dice.below(std::size(sizes))]);
      if (dice.chance(25)) bytes += raw::frame(0x89, "beat", masked), ++pings;
      if (dice.chance(30)) {   // in pieces, a long one among them, with a ping inside
        const auto cut = text.size() / 3;
        bytes += long_frame(0x02, std::string_view(text).substr(0, cut), masked) + raw::frame(0x89, "", masked) +
                 long_frame(0x80, std::string_view(text).substr(cut), masked);
        ++pings;
      } else {
        bytes += long_frame(0x82, text, masked);
      }
      wanted.push_back("b:" + text);
    }
    for (std::size_t at = 0; at < bytes.size();) {
      const auto n = std::min<std::size_t>(bytes.size() - at, 1 + dice.below(dice.chance(50) ? 7 : 40'000));
      r.peer->write(std::string_view(bytes).substr(at, n));
      if (dice.chance(20)) r.at->settle();
      at += n;
    }
    REQUIRE(r.at->until([&] { return r.got.messages.size() >= wanted.size() || r.got.closes > 0; }));
    r.at->settle();
    CHECK(r.got.messages == wanted);
    CHECK(r.got.pings == pings);
    CHECK(r.got.closes == 0);
  }
}

TEST_CASE("a long frame that breaks a rule is refused as a short one is") {
  const std::string many(2000, 'x');
  const std::string rows[] = {
      raw::frame(0x82, many, false),                               // unmasked from a client
      raw::frame(0xc2, many),                                      // reserved bit
      raw::frame(0x02, "x") + raw::frame(0x82, many),              // inside another message
      raw::frame(0x82, std::string(5000, 'x')),                    // larger than is taken
      std::string("\x82\xff\0\0\0\0\0\0\x08\0", 10) + "\x11\x22\x33\x44" + std::string(2048, 'x'),   // a length that is not its shortest
  };
  for (const auto& bytes : rows) {
    CAPTURE(to_hex(bytes.substr(0, 8)));
    raw r(websocket::role::server, 4096);
    r.peer->write(bytes);
    REQUIRE(r.at->until([&] { return r.got.closes == 1; }));
    CHECK(r.got.end->code == errc::invalid);
    CHECK(r.got.messages.empty());
  }
}

TEST_CASE("a message in two pieces is one, masked by a client and plain from a server, and never passes one said before") {
  for (const auto as : {websocket::role::client, websocket::role::server}) {
    raw near(as, 100'000);
    std::vector<std::string> wanted;
    const auto say = [&](std::string head, std::string body) {
      near.connection->send_parts(head, body);
      wanted.push_back("b:" + head + body);
    };
    say("h", std::string(5000, 'a'));
    say("", "short");
    say("head", std::string(70'000, 'b'));
    near.connection->send(true, std::string(3000, 'c'));
    wanted.push_back("b:" + std::string(3000, 'c'));
    // While a message is being taken, what is said waits for wslay and stays in order.
    near.got.then = [&] { say("in", "side"), say("in", std::string(2000, 'd')); };
    near.peer->write(raw::frame(0x82, "go", as == websocket::role::server));
    REQUIRE(near.at->until([&] { return near.got.messages.size() == 1; }));
    near.got.then = nullptr;
    say("last", std::string(1024, 'e'));
    near.at->settle();
    const auto sent = near.heard.text;
    raw again(as == websocket::role::client ? websocket::role::server : websocket::role::client, 100'000);
    again.peer->write(sent);
    REQUIRE(again.at->until([&] { return again.got.messages.size() >= wanted.size() || again.got.closes > 0; }));
    CHECK(again.got.messages == wanted);
    near.connection->close(1000, "done");
    near.at->settle();
    const auto before = near.heard.text.size();
    near.connection->send_parts("too", std::string(5000, 'l'));
    near.at->settle();
    CHECK(near.heard.text.size() == before);
  }
}

TEST_CASE("a mask reaches every byte, from wherever it goes on") {
  rng dice(5);
  const auto text = noise(dice, 300);
  const websocket::mask_key key{'\x01', '\x80', '\x7f', '\x33'};
  for (std::size_t cut = 0; cut <= 20; ++cut) {
    std::string out(text.size(), '\0');
    websocket::apply_mask(text.data(), out.data(), cut, key, 0);
    websocket::apply_mask(text.data() + cut, out.data() + cut, text.size() - cut, key, cut);
    bool right = true;
    for (std::size_t i = 0; i < text.size(); ++i) right = right && out[i] == static_cast<char>(text[i] ^ key[i % 4]);
    CHECK(right);
  }
}

TEST_CASE("a close is answered with a close, and told once") {
  raw r;
  r.peer->write(raw::frame(0x88, std::string("\x03\xe8") + "bye"));
  REQUIRE(r.at->until([&] { return r.got.closes == 1; }));
  CHECK(r.got.end->code == errc::closed);
  CHECK(static_cast<unsigned char>(r.heard.text[0]) == 0x88);
  r.at->settle();
  CHECK(r.got.closes == 1);
}

TEST_CASE("a connection may be destroyed by its own sink, in the middle of messages") {
  raw r;
  r.got.then = [&] { r.connection.reset(); };
  r.peer->write(raw::frame(0x82, "1") + raw::frame(0x82, "2") + raw::frame(0x82, "3"));
  REQUIRE(r.at->until([&] { return r.heard.closes == 1; }));
  CHECK(r.got.messages.size() == 1);
  CHECK(r.got.closes == 0);
}

TEST_CASE("client and server find each other through an HTTP upgrade, and speak both ways") {
  const auto at = test::make_sim_stage();
  counting masks;
  auto ends = test::connect(*at);
  websocket::connection_ptr near, far;
  ear near_ear, far_ear;
  auto config = std::make_shared<http::server_config>();
  config->on_request = [&](http::request ask, http::exchange_ptr to) {
    REQUIRE(websocket::is_upgrade(ask));
    CHECK(ask.headers.get("x-extra") == "1");
    far = websocket::accept(at->on(), ask, *to, "v4.channel.k8s.io", masks);
    far->start(&far_ear);
    far->send(true, "at once");
  };
  const auto served = http::serve(at->on(), std::move(ends.far), config);
  const auto client = http::attach(at->on(), std::move(ends.near));
  http::header_list extra;
  extra.add("x-extra", "1");
  websocket::connect(at->on(), *client, "host", "/connect?a=b", extra, "v4.channel.k8s.io", 5s, masks,
                     [&](result<websocket::connection_ptr> c) {
                       REQUIRE_MESSAGE(c.ok(), c.why().text());
                       near = std::move(*c);
                       near->start(&near_ear);
                     });
  REQUIRE(at->until([&] { return near && far && near_ear.messages.size() == 1; }));
  CHECK(near_ear.messages[0] == "b:at once");
  const std::string big(3'000'000, 'x');
  near->send(true, big);
  near->ping();
  far->send(false, "text");
  CHECK(near->unsent() > 0);
  REQUIRE(at->until([&] { return far_ear.messages.size() == 1 && near_ear.messages.size() == 2 && near_ear.pongs == 1; }));
  CHECK(far_ear.messages[0] == "b:" + big);
  CHECK(far_ear.pings == 1);
  near->close(1000, "done");
  CHECK(at->until([&] { return near_ear.closes == 1 && far_ear.closes == 1; }));
}

TEST_CASE("an upgrade that is refused, or answered with a wrong key, fails with its reason") {
  for (const bool wrong_key : {false, true}) {
    const auto at = test::make_sim_stage();
    counting masks;
    auto ends = test::connect(*at);
    websocket::connection_ptr far;
    auto config = std::make_shared<http::server_config>();
    config->on_request = [&](http::request ask, http::exchange_ptr to) {
      if (!wrong_key) return to->respond({403, {}, bytes(std::string("not you"))});
      ask.headers.set("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
      far = websocket::accept(at->on(), ask, *to, "", masks);
    };
    const auto served = http::serve(at->on(), std::move(ends.far), config);
    const auto client = http::attach(at->on(), std::move(ends.near));
    std::optional<error> why;
    websocket::connect(at->on(), *client, "host", "/", {}, "", 5s, masks, [&](result<websocket::connection_ptr> c) { why = c.why(); });
    REQUIRE(at->until([&] { return why.has_value(); }));
    CHECK(why->code == (wrong_key ? errc::invalid : errc::forbidden));
    if (!wrong_key) CHECK(why->note == "403: not you");
  }
}

TEST_CASE("only a complete upgrade is one") {
  http::request ask;
  ask.method = "GET";
  const std::pair<const char*, const char*> lines[] = {{"connection", "keep-alive, Upgrade"}, {"upgrade", "WebSocket"},
                                                       {"sec-websocket-version", "13"}, {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  for (const auto& [name, value] : lines) ask.headers.add(name, value);
  CHECK(websocket::is_upgrade(ask));
  for (const auto& [name, value] : lines) {
    auto bad = ask;
    bad.headers.set(name, "8");
    CHECK_FALSE(websocket::is_upgrade(bad));
  }
  ask.method = "POST";
  CHECK_FALSE(websocket::is_upgrade(ask));
}
