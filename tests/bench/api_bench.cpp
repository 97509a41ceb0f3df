// Creates per second through the API with TLS: CLIENTS closed loops, each on a connection of its own,
// creating ConfigMaps for SECONDS. Prints one JSON document. The client is one event loop in one
// thread, so on a small machine it takes its share of what it measures.
//
//   api_bench KUBECONFIG_FOLDER ADDRESS:PORT CLIENTS SECONDS
//
// The folder holds ca.crt, client.crt and client.key.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "basis/json.hpp"
#include "net/asio/real.hpp"
#include "net/http/client.hpp"
#include "net/tls/openssl.hpp"

using namespace troupe;

namespace {

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

struct bench {
  net::real::loop* loop;
  std::unique_ptr<net::dialer> dialer;
  std::unique_ptr<net::tls::provider> tls = net::tls::make_openssl_provider();
  std::shared_ptr<const net::tls::client_context> context;
  endpoint at;
  std::string host;
  bool stop = false;
  std::uint64_t done = 0, failed = 0, numbers = 0;
  std::size_t open = 0;
  std::vector<double> took_ms;
};

struct client {
  bench& of;
  std::unique_ptr<net::http::client_connection> connection;
  std::uint64_t number = 0;

  void connect() {
    of.dialer->dial(of.at, std::chrono::seconds(10), [this](result<net::stream_ptr> raw) {
      if (!raw.ok()) return void(++of.failed);
      of.tls->connect(*of.loop, std::move(*raw), of.context, [this](result<net::stream_ptr> safe) {
        if (!safe.ok()) return void(++of.failed);
        connection = net::http::attach(*of.loop, std::move(*safe));
        ++of.open;
      });
    });
  }
  void create() {
    if (of.stop) return;
    net::http::request ask;
    ask.method = "POST";
    ask.path = "/api/v1/namespaces/default/configmaps";
    ask.headers.add("content-type", "application/json");
    ask.headers.add("accept", "application/json");
    const auto name = "bench-" + std::to_string(number) + "-" + std::to_string(++of.numbers);
    ask.body = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"" + name + "\"},\"data\":{\"key\":\"" + std::string(512, 'x') + "\"}}";
    const auto from = of.loop->now();
    net::http::fetch(*connection, ask, of.host, std::chrono::seconds(20), [this, from](result<net::http::response> got) {
      if (!got.ok() || got->status != 201) ++of.failed;
      else {
        ++of.done;
        of.took_ms.push_back(std::chrono::duration<double, std::milli>(of.loop->now() - from).count());
      }
      of.loop->post([this] { create(); });
    });
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return std::fprintf(stderr, "usage: api_bench FOLDER ADDRESS:PORT CLIENTS SECONDS\n"), 2;
  const std::string folder = argv[1];
  const auto clients = static_cast<std::size_t>(std::atoi(argv[3]));
  const auto seconds = std::atoi(argv[4]);
  auto loop = net::real::make_shard("bench");
  bench b;
  b.loop = loop.get();
  b.dialer = net::real::make_dialer(*loop);
  b.at = parse_endpoint(argv[2]).value();
  b.host = to_string(b.at);
  auto made = b.tls->make_client({slurp(folder + "/ca.crt"), b.at.host, {slurp(folder + "/client.crt"), secret_text(slurp(folder + "/client.key"))}});
  if (!made.ok()) return std::fprintf(stderr, "%s\n", made.why().text().c_str()), 1;
  b.context = *made;
  std::vector<std::unique_ptr<client>> all;
  for (std::size_t i = 0; i < clients; ++i) all.push_back(std::unique_ptr<client>(new client{b, nullptr, i + static_cast<std::uint64_t>(std::time(nullptr)) * 1000}));
  for (auto& c : all) c->connect();
  if (!loop->run_until([&] { return b.open + b.failed >= clients; }, std::chrono::seconds(30)) || b.failed > 0)
    return std::fprintf(stderr, "%zu of %zu clients connected\n", b.open, clients), 1;
  const auto from = loop->now();
  for (auto& c : all) c->create();
  loop->run_until([&] { return loop->now() - from >= std::chrono::seconds(seconds); }, std::chrono::seconds(seconds + 30));
  const double span = std::chrono::duration<double>(loop->now() - from).count();
  b.stop = true;
  std::sort(b.took_ms.begin(), b.took_ms.end());
  const auto at = [&](double q) { return b.took_ms.empty() ? 0.0 : b.took_ms[static_cast<std::size_t>(q * static_cast<double>(b.took_ms.size() - 1))]; };
  const json out{{"clients", clients}, {"seconds", span}, {"creates", b.done}, {"failed", b.failed},
                 {"creates_per_second", static_cast<double>(b.done) / span}, {"p50_ms", at(0.5)}, {"p99_ms", at(0.99)}};
  std::printf("%s\n", to_text(out).c_str());
  std::fflush(stdout);
  std::_Exit(b.failed == 0 ? 0 : 1);
}
