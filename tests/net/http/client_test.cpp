#include "net/http/client.hpp"

#include <vector>

#include "tests/net/stage.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {

/// A client and, on the other side, a peer that says what a test wants it to say.
struct asked {
  asked() {
    auto ends = test::connect(*at);
    far = std::move(ends.far);
    far->start(&heard);
    client = http::attach(at->on(), std::move(ends.near));
  }
  http::request get(std::string method = "GET") {
    http::request out;
    out.method = std::move(method);
    out.path = "/p";
    return out;
  }
  /// Sends a request, has the peer answer `text`, and waits for the outcome.
  result<http::response> fetch(std::string_view text, const http::request& ask, bool close = false, std::size_t max = 1000) {
    std::optional<result<http::response>> out;
    http::fetch(*client, ask, "host:1", test::patience, [&](result<http::response> r) { out = std::move(r); }, max);
    at->until([&] { return heard.text.find("\r\n\r\n") != std::string::npos; });
    heard.text.clear();
    far->write(text);
    if (close) far->close();
    REQUIRE(at->until([&] { return out.has_value(); }));
    return *out;
  }
  std::unique_ptr<test::stage> at = test::make_real_stage();
  test::recorder heard;
  stream_ptr far;
  std::unique_ptr<http::client_connection> client;
};

}  // namespace

TEST_CASE("answers of every framing are read, interim ones skipped, and the connection is kept") {
  asked a;
  auto one = a.fetch("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", a.get());
  REQUIRE_MESSAGE(one.ok(), one.why().text());
  CHECK(one->body.view() == "abc");
  CHECK(one->status == 200);
  auto two = a.fetch("HTTP/1.1 404 Nope\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", a.get());
  CHECK(two->status == 404);
  CHECK(two->body.view() == "abc");
  CHECK(a.fetch("HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n", a.get("HEAD"))->body.empty());
  CHECK(a.fetch("HTTP/1.1 204 No Content\r\n\r\n", a.get())->status == 204);
  CHECK(a.client->idle());
  auto last = a.fetch("HTTP/1.1 200\r\n\r\nuntil the end", a.get(), true);
  CHECK(last->body.view() == "until the end");
  CHECK_FALSE(a.client->open());
}

TEST_CASE("what is sent is one request, with host and length") {
  asked a;
  auto ask = a.get("POST");
  ask.query = "q=1";
  ask.body = "body";
  ask.headers.add("x-a", "b\r\nevil: c");
  bool done = false;
  http::fetch(*a.client, ask, "host:1", test::patience, [&](result<http::response>) { done = true; });
  CHECK_FALSE(a.client->idle());
  REQUIRE(a.at->until([&] { return a.heard.text.ends_with("body"); }));
  CHECK(a.heard.text == "POST /p?q=1 HTTP/1.1\r\nhost: host:1\r\nx-a: b  evil: c\r\ncontent-length: 4\r\n\r\nbody");
  a.far.reset();
  CHECK(a.at->until([&] { return done; }));
}

TEST_CASE("answers that are cut, broken, late or too large fail with their reason") {
  {
    asked a;
    CHECK(a.fetch("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", a.get(), true).code() == errc::closed);
  }
  {
    asked a;
    CHECK(a.fetch("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc", a.get(), true).code() == errc::closed);
  }
  for (auto bad : {"SSH-2.0-x\r\n\r\n", "HTTP/1.1 -12 OK\r\n\r\n", "HTTP/1.1 20x OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
                   "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"}) {
    asked a;
    CAPTURE(bad);
    CHECK(a.fetch(bad, a.get()).code() == errc::invalid);
    CHECK_FALSE(a.client->open());
  }
  {
    asked a;
    CHECK(a.fetch("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n01234567890123456789", a.get(), false, 10).code() == errc::too_large);
  }
  {
    asked a;
    std::optional<error> why;
    http::fetch(*a.client, a.get(), "h", 20ms, [&](result<http::response> r) { why = r.why(); });
    REQUIRE(a.at->until([&] { return why.has_value(); }));
    CHECK(why->code == errc::timeout);
    CHECK_FALSE(a.client->open());
  }
}

TEST_CASE("an idle connection's end is told, and a request on it fails without a crash") {
  asked a;
  bool told = false;
  a.client->on_closed([&] { told = true; });
  a.far.reset();
  REQUIRE(a.at->until([&] { return told; }));
  std::optional<error> why;
  http::fetch(*a.client, a.get(), "h", 1s, [&](result<http::response> r) { why = r.why(); });
  CHECK_FALSE(why.has_value());
  REQUIRE(a.at->until([&] { return why.has_value(); }));
  CHECK(why->code == errc::closed);
}

TEST_CASE("bytes that nobody asked for end the connection") {
  asked a;
  a.far->write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  CHECK(a.at->until([&] { return !a.client->open(); }));
}

TEST_CASE("a destroyed client calls nobody") {
  asked a;
  bool called = false;
  http::fetch(*a.client, a.get(), "h", 10ms, [&](result<http::response>) { called = true; });
  a.client.reset();
  a.at->settle();
  CHECK_FALSE(called);
}

TEST_CASE("an upgrade hands over the stream with what follows; a refusal tells its status and text") {
  {
    asked a;
    std::optional<std::pair<http::response, stream_ptr>> got;
    a.client->upgrade(a.get(), "h", test::patience, [&](result<std::pair<http::response, stream_ptr>> r) { got = std::move(*r); });
    a.at->until([&] { return a.heard.text.find("\r\n\r\n") != std::string::npos; });
    a.far->write("HTTP/1.1 101 Go\r\nx-y: z\r\n\r\nearly ");
    REQUIRE(a.at->until([&] { return got.has_value(); }));
    CHECK(got->first.headers.get("x-y") == "z");
    a.client.reset();
    a.far->write("late");
    a.at->settle();
    test::recorder ear;
    got->second->start(&ear);
    CHECK(a.at->until([&] { return ear.text == "early late"; }));
  }
  {
    asked a;
    std::optional<error> why;
    a.client->upgrade(a.get("CONNECT"), "h", test::patience, [&](result<std::pair<http::response, stream_ptr>> r) { why = r.why(); });
    a.far->write("HTTP/1.1 502 Bad\r\ncontent-length: 7\r\n\r\nno node");
    REQUIRE(a.at->until([&] { return why.has_value(); }));
    CHECK(why->note == "502: no node");
  }
}
