#include "net/relay/first_word.hpp"
#include "net/relay/relay.hpp"

#include "tests/net/stage.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {

/// client <-> relay <-> server
struct spliced {
  explicit spliced(std::unique_ptr<test::stage> on) : at(std::move(on)) {
    auto left = test::connect(*at), right = test::connect(*at);
    client = std::move(left.near);
    server = std::move(right.far);
    client->start(&client_ear);
    server->start(&server_ear);
    relay = splice(at->on(), std::move(left.far), std::move(right.near), [this](error why) {
      ++ended;
      cause = why;
    });
  }
  std::unique_ptr<test::stage> at;
  test::recorder client_ear, server_ear;
  stream_ptr client, server;
  std::unique_ptr<net::relay> relay;
  int ended = 0;
  error cause;
};

void check_relay(std::unique_ptr<test::stage> (*make)()) {
  {
    spliced s(make());
    s.client->write("ask");
    s.server->write("answer");
    REQUIRE(s.at->until([&] { return s.server_ear.text == "ask" && s.client_ear.text == "answer"; }));
    CHECK(s.relay->totals().there == 3);
    CHECK(s.relay->totals().back == 6);
  }
  {  // What is queued is delivered before the end.
    spliced s(make());
    s.client->write(std::string(5'000'000, 'x'));
    s.client->close();
    REQUIRE(s.at->until([&] { return s.server_ear.closes == 1; }));
    CHECK(s.server_ear.text.size() == 5'000'000);
    s.server.reset();
    REQUIRE(s.at->until([&] { return s.ended == 1; }));
    CHECK(s.cause.code == errc::closed);
  }
  {  // A slow reader holds the source back, and memory stays bounded.
    spliced s(make());
    s.server->pause();
    for (int i = 0; i < 400; ++i) s.client->write(std::string(100'000, 'y'));
    s.at->settle();
    CHECK(s.relay->totals().there < 20'000'000);
    CHECK(s.client->unsent() > 10'000'000);
    s.server->resume();
    CHECK(s.at->until([&] { return s.server_ear.text.size() == 40'000'000; }));
  }
  {  // Destroying it cuts both and tells nobody.
    spliced s(make());
    s.relay.reset();
    CHECK(s.at->until([&] { return s.client_ear.closes == 1 && s.server_ear.closes == 1; }));
    CHECK(s.ended == 0);
  }
}

void check_first_word(std::unique_ptr<test::stage> (*make)()) {
  auto at = make();
  auto left = test::connect(*at), right = test::connect(*at);
  test::recorder client_ear, server_ear;
  left.near->start(&client_ear);
  right.far->start(&server_ear);
  std::optional<word_outcome> out;
  auto trial = await_first_word(at->on(), std::move(left.far), std::move(right.near), "", [&](word_outcome got) { out = std::move(got); });
  left.near->write("hello");
  REQUIRE(at->until([&] { return server_ear.text == "hello"; }));
  CHECK(!out);
  right.far->close();   // without a word
  REQUIRE(at->until([&] { return out.has_value(); }));
  REQUIRE(out->client);
  CHECK(!out->server);
  CHECK(out->said == "hello");
  CHECK(client_ear.closes == 0);

  // Another server is told the same, and what the client said meanwhile; its first word ends the waiting.
  left.near->write(" again");
  auto other = test::connect(*at);
  test::recorder other_ear;
  other.far->start(&other_ear);
  auto client = std::move(out->client);
  const auto said = out->said;
  out.reset();
  trial = await_first_word(at->on(), std::move(client), std::move(other.near), said, [&](word_outcome got) { out = std::move(got); });
  REQUIRE(at->until([&] { return other_ear.text == "hello again"; }));
  other.far->write("welcome");
  REQUIRE(at->until([&] { return out.has_value() && client_ear.text == "welcome"; }));
  REQUIRE(out->server);
  auto relay = splice(at->on(), std::move(out->client), std::move(out->server), [](const error&) {});
  left.near->write("!");
  other.far->write("?");
  CHECK(at->until([&] { return other_ear.text == "hello again!" && client_ear.text == "welcome?"; }));
}

}  // namespace

TEST_CASE("a client whose server ends without a word is kept with what it said, and another server is told the same") {
  check_first_word(test::make_real_stage);
  check_first_word(test::make_sim_stage);
}

TEST_CASE("a client that leaves before the first word, or waits too long for it, is not kept") {
  auto at = test::make_sim_stage();
  auto left = test::connect(*at), right = test::connect(*at);
  test::recorder client_ear;
  left.near->start(&client_ear);
  std::optional<word_outcome> out;
  auto trial = await_first_word(at->on(), std::move(left.far), std::move(right.near), "", [&](word_outcome got) { out = std::move(got); });
  REQUIRE(at->until([&] { return out.has_value(); }));   // the limit passes
  CHECK(out->client);
  CHECK(out->server);
  trial = await_first_word(at->on(), std::move(out->client), std::move(out->server), "", [&](word_outcome got) { out = std::move(got); });
  out.reset();
  left.near.reset();
  REQUIRE(at->until([&] { return out.has_value(); }));
  CHECK(!out->client);
  CHECK(!out->server);
}

TEST_CASE("a relay carries both ways, at the pace of the slower, and ends with all that was queued") {
  check_relay(test::make_real_stage);
  check_relay(test::make_sim_stage);
}

TEST_CASE("a peer that does not take its bytes after the end is cut at the linger limit") {
  spliced s(test::make_sim_stage());
  s.server->pause();
  s.client->write(std::string(400'000, 'z'));
  s.client->close();
  const auto from = s.at->on().now();
  REQUIRE(s.at->until([&] { return s.ended == 1; }));
  CHECK(s.at->on().now() - from < 2 * linger_limit + 1s);  // Simulated time: a promise, not a measurement.
}
