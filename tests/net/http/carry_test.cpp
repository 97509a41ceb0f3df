#include "net/http/carry.hpp"

#include "net/websocket/byte_stream.hpp"
#include "tests/net/stage.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {

/// client --near/far--> us --near/far--> server: what is in the middle carries an upgrade on.
struct carried {
  explicit carried(std::function<void(http::request, http::exchange_ptr)> answers) {
    auto front = test::connect(*at);
    client_stream = std::move(front.near);
    auto back = test::connect(*at);
    server = serve(std::move(back.far), std::move(answers));
    auto beyond = std::make_shared<stream_ptr>(std::move(back.near));
    middle = serve(std::move(front.far), [this, beyond](http::request ask, http::exchange_ptr to) {
      auto on = http::carried_on(ask, "/there?x=1");
      http::carry_upgrade(at->on(), std::move(*beyond), std::move(on), "inner", test::patience, to, [this, to](int status, std::string why) {
        refusal = std::to_string(status) + " " + why;
        to->respond({502, {}, {}});
      });
    });
    client_stream->start(&heard);
  }
  std::unique_ptr<http::server_connection> serve(stream_ptr on, std::function<void(http::request, http::exchange_ptr)> then) {
    auto config = std::make_shared<http::server_config>();
    config->on_request = std::move(then);
    config->on_error = [](int status, const std::string&) { return http::response{status, {}, {}}; };
    return http::serve(at->on(), std::move(on), config);
  }
  void ask() {
    client_stream->write("POST /here HTTP/1.1\r\nhost: a\r\nauthorization: Bearer secret\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\nx-kept: 1\r\n"
                         "content-length: 0\r\n\r\n");
  }
  std::unique_ptr<test::stage> at = test::make_sim_stage();
  test::recorder heard, inner;
  std::string refusal;
  stream_ptr client_stream, server_stream;
  std::unique_ptr<http::server_connection> server, middle;
};

}  // namespace

TEST_CASE("an upgrade is carried on without the caller's credentials, and then the two ends speak with each other") {
  http::request seen;
  carried c([&](http::request ask, http::exchange_ptr to) {
    seen = ask;
    http::header_list head;
    head.add("connection", "Upgrade");
    head.add("upgrade", "SPDY/3.1");
    head.add("x-stream-protocol-version", "v4.channel.k8s.io");
    c.server_stream = to->upgrade(101, head);
    c.server_stream->start(&c.inner);
    c.server_stream->write("welcome");
  });
  c.ask();
  REQUIRE(c.at->until([&] { return c.heard.text.find("welcome") != std::string::npos; }));
  CHECK(c.heard.text.starts_with("HTTP/1.1 101 "));
  CHECK(c.heard.text.find("x-stream-protocol-version: v4.channel.k8s.io\r\n") != std::string::npos);
  CHECK(seen.path == "/there");
  CHECK(seen.query == "x=1");
  CHECK(seen.headers.get("x-kept") == "1");
  CHECK(seen.headers.get("upgrade") == "SPDY/3.1");
  CHECK(seen.headers.get("host") == "inner");
  CHECK(seen.headers.find("authorization") == nullptr);
  c.client_stream->write("hello");
  REQUIRE(c.at->until([&] { return c.inner.text == "hello"; }));
  c.client_stream->close();
  CHECK(c.at->until([&] { return c.inner.end.has_value(); }));
  c.server_stream->close();
  int turns = 0;   // what is between them ends with the second of its two
  (void)c.at->until([&] { return ++turns > 50; });
}

TEST_CASE("a server that does not switch is told of with its status and words, one that says nothing with none") {
  carried no([&](http::request, http::exchange_ptr to) { to->respond({403, {}, bytes(std::string("not you"))}); });
  no.ask();
  REQUIRE(no.at->until([&] { return !no.refusal.empty(); }));
  CHECK(no.refusal == "403 not you");
  carried mute([&](http::request, http::exchange_ptr to) { to->abort(); });
  mute.ask();
  REQUIRE(mute.at->until([&] { return !mute.refusal.empty(); }));
  CHECK(mute.refusal.starts_with("0 "));
}

TEST_CASE("bytes in WebSocket messages are one flow, wherever the messages are cut, and text ends it") {
  struct counting : entropy {
    std::string draw(std::size_t count) override { return std::string(count, static_cast<char>(++last)); }
    int last = 0;
  } masks;
  auto at = test::make_sim_stage();
  auto ends = test::connect(*at);
  auto server = websocket::as_stream(at->on(), websocket::wrap(at->on(), std::move(ends.far), websocket::role::server, masks), 10);
  auto client = websocket::wrap(at->on(), std::move(ends.near), websocket::role::client, masks);
  struct : websocket::sink {
    void on_message(bool binary, std::string_view data) override { got += (binary ? "b" : "t") + std::string(data) + "|"; }
    void on_closed(const error&) override { closed = true; }
    std::string got;
    bool closed = false;
  } ear;
  client->start(&ear);
  for (const char* piece : {"ab", "cdef", "g"}) client->send(true, piece);
  at->settle();
  test::recorder heard;
  server->start(&heard);
  REQUIRE(at->until([&] { return heard.text == "abcdefg"; }));
  server->write("0123456789abcde");
  REQUIRE(at->until([&] { return ear.got == "b0123456789|babcde|"; }));
  client->send(false, "what?");
  REQUIRE(at->until([&] { return heard.end.has_value(); }));
  CHECK(heard.end->code == errc::invalid);
}
