#include "net/http/server.hpp"

#include <vector>

#include "tests/net/stage.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {

/// A server that answers "METHOD path?query body" and one raw client on it.
struct served {
  explicit served(std::size_t body_max = 1000) {
    auto ends = test::connect(*at);
    near = std::move(ends.near);
    near->start(&heard);
    config->body_max = body_max;
    config->on_end = [this] { ++ended; };
    config->on_request = [this](http::request ask, http::exchange_ptr to) {
      ++requests;
      last = ask;
      if (hold) return held.push_back(std::move(to));
      to->respond({200, {}, bytes(ask.method + " " + ask.path + "?" + ask.query + " " + ask.body)});
    };
    connection = http::serve(at->on(), std::move(ends.far), config);
  }
  /// Says `text` and waits until `answer` has come, or the end.
  std::string say(std::string_view text, std::string_view until = "\r\n\r\n") {
    const auto from = heard.text.size();
    near->write(text);
    at->until([&] { return heard.text.find(until, from) != std::string::npos || heard.closes > 0; });
    return heard.text.substr(from);
  }
  bool until(const std::function<bool()>& done) { return at->until(done); }

  std::unique_ptr<test::stage> at = test::make_real_stage();
  std::shared_ptr<http::server_config> config = std::make_shared<http::server_config>();
  test::recorder heard;
  stream_ptr near;
  std::vector<http::exchange_ptr> held;
  http::request last;
  int requests = 0, ended = 0;
  bool hold = false;
  std::unique_ptr<http::server_connection> connection;
};

int status_of(const std::string& answer) {
  return answer.rfind("HTTP/1.1 ", 0) == 0 ? std::stoi(answer.substr(9, 3)) : 0;
}
std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nhost: a\r\n\r\n"; }

}  // namespace

TEST_CASE("requests of every framing are understood, and the connection is kept") {
  served s;
  CHECK(s.say(get("/a?b=c"), "GET /a?b=c ").find("content-length: 11\r\n") != std::string::npos);
  s.say("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "POST /p? hello");
  CHECK(s.last.body == "hello");
  s.say("PUT /c HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n00A;ext=\"x\"\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n",
        "PUT /c? abc0123456789");
  CHECK(s.last.body == "abc0123456789");
  s.say("\r\n\r\n" + get("/blank"), "/blank?");
  s.say("GET http://other:1/abs?q HTTP/1.1\r\nhost: a\r\n\r\n", "GET /abs?q ");
  s.say("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", "OPTIONS *?");
  CHECK(s.requests == 6);
  CHECK(s.heard.closes == 0);
}

TEST_CASE("a request may come byte by byte") {
  served s;
  for (const char c : std::string("POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")) {
    s.near->write({&c, 1});
    s.at->until([&] { return s.near->unsent() == 0; });
  }
  REQUIRE(s.until([&] { return s.requests == 1; }));
  CHECK(s.last.body == "abc");
}

TEST_CASE("bad input has its exact status, is answered once, and ends the connection") {
  struct row {
    int status;
    std::string text;
  };
  const std::string ok = "GET / HTTP/1.1\r\nhost: a\r\n";
  const std::string post = "POST / HTTP/1.1\r\nhost: a\r\n";
  const row rows[] = {
      {400, "nonsense\r\n\r\n"},
      {400, "GET /\r\n\r\n"},
      {400, "GET  / HTTP/1.1\r\nhost: a\r\n\r\n"},
      {400, "GET / x HTTP/1.1\r\nhost: a\r\n\r\n"},
      {400, "G=T / HTTP/1.1\r\nhost: a\r\n\r\n"},
      {400, "G\tT / HTTP/1.1\r\nhost: a\r\n\r\n"},
      {400, "GET nopath HTTP/1.1\r\nhost: a\r\n\r\n"},
      {400, "GET * HTTP/1.1\r\nhost: a\r\n\r\n"},
      {400, "GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n"},
      {400, "GET /\xc3\xa4 HTTP/1.1\r\nhost: a\r\n\r\n"},
      {400, "CONNECT / HTTP/1.1\r\nhost: a\r\n\r\n"},
      {400, "GET / FTP/1.1\r\nhost: a\r\n\r\n"},
      {505, "GET / HTTP/2.0\r\nhost: a\r\n\r\n"},
      {505, "GET / HTTP/1.2\r\nhost: a\r\n\r\n"},
      {400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\n\r\n"},                                              // no host
      {400, "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n"},                        // two hosts
      {400, "GET / HTTP/1.1\nhost: a\n\n"},                                         // bare LF
      {400, ok + "x: a\rb\r\n\r\n"},                                                // bare CR
      {400, ok + std::string("x: a\0b\r\n\r\n", 10)},                               // NUL
      {400, ok + "x: a\x7f\r\n\r\n"},
      {400, ok + "x : a\r\n\r\n"},                                                  // space before the colon
      {400, ok + ": a\r\n\r\n"},
      {400, ok + "no colon\r\n\r\n"},
      {400, ok + "x: a\r\n b\r\n\r\n"},                                             // folded
      {400, "GET / HTTP/1.1\r\n host: a\r\n\r\n"},
      {400, post + "content-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc"},   // both
      {400, post + "transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\nabc"},
      {400, post + "content-length: 3\r\ncontent-length: 4\r\n\r\nabcd"},           // differing
      {400, post + "content-length: 3, 3\r\n\r\nabc"},
      {400, post + "content-length: +3\r\n\r\nabc"},
      {400, post + "content-length: -3\r\n\r\nabc"},
      {400, post + "content-length: 0x3\r\n\r\nabc"},
      {400, post + "content-length: 99999999999999999999\r\n\r\nabc"},
      {400, post + "content-length:\r\n\r\n"},
      {501, post + "transfer-encoding: gzip\r\n\r\n"},
      {501, post + "transfer-encoding: gzip, chunked\r\n\r\n"},
      {501, post + "transfer-encoding: chunked, chunked\r\n\r\n"},
      {501, post + "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n"},
      {501, post + "transfer-encoding: xchunked\r\n\r\n"},
      {400, "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"},
      {400, post + "transfer-encoding: chunked\r\n\r\nxyz\r\n"},                    // bad sizes
      {400, post + "transfer-encoding: chunked\r\n\r\n-1\r\n"},
      {400, post + "transfer-encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n"},
      {400, post + "transfer-encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n"},
      {400, post + "transfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"},
      {400, post + "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n"},
      {400, post + "transfer-encoding: chunked\r\n\r\n\r\n"},
      {400, post + "transfer-encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"},
      {400, post + "transfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"},     // longer than it says
      {400, post + "transfer-encoding: chunked\r\n\r\n3;" + std::string(300, 'x') + "\r\nabc\r\n0\r\n\r\n"},
      {400, post + "transfer-encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n"},
      {413, post + "content-length: 1001\r\n\r\n"},
      {413, post + "content-length: 1001\r\nexpect: 100-continue\r\n\r\n"},
      {413, post + "transfer-encoding: chunked\r\n\r\n3e8\r\n" + std::string(1000, 'x') + "\r\n1\r\ny\r\n0\r\n\r\n"},
      {417, post + "content-length: 1\r\nexpect: a miracle\r\n\r\n"},
      {431, ok + "x: " + std::string(http::head_bytes_max, 'x') + "\r\n\r\n"},
      {431, "GET /" + std::string(http::head_bytes_max, 'x')},
      {431, ok + [] {
         std::string many;
         for (int i = 0; i < 1000; ++i) many += "a: b\r\n";
         return many;
       }() + "\r\n"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text.substr(0, 200));
    served s;
    const auto answer = s.say(row.text);
    CHECK(status_of(answer) == row.status);
    CHECK(answer.find("connection: close\r\n") != std::string::npos);
    CHECK(s.requests == 0);
    CHECK(answer.find("\nHTTP/1.1 ") == std::string::npos);
    REQUIRE(s.until([&] { return s.heard.closes == 1; }));
    s.near.reset();
    CHECK(s.until([&] { return s.ended == 1; }));
  }
}

TEST_CASE("a body that is too large is refused before it is read, while the client is still sending") {
  served s(http::body_bytes_max);
  s.near->write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n");
  for (int i = 0; i < 100; ++i) s.near->write(std::string(100'000, 'x'));
  REQUIRE(s.until([&] { return s.heard.text.find("\r\n\r\n") != std::string::npos; }));
  CHECK(status_of(s.heard.text) == 413);
}

TEST_CASE("equal lengths given twice are one, and the next request works") {
  served s;
  s.say("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc", "POST /? abc");
  CHECK(status_of(s.say(get("/next"), "/next?")) == 200);
}

TEST_CASE("pipelined requests are answered in order, also when the answers come late") {
  served s;
  s.hold = true;
  std::string all;
  for (int i = 0; i < 50; ++i) all += get("/" + std::to_string(i));
  s.near->write(all);
  for (std::size_t i = 0; i < 50; ++i) {
    REQUIRE(s.until([&] { return s.held.size() == i + 1; }));
    CHECK(s.last.path == "/" + std::to_string(i));
    s.held[i]->respond({200, {}, bytes("<" + std::to_string(i) + ">")});
  }
  REQUIRE(s.until([&] { return s.heard.text.find("<49>") != std::string::npos; }));
  std::size_t from = 0;
  for (int i = 0; i < 50; ++i) {
    const auto found = s.heard.text.find("<" + std::to_string(i) + ">", from);
    REQUIRE(found != std::string::npos);
    from = found;
  }
}

TEST_CASE("while an answer is awaited only a bounded part of what follows is read") {
  served s(http::body_bytes_max);
  s.hold = true;
  s.near->write(get("/first"));
  REQUIRE(s.until([&] { return s.held.size() == 1; }));
  for (int i = 0; i < 200; ++i) s.near->write(std::string("POST /flood HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n") + std::string(100'000, 'f'));
  s.at->settle();
  CHECK(s.near->unsent() > 5'000'000);
  s.hold = false;
  s.held[0]->respond({200, {}, bytes(std::string("one"))});
  CHECK(s.until([&] { return s.requests == 201; }));
}

TEST_CASE("100-continue is sent before the body, and only when it is wanted") {
  served s;
  s.near->write("POST /e HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
  REQUIRE(s.until([&] { return s.heard.text == "HTTP/1.1 100 Continue\r\n\r\n"; }));
  s.say("ok", "POST /e? ok");
  CHECK(s.last.body == "ok");
  CHECK(s.say("GET /g HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\r\n", "/g?").find("100 Continue") == std::string::npos);
}

TEST_CASE("HTTP/1.0 is answered and closed, or kept when it asks so, and never gets chunks") {
  {
    served s;
    const auto answer = s.say("GET /old HTTP/1.0\r\n\r\n", "GET /old? ");
    CHECK(answer.find("connection: close\r\n") != std::string::npos);
    CHECK(s.until([&] { return s.heard.closes == 1; }));
  }
  {
    served s;
    CHECK(s.say("GET /old HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", "GET /old? ").find("connection: keep-alive\r\n") != std::string::npos);
    s.hold = true;
    s.near->write("GET /old HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    REQUIRE(s.until([&] { return s.held.size() == 1; }));
    s.held[0]->start(200, {});
    s.held[0]->chunk("piece");
    s.held[0]->finish();
    REQUIRE(s.until([&] { return s.heard.closes == 1; }));
    CHECK(s.heard.text.find("\r\n\r\npiece") != std::string::npos);
    CHECK(s.heard.text.find("chunked") == std::string::npos);
  }
}

TEST_CASE("connection: close is heeded, HEAD has no body, 204 has no length") {
  served s;
  CHECK(s.say("HEAD /h HTTP/1.1\r\nhost: a\r\n\r\n").find("content-length: 9\r\n\r\n") != std::string::npos);
  s.hold = true;
  s.near->write(get("/n"));
  REQUIRE(s.until([&] { return s.held.size() == 1; }));
  s.held[0]->respond({204, {}, {}});
  s.hold = false;
  const auto answer = s.say("GET /c HTTP/1.1\r\nhost: a\r\nconnection: Keep-Alive, CLOSE\r\n\r\n", "/c?");
  CHECK(answer.find("204 No Content\r\n\r\n") != std::string::npos);
  CHECK(s.until([&] { return s.heard.closes == 1; }));
}

TEST_CASE("a started answer flows in chunks, and the connection is kept") {
  served s;
  s.hold = true;
  s.near->write(get("/w"));
  REQUIRE(s.until([&] { return s.held.size() == 1; }));
  http::header_list head;
  head.add("x-evil", "a\r\nset-cookie: b");
  s.held[0]->start(200, head);
  s.held[0]->chunk("abc");
  s.held[0]->chunk("");
  s.held[0]->chunk("0123456789abcdef");
  s.held[0]->finish();
  s.held[0]->chunk("late");
  REQUIRE(s.until([&] { return s.heard.text.find("0\r\n\r\n") != std::string::npos; }));
  CHECK(s.heard.text.find("\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n") != std::string::npos);
  CHECK(s.heard.text.find("x-evil: a  set-cookie: b\r\n") != std::string::npos);  // No header can be smuggled in.
  s.hold = false;
  s.say(get("/after"), "/after?");
  CHECK(s.heard.text.find("late") == std::string::npos);
}

TEST_CASE("an exchange outlives its client harmlessly and is told that it is gone") {
  served s;
  s.hold = true;
  s.near->write(get("/g"));
  REQUIRE(s.until([&] { return s.held.size() == 1; }));
  int gone = 0;
  s.held[0]->on_gone([&] { ++gone; });
  CHECK(s.held[0]->open());
  s.near.reset();
  REQUIRE(s.until([&] { return gone == 1 && s.ended == 1; }));
  CHECK_FALSE(s.held[0]->open());
  s.connection.reset();
  s.held[0]->respond({});
  s.held[0]->start(200, {});
  s.held[0]->chunk("x");
  s.held[0]->finish();
  s.held[0]->abort();
  CHECK(s.held[0]->upgrade(101, {}) == nullptr);
  CHECK(s.held[0]->unsent() == 0);
  CHECK(gone == 1);
}

TEST_CASE("an exchange that is dropped without an answer cuts the connection") {
  served s;
  s.hold = true;
  s.near->write(get("/g"));
  REQUIRE(s.until([&] { return s.held.size() == 1; }));
  s.held.clear();
  CHECK(s.until([&] { return s.heard.closes == 1 && s.ended == 1; }));
}

TEST_CASE("a reader that takes nothing is cut off at the limit, and drained is told to one that does") {
  {
    served s;
    s.hold = true;
    s.config->unsent_max = 1'000'000;
    s.near->pause();
    s.near->write(get("/slow"));
    REQUIRE(s.until([&] { return s.held.size() == 1; }));
    s.held[0]->start(200, {});
    for (int i = 0; i < 400 && s.held[0]->open(); ++i) s.held[0]->chunk(std::string(100'000, 's'));
    CHECK_FALSE(s.held[0]->open());
  }
  {
    served s;
    s.hold = true;
    s.near->write(get("/fast"));
    REQUIRE(s.until([&] { return s.held.size() == 1; }));
    bool drained = false;
    s.held[0]->start(200, {});
    for (int i = 0; i < 70; ++i) s.held[0]->chunk(std::string(100'000, 's'));
    CHECK(s.held[0]->unsent() > stream::low_water);
    s.held[0]->on_drained([&] { drained = true; });
    CHECK(s.until([&] { return drained && s.heard.text.size() > 7'000'000; }));
  }
}

TEST_CASE("an upgrade hands over the stream with what came after the head, now and later") {
  served s;
  s.hold = true;
  s.near->write("GET /u HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nearly ");
  REQUIRE(s.until([&] { return s.held.size() == 1; }));
  http::header_list head;
  head.add("upgrade", "x");
  auto stream = s.held[0]->upgrade(101, head);
  REQUIRE(stream);
  REQUIRE(s.until([&] { return s.ended == 1; }));
  s.connection.reset();  // The old owner is gone; what comes now waits for the new one.
  s.near->write("middle ");
  s.at->settle();
  test::recorder got;
  stream->start(&got);
  s.near->write("late");
  CHECK(s.until([&] { return got.text == "early middle late"; }));
  stream->write("raw");
  CHECK(s.until([&] { return s.heard.text == "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nraw"; }));
}

TEST_CASE("draining ends an idle connection at once and a busy one after its answer") {
  {
    served s;
    s.say(get("/a"), "/a?");
    s.connection->drain();
    CHECK(s.until([&] { return s.heard.closes == 1; }));
  }
  {
    served s;
    s.hold = true;
    s.near->write(get("/b"));
    REQUIRE(s.until([&] { return s.held.size() == 1; }));
    s.connection->drain();
    s.held[0]->respond({200, {}, bytes(std::string("done"))});
    REQUIRE(s.until([&] { return s.heard.closes == 1; }));
    CHECK(s.heard.text.find("connection: close\r\n") != std::string::npos);
    CHECK(s.heard.text.ends_with("done"));
  }
}

TEST_CASE("the date header comes from the clock that is given") {
  struct fixed final : wall_clock {
    wall_time now() const override { return *parse_rfc3339("2026-11-22T06:52:41Z"); }
  } clock;
  served s;
  s.config->wall = &clock;
  CHECK(s.say(get("/d"), "/d?").find("date: Sun, 22 Nov 2026 06:52:41 GMT\r\n") != std::string::npos);
}

TEST_CASE("the owner of a server dresses the codec's refusals") {
  served s;
  s.config->on_error = [](int status, const std::string& why) {
    http::response out{status, {}, bytes("{\"message\":\"" + why + "\"}")};
    out.headers.add("content-type", "application/json");
    return out;
  };
  const auto answer = s.say("GET / HTTP/1.1\r\n\r\n", "}");
  CHECK(answer.find("content-type: application/json") != std::string::npos);
  CHECK(answer.find("Host") != std::string::npos);
}
