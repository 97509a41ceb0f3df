// Many agents' tunnels in one process, against a real server: the product's own session actors, each with a node's
// certificate of its own. Says "up N" whenever the number of open tunnels has changed, at most every 50 ms; ends when its
// standard input ends.
//
//   agents_bench SERVER_TLS_FOLDER ADDRESS:PORT COUNT
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "actors/runtime/pinned.hpp"
#include "actors/runtime/spawn.hpp"
#include "actors/runtime/stage.hpp"
#include "actors/tunnel/session.hpp"
#include "basis/log.hpp"
#include "basis/rng.hpp"
#include "net/asio/real.hpp"
#include "net/tls/openssl.hpp"

using namespace troupe;

namespace {

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

class counter_state {
 public:
  static constexpr const char* name = "counter";
  explicit counter_state(rt::self<tunnel::tunnel_listener_actor>) {}
  void init(int* up) { up_ = up; }
  tunnel::tunnel_listener_actor::behavior_type make_behavior() {
    return {[this](tunnel::tunnel_state& news) { *up_ += news.up ? 1 : -1; }};
  }

 private:
  int* up_ = nullptr;   // on the loop's thread only
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return std::fprintf(stderr, "usage: agents_bench SERVER_TLS_FOLDER ADDRESS:PORT COUNT\n"), 2;
  const std::string folder = argv[1];
  const auto server = parse_endpoint(argv[2]);
  const int count = std::atoi(argv[3]);
  log::set_sink([](const log::record&) {});
  net::real::loop loop("net0");
  auto dialer = net::real::make_dialer(loop);
  auto tls = net::tls::make_openssl_provider();
  auto issuer = net::tls::make_openssl_issuer();
  rt::stage stage;
  rt::shard_unit unit(stage.system(), loop);
  rt::world world;
  world.system = &stage.system();
  world.shard = &loop;
  world.unit = &unit;
  world.dialer = dialer.get();
  world.tls = tls.get();
  world.issuer = issuer.get();
  world.wall = &system_wall_clock();
  world.chance = &system_entropy();
  world.dice = rng(static_cast<std::uint64_t>(::getpid()));

  const net::tls::identity ca{slurp(folder + "/client-ca.crt"), secret_text(slurp(folder + "/client-ca.key"))};
  const auto trust = slurp(folder + "/server-ca.crt");
  int up = 0;
  const auto counter = rt::spawn_pinned<tunnel::tunnel_listener_actor, counter_state>(world, "", &up);
  std::vector<tunnel::session_actor> sessions;
  const auto rules = std::make_shared<const tunnel::dial_rules>();
  for (int i = 0; i < count; ++i) {
    net::tls::leaf_request leaf;
    leaf.common_name = "system:node:bench-" + std::to_string(i);
    leaf.organizations = {"system:nodes"};
    const auto key = issuer->make_key();
    leaf.public_key = *issuer->public_key_of(key);
    auto pem = issuer->sign(leaf, ca, world.wall->now(), std::chrono::hours(24));
    if (!pem.ok()) return std::fprintf(stderr, "%s\n", pem.why().text().c_str()), 1;
    tunnel::session_config with;
    with.trust = trust;
    with.self = {*pem, key};
    with.rules = rules;
    sessions.push_back(tunnel::make_session(world, std::move(with), counter));
    rt::post(sessions.back(), tunnel::keep_tunnel{*server});
  }
  int told = -1;
  const auto ended = [&] {
    pollfd in{0, POLLIN, 0};
    if (::poll(&in, 1, 0) <= 0) return false;
    char byte = 0;
    return ::read(0, &byte, 1) <= 0;
  };
  for (;;) {
    loop.run_until([] { return false; }, std::chrono::milliseconds(50));
    if (up != std::exchange(told, up)) std::printf("up %d\n", up), std::fflush(stdout);
    if (ended()) std::_Exit(0);
  }
}
