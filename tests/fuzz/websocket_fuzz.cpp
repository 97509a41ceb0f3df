// Any bytes on an upgraded stream: messages stay within their limit, and the end is told once.
#include <cstdlib>

#include "net/sim/network.hpp"
#include "net/websocket/websocket.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {

constexpr std::size_t message_max = 4096;

struct ear : websocket::sink {
  void on_message(bool, std::string_view data) override {
    if (data.size() > message_max || closes > 0) std::abort();
  }
  void on_closed(const error&) override {
    if (++closes > 1) std::abort();
  }
  int closes = 0;
};
struct zero : entropy {
  std::string draw(std::size_t count) override { return std::string(count, '\1'); }
};

/// Hands its sink what the fuzzer says, and takes whatever is answered.
struct said : stream {
  void start(stream_sink* to) override { sink = to; }
  using stream::write;
  void write(std::string_view) override {}
  std::size_t unsent() const override { return 0; }
  void pause() override {}
  void resume() override {}
  void close() override {}
  const peer_identity& peer() const override { return nobody; }
  endpoint local_address() const override { return {}; }
  endpoint remote_address() const override { return {}; }
  stream_sink* sink = nullptr;
  peer_identity nobody;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* raw, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(raw), size);
  for (const auto as : {websocket::role::server, websocket::role::client})
    for (const std::size_t step : {size + 1, std::size_t{5}}) {
      agenda time;
      const auto network = sim::make_network(time, rng(1), wall_time{});
      auto& computer = network->add("a", {"10.0.0.1"});
      zero masks;
      ear to;
      auto stream = std::make_unique<said>();
      auto& feed = *stream;
      const auto connection = websocket::wrap(computer.on(), std::move(stream), as, masks, message_max);
      connection->start(&to);
      for (std::size_t at = 0; at < data.size() && to.closes == 0; at += step) feed.sink->on_data(data.substr(at, step));
      if (to.closes == 0) feed.sink->on_closed({errc::closed, ""});
      if (to.closes != 1) std::abort();
    }
  return 0;
}
