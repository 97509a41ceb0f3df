// What a connection does between two turns of its loop: every turn is taken by the test, every byte brought by it.
#include <doctest/doctest.h>

#include <vector>

#include "net/http/server.hpp"
#include "tests/net/stage.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {

/// A shard whose turns the test takes, and a stream whose bytes it brings: what comes between two turns is its choice.
struct by_hand final : shard {
  void post(task what) override { turns.push_back(std::move(what)); }
  timer_id after(duration, task) override { return ++timers; }
  void cancel(timer_id) override {}
  mono_time now() const override { return {}; }
  void turn() {
    for (auto& each : std::exchange(turns, {})) each();
  }
  std::vector<task> turns;
  timer_id timers = 0;
};
struct line {
  stream_sink* sink = nullptr;
  bool paused = false;
  std::string written;
};
class line_stream final : public stream {
 public:
  explicit line_stream(std::shared_ptr<line> of) : of_(std::move(of)) {}
  void start(stream_sink* sink) override { of_->sink = sink; }
  void write(std::string_view data) override { of_->written.append(data); }
  std::size_t unsent() const override { return 0; }
  void pause() override { of_->paused = true; }
  void resume() override { of_->paused = false; }
  void close() override {}
  const peer_identity& peer() const override { return nobody_; }
  endpoint local_address() const override { return {}; }
  endpoint remote_address() const override { return {}; }

 private:
  std::shared_ptr<line> of_;
  peer_identity nobody_;
};

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nhost: a\r\n\r\n"; }

}  // namespace

TEST_CASE("a request whose beginning was read ahead is read to its end, whatever comes before the loop's next turn") {
  by_hand on;
  const auto wire = std::make_shared<line>();
  const auto config = std::make_shared<http::server_config>();
  std::vector<http::exchange_ptr> held;
  config->on_request = [&](http::request, http::exchange_ptr to) { held.push_back(std::move(to)); };
  const auto connection = http::serve(on, std::make_unique<line_stream>(wire), config);
  const std::string flood = "POST /flood HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\n";
  wire->sink->on_data(get("/first") + flood + std::string(50'000, 'f'));
  REQUIRE(held.size() == 1);
  std::size_t left = 150'000;
  const auto more = [&](std::size_t size) {
    wire->sink->on_data(std::string(size, 'f'));
    left -= size;
  };
  SUBCASE("too much was read ahead before the answer") {
    more(60'000);
    CHECK(wire->paused);
    held[0]->respond({200, {}, {}});
  }
  SUBCASE("too much was read ahead after the answer") {
    held[0]->respond({200, {}, {}});
    more(60'000);
    CHECK(wire->paused);
  }
  on.turn();
  REQUIRE_FALSE(wire->paused);
  more(left);
  CHECK(held.size() == 2);
}

TEST_CASE("who takes over a connection gets what comes, though more than enough was read ahead") {
  by_hand on;
  const auto wire = std::make_shared<line>();
  const auto config = std::make_shared<http::server_config>();
  http::exchange_ptr held;
  config->on_request = [&](http::request, http::exchange_ptr to) { held = std::move(to); };
  const auto connection = http::serve(on, std::make_unique<line_stream>(wire), config);
  wire->sink->on_data("GET /u HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n" + std::string(100'000, 'e'));
  wire->sink->on_data("x");
  REQUIRE(wire->paused);
  const auto stream = held->upgrade(101, {});
  REQUIRE(stream);
  test::recorder got;
  stream->start(&got);
  on.turn();
  CHECK(got.text.size() == 100'001);
  CHECK_FALSE(wire->paused);
}

TEST_CASE("who ends a connection hears nothing more of it, whatever the stream still brings") {
  by_hand on;
  const auto wire = std::make_shared<line>();
  const auto config = std::make_shared<http::server_config>();
  std::vector<http::exchange_ptr> held;
  config->on_request = [&](http::request, http::exchange_ptr to) { held.push_back(std::move(to)); };
  auto connection = http::serve(on, std::make_unique<line_stream>(wire), config);
  // A front that revokes ends connections whose first bytes may already be in the same turn of the loop.
  SUBCASE("a whole request") {
    connection.reset();
    wire->sink->on_data(get("/late"));
    CHECK(held.empty());
  }
  SUBCASE("the rest of a request") {
    wire->sink->on_data("POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab");
    connection.reset();
    wire->sink->on_data("cd");
    CHECK(held.empty());
  }
  SUBCASE("what was read ahead") {
    wire->sink->on_data(get("/one") + get("/two"));
    held[0]->respond({200, {}, {}});
    connection.reset();
    on.turn();
    CHECK(held.size() == 1);
  }
  on.turn();
}
