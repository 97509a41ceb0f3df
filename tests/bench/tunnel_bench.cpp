// What a tunnel costs: small calls beside bulk streams, and bulk beside plain TLS. A server's and an agent's end in one
// process, each on a loop and thread of its own, over real sockets and real TLS. Prints one JSON document.
//
// Plain TLS is measured twice: from memory, and relayed, which is what any agent must do without a tunnel at all: it
// takes the bytes from the service's connection and passes them on encrypted.
//
//   tunnel_bench SECONDS
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <future>

#include "basis/json.hpp"
#include "basis/rng.hpp"
#include "net/asio/real.hpp"
#include "net/http/client.hpp"
#include "net/http/server.hpp"
#include "net/relay/relay.hpp"
#include "net/tls/openssl.hpp"
#include "net/tunnel/tunnel.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {

constexpr std::size_t small_bytes = 256;
constexpr int bulk_streams = 4;

/// Runs `what` on a loop and waits for it.
void on(real::loop& loop, std::function<void()> what) {
  std::promise<void> done;
  loop.post([&] { what(), done.set_value(); });
  done.get_future().wait();
}

/// Says everything back.
struct echo : stream_sink {
  explicit echo(stream_ptr s) : stream(std::move(s)) { stream->start(this); }
  void on_data(std::string_view data) override { stream->write(data); }
  void on_closed(const error&) override {}
  stream_ptr stream;
};

/// Sends without end, at the pace of whoever reads.
struct source : stream_sink {
  source(real::loop& l, stream_ptr s) : loop(l), stream(std::move(s)) { stream->start(this), fill(); }
  void fill() {
    if (ended) return;
    for (int i = 0; i < 16 && stream->unsent() < 512 * 1024; ++i) stream->write(block);
    if (stream->unsent() >= stream::low_water) return;   // on_drained goes on
    loop.post([this, still = std::weak_ptr(here)] { if (still.lock()) fill(); });
  }
  void on_data(std::string_view) override {}
  void on_drained() override { fill(); }
  void on_closed(const error&) override { ended = true; }
  real::loop& loop;
  stream_ptr stream;
  bool ended = false;
  const std::shared_ptr<int> here = std::make_shared<int>();
  const std::string block = std::string(64 * 1024, 'x');
};

struct drain : stream_sink {
  explicit drain(stream_ptr s, std::atomic<std::uint64_t>& into) : stream(std::move(s)), total(into) { stream->start(this); }
  void on_data(std::string_view data) override { total += data.size(); }
  void on_closed(const error&) override {}
  stream_ptr stream;
  std::atomic<std::uint64_t>& total;
};

/// One call after the other: 256 bytes there and back.
struct caller : stream_sink {
  caller(real::loop& l, stream_ptr s) : loop(l), stream(std::move(s)) { stream->start(this), call(); }
  void call() {
    from = loop.now();
    left = small_bytes;
    stream->write(std::string(small_bytes, 'c'));
  }
  void on_data(std::string_view data) override {
    left -= std::min(left, data.size());
    if (left > 0) return;
    took_ms.push_back(std::chrono::duration<double, std::milli>(loop.now() - from).count());
    loop.after(std::chrono::milliseconds(2), [this] { call(); });
  }
  void on_closed(const error&) override {}
  real::loop& loop;
  stream_ptr stream;
  mono_time from{};
  std::size_t left = 0;
  std::vector<double> took_ms;
};

struct bench {
  real::loop server{"server"}, agent{"agent"}, service{"service"};
  std::unique_ptr<tls::provider> tls_of = tls::make_openssl_provider();
  std::unique_ptr<tls::issuer> issuer = tls::make_openssl_issuer();
  std::shared_ptr<const tls::server_context> accepts;
  std::shared_ptr<const tls::client_context> connects;
  std::unique_ptr<dialer> agent_dials = real::make_dialer(agent), server_dials = real::make_dialer(server);
  std::unique_ptr<acceptor> server_accepts = real::make_acceptor(server), service_accepts = real::make_acceptor(service);
  std::unique_ptr<listener> door, echo_door, source_door, plain_door;
  std::vector<std::unique_ptr<stream_sink>> kept;
  std::unique_ptr<http::server_connection> http_server;
  std::unique_ptr<http::client_connection> http_client;
  std::unique_ptr<tunnel::session> near, far;
  std::promise<void> up;

  bench() {
    const auto now = system_wall_clock().now();
    const auto ca = *issuer->make_ca("bench", now, std::chrono::hours(24));
    tls::leaf_request leaf;
    leaf.common_name = "server";
    leaf.use = tls::usage::server;
    leaf.addresses = {"127.0.0.1"};
    const auto key = issuer->make_key();
    leaf.public_key = *issuer->public_key_of(key);
    accepts = *tls_of->make_server({{*issuer->sign(leaf, ca, now, std::chrono::hours(24)), key}, ""});
    connects = *tls_of->make_client({ca.certificates, "127.0.0.1", {}});
    server.start(), agent.start(), service.start();
    on(service, [&] {
      echo_door = std::move(*service_accepts->listen({"127.0.0.1", 0}, [this](stream_ptr s) { kept.push_back(std::make_unique<echo>(std::move(s))); }));
      source_door = std::move(*service_accepts->listen({"127.0.0.1", 0}, [this](stream_ptr s) { kept.push_back(std::make_unique<source>(service, std::move(s))); }));
    });
    on(server, [&] {
      door = std::move(*server_accepts->listen({"127.0.0.1", 0}, [this](stream_ptr raw) {
        tls_of->accept(server, std::move(raw), accepts, [this](result<stream_ptr> s) { serve(std::move(*s)); });
      }));
    });
    on(agent, [&] { dial_tunnel(); });
    up.get_future().wait();
  }

  void serve(stream_ptr s) {
    auto with = std::make_shared<http::server_config>();
    with->on_request = [this](http::request ask, http::exchange_ptr to) {
      auto over = websocket::accept(server, ask, *to, "", system_entropy());
      tunnel::session_config config;
      config.side = websocket::role::server;
      config.name = "bench";
      near = tunnel::open(server, std::move(over), std::move(config), rng(1));
      up.set_value();
    };
    http_server = http::serve(server, std::move(s), with);
  }
  void dial_tunnel() {
    agent_dials->dial(door->address(), std::chrono::seconds(5), [this](result<stream_ptr> raw) {
      tls_of->connect(agent, std::move(*raw), connects, [this](result<stream_ptr> s) {
        http_client = http::attach(agent, std::move(*s));
        websocket::connect(agent, *http_client, "bench", "/", {}, "", std::chrono::seconds(5), system_entropy(), [this](result<websocket::connection_ptr> got) {
          tunnel::session_config config;
          config.side = websocket::role::client;
          config.name = "bench";
          config.on_dial = [this](const tunnel::dial_request& ask, dialer::dialed done) {
            agent_dials->dial(*parse_endpoint(ask.address), std::chrono::seconds(5), std::move(done));
          };
          far = tunnel::open(agent, std::move(*got), std::move(config), rng(2));
        });
      });
    });
  }

  void open(const endpoint& to, std::function<void(stream_ptr)> then) {
    on(server, [&] { near->dial(to, std::chrono::seconds(5), [then](result<stream_ptr> s) { then(std::move(*s)); }); });
  }
};

void rest(int seconds) {
  real::loop waiting("wait");
  waiting.run_until([] { return false; }, std::chrono::seconds(seconds));
}

}  // namespace

int main(int argc, char** argv) {
  const int seconds = argc > 1 ? std::atoi(argv[1]) : 5;
  bench b;
  std::atomic<std::uint64_t> plain{0}, bulk{0};
  const auto per_second = [&](std::atomic<std::uint64_t>& total) {
    rest(1);
    const auto before = total.load();
    rest(seconds);
    return static_cast<double>(total.load() - before) / seconds / 1e6;
  };
  std::unique_ptr<stream_sink> sender, reader;
  std::unique_ptr<relay> passing;
  on(b.server, [&] {
    b.plain_door = std::move(*b.server_accepts->listen({"127.0.0.1", 0}, [&](stream_ptr raw) {
      b.tls_of->accept(b.server, std::move(raw), b.accepts, [&](result<stream_ptr> s) { reader = std::make_unique<drain>(std::move(*s), plain); });
    }));
  });
  const auto encrypted = [&](std::function<void(stream_ptr)> then) {
    b.agent_dials->dial(b.plain_door->address(), std::chrono::seconds(5), [&b, then](result<stream_ptr> raw) {
      b.tls_of->connect(b.agent, std::move(*raw), b.connects, [then](result<stream_ptr> s) { then(std::move(*s)); });
    });
  };
  on(b.agent, [&] { encrypted([&](stream_ptr s) { sender = std::make_unique<source>(b.agent, std::move(s)); }); });
  const double plain_rate = per_second(plain);
  on(b.agent, [&] { sender.reset(); });
  on(b.server, [&] { reader.reset(); });
  on(b.agent, [&] {
    encrypted([&](stream_ptr s) {
      b.agent_dials->dial(b.source_door->address(), std::chrono::seconds(5), [&b, &passing, to = std::make_shared<stream_ptr>(std::move(s))](result<stream_ptr> got) {
        passing = splice(b.agent, std::move(*to), std::move(*got), [](error) {});
      });
    });
  });
  const double relayed_rate = per_second(plain);
  on(b.agent, [&] { passing.reset(); });
  on(b.server, [&] { reader.reset(); });

  std::vector<std::unique_ptr<stream_sink>> readers;
  std::unique_ptr<caller> calls;
  b.open(b.echo_door->address(), [&](stream_ptr s) { calls = std::make_unique<caller>(b.server, std::move(s)); });
  rest(seconds);
  std::vector<double> alone, beside;
  on(b.server, [&] { alone.swap(calls->took_ms); });
  for (int i = 0; i < bulk_streams; ++i)
    b.open(b.source_door->address(), [&](stream_ptr s) { readers.push_back(std::make_unique<drain>(std::move(s), bulk)); });
  const double bulk_rate = per_second(bulk);
  on(b.server, [&] { beside.swap(calls->took_ms); });

  const auto at = [](std::vector<double>& all, double q) {
    std::sort(all.begin(), all.end());
    return all.empty() ? 0.0 : all[static_cast<std::size_t>(q * static_cast<double>(all.size() - 1))];
  };
  const json out{{"plain_tls_mb_per_second", plain_rate}, {"relayed_tls_mb_per_second", relayed_rate}, {"relayed_tls_ratio", relayed_rate / plain_rate}, {"tunnel_mb_per_second", bulk_rate}, {"tunnel_ratio", bulk_rate / plain_rate}, {"tunnel_over_relayed_tls", bulk_rate / relayed_rate},
                 {"calls_alone", alone.size()}, {"alone_p50_ms", at(alone, 0.5)}, {"alone_p99_ms", at(alone, 0.99)},
                 {"calls_beside_bulk", beside.size()}, {"beside_p50_ms", at(beside, 0.5)}, {"beside_p99_ms", at(beside, 0.99)}};
  std::printf("%s\n", to_text(out).c_str());
  std::fflush(stdout);
  std::_Exit(0);   // what runs on the loops ends with the process
}
