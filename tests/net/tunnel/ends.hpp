// What tests of tunnels hold against an end of one: a service behind it, and a far side that writes frames by hand.
#pragma once
#include <string>
#include <vector>

#include "net/tunnel/frame.hpp"
#include "net/tunnel/tunnel.hpp"
#include "tests/net/stage.hpp"

namespace troupe::net::test {

struct plain_masks : entropy {
  std::string draw(std::size_t count) override { return std::string(count, '\x5a'); }
};

/// A service that says everything back.
struct echo : stream_sink {
  explicit echo(stream_ptr s) : stream(std::move(s)) { stream->start(this); }
  void on_data(std::string_view data) override { stream->write(data); }
  void on_closed(const error&) override { over = true; }
  stream_ptr stream;
  bool over = false;
};

/// A server's end against a peer that writes frames by hand, as a K3s agent would; or an agent's end against a server.
struct by_hand : websocket::sink {
  explicit by_hand(tunnel::session_config with = {}) {
    auto ends = test::connect(*at);
    with.name = "node-b";
    with.on_end = [this](const error& why) { end = why; };
    with.on_refusals = [this](std::string_view why, std::uint64_t count) { refusals.push_back(std::string(why) + " x" + std::to_string(count)); };
    const auto theirs = with.side == websocket::role::server ? websocket::role::client : websocket::role::server;
    server = tunnel::open(at->on(), websocket::wrap(at->on(), std::move(ends.far), with.side, masks), with, rng(1));
    peer = websocket::wrap(at->on(), std::move(ends.near), theirs, masks);
    peer->start(this);
  }
  void on_message(bool binary, std::string_view data) override {
    CHECK(binary);
    const auto f = tunnel::decode(data);
    REQUIRE(f.has_value());
    frames.push_back(std::to_string(f->type) + " " + std::to_string(f->connection) + " " + std::string(f->payload.substr(0, 80)));
  }
  void on_closed(const error&) override { ++closes; }
  void say(std::int64_t connection, tunnel::frame_type type, std::string_view payload) {
    say_on(connection, type, payload);
    at->settle();
  }
  /// Without waiting for what it leads to.
  void say_on(std::int64_t connection, tunnel::frame_type type, std::string_view payload) {
    peer->send(true, tunnel::encode(7, connection, type, payload));
  }
  std::unique_ptr<test::stage> at = test::make_sim_stage();
  plain_masks masks;
  std::vector<std::string> frames, refusals;
  int closes = 0;
  std::optional<error> end;
  std::unique_ptr<tunnel::session> server;
  websocket::connection_ptr peer;
};

}  // namespace troupe::net::test
