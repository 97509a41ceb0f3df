// Any bytes as tunnel frames: what is read is written back the same; a session survives all of it.
#include <cstdlib>
#include <deque>

#include "net/sim/network.hpp"
#include "net/tunnel/frame.hpp"
#include "net/tunnel/tunnel.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {

/// A WebSocket that says what the fuzzer says.
struct said : websocket::connection {
  explicit said(websocket::sink*& to) : sink(to) {}
  void start(websocket::sink* to) override { sink = to; }
  void send(bool, std::string_view data) override {
    if (!tunnel::decode(data)) std::abort();
  }
  void ping() override {}
  void close(std::uint16_t, std::string_view) override {}
  std::size_t unsent() const override { return 0; }
  void pause() override {}
  void resume() override {}
  websocket::sink*& sink;
};

void check_codec(std::string_view data) {
  if (const auto f = tunnel::decode(data); f && f->type >= 1 && f->type <= 8) {
    const auto again = tunnel::encode(f->id, f->connection, static_cast<tunnel::frame_type>(f->type), f->payload);
    const auto twice = tunnel::decode(again);
    if (!twice || twice->id != f->id || twice->connection != f->connection || twice->payload != f->payload) std::abort();
  }
  if (const auto list = tunnel::decode_sync(data); list && tunnel::encode_sync(*list) != data) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* raw, std::size_t size) {
  std::string_view data(reinterpret_cast<const char*>(raw), size);
  check_codec(data);
  agenda time;
  const auto network = sim::make_network(time, rng(1), wall_time{});
  auto& computer = network->add("a", {"10.0.0.1"});
  std::deque<stream_ptr> dialled;
  bool over = false;
  tunnel::session_config config;
  config.side = size % 2 == 0 ? websocket::role::server : websocket::role::client;
  config.receive_max = 64;
  config.streams_max = 8;
  config.on_end = [&](const error&) { over = true; };
  config.on_dial = [&](const tunnel::dial_request& ask, dialer::dialed done) {
    computer.dials().dial({ask.address, 80}, 1s, std::move(done));
  };
  websocket::sink* sink = nullptr;
  const auto session = tunnel::open(computer.on(), std::make_unique<said>(sink), config, rng(2));
  session->dial({"10.0.0.9", 80}, 1s, [&](result<stream_ptr> s) {
    if (s) dialled.push_back(std::move(*s));
  });
  // Each message is preceded by its length in one byte.
  while (!data.empty() && !over) {
    const auto n = static_cast<unsigned char>(data.front());
    data.remove_prefix(1);
    sink->on_message(true, data.substr(0, n));
    data.remove_prefix(std::min<std::size_t>(n, data.size()));
    while (time.run_one()) {}
  }
  if (session->streams() > config.streams_max + 1) std::abort();
  return 0;
}
