#include "actors/membership/etcd_child.hpp"

#include <signal.h>

namespace troupe::membership {
namespace {
constexpr std::string_view socket_scheme = "unix://", socket_name = "client:0";   // etcd wants host:port also of a socket, and makes a file of that name where it runs
constexpr std::size_t socket_path_max = 107;
constexpr duration patience = std::chrono::minutes(1), pause = std::chrono::milliseconds(100);
}

std::string etcd_url(const std::string& host, std::uint16_t port) { return "https://" + to_string(endpoint{host, port}); }

std::string etcd_socket(const keeper_config& config) {
  auto url = std::string(socket_scheme).append(config.tls_folder).append(1, '/').append(socket_name);
  if (!config.tls_folder.starts_with('/') || url.size() > socket_scheme.size() + socket_path_max) url.clear();
  return url;
}

void clear_socket(net::files& files, const keeper_config& config) {
  if (files.in_use(config.folder + "/member/snap/db")) return;   // another server's etcd lives on it: its socket is not ours to take
  if (const auto url = etcd_socket(config); !url.empty()) static_cast<void>(files.remove(url.substr(socket_scheme.size())));
}

net::process_order etcd_order(const keeper_config& config, const std::string& name, const std::string& initial, const std::string& state) {
  const auto both = [&](std::uint16_t port) {
    return etcd_url(config.address, port) + (config.loopback_too && config.address != "127.0.0.1" ? "," + etcd_url("127.0.0.1", port) : "");
  };
  const auto file = [&](const char* called) { return config.tls_folder + "/" + called; };
  net::process_order order;
  const std::string socket = etcd_socket(config).empty() ? std::string() : std::string(",").append(socket_scheme).append(socket_name);
  order.arguments = {config.program, "--name=" + name, "--data-dir=" + config.folder,
      "--listen-client-urls=" + both(config.client_port) + socket, "--advertise-client-urls=" + etcd_url(config.address, config.client_port),
      "--listen-peer-urls=" + both(config.peer_port), "--initial-advertise-peer-urls=" + etcd_url(config.address, config.peer_port),
      "--cert-file=" + file("server-client.crt"), "--key-file=" + file("server-client.key"), "--trusted-ca-file=" + file("server-ca.crt"), "--client-cert-auth=true",
      "--peer-cert-file=" + file("peer-server-client.crt"), "--peer-key-file=" + file("peer-server-client.key"), "--peer-trusted-ca-file=" + file("peer-ca.crt"), "--peer-client-cert-auth=true",
      "--heartbeat-interval=" + std::to_string(config.timers.heartbeat_ms), "--election-timeout=" + std::to_string(config.timers.election_ms),
      // Fewer raft entries in memory for 5 to 7 % of throughput; without it a member grows to half a gigabyte.
      "--snapshot-count=5000", "--quota-backend-bytes=" + std::to_string(config.quota_bytes), "--max-request-bytes=2097152", "--pre-vote=true", "--logger=zap", "--log-outputs=stderr"};
  if (!initial.empty()) order.arguments.insert(order.arguments.end(), {"--initial-cluster=" + initial, "--initial-cluster-state=" + state});
  order.environment = {"GOGC=50"};
  if (!socket.empty()) order.folder = config.tls_folder;
  return order;
}

result<net::process_end> run_to_end(const rt::world& in, net::process_order order) {
  const storage::awaited<net::process_end> ended;
  auto child = in.processes->start(std::move(order), [](std::string) {}, [ended](net::process_end how) { ended.set(std::move(how)); });
  if (!child.ok()) return child.why();
  return ended.take();
}

result<std::unique_ptr<lone_etcd>> lone_etcd::start(const rt::world& in, const keeper_config& config, const std::string& name, begins how) {
  auto out = std::make_unique<lone_etcd>(for_start{}, in);
  const auto own = how == begins::empty ? name + "=" + etcd_url(config.address, config.peer_port) : std::string();
  auto order = etcd_order(config, name, own, "new");
  clear_socket(*in.files, config);
  if (how == begins::without_fellows) order.arguments.emplace_back("--force-new-cluster");
  auto child = in.processes->start(std::move(order), [](std::string) {}, [ended = out->ended_](net::process_end end) { ended.set(std::move(end)); });
  if (!child.ok() && child.code() == errc::not_found) return fail(errc::not_found, "embedded etcd needs the program etcd, and there is none in PATH; on Debian: apt-get install etcd-server");
  if (!child.ok()) return child.why();
  out->child_ = std::move(*child);
  auto access = config.access;
  access.endpoints = {etcd_url(config.address, config.client_port)};
  auto engine = in.open_etcd(access);
  if (!engine.ok()) return engine.why();
  out->engine_ = std::move(*engine);
  if (auto up = out->wait(); !up.ok()) return up.why();
  return out;
}

result<void> lone_etcd::wait() {
  error last;
  for (const auto until = in_.shard->now() + patience; in_.shard->now() < until;) {
    const auto head = storage::await<result<storage::revision>>([&](storage::engine::head_done done) { engine_->read_head(std::move(done)); });
    if (head.ok()) return {};
    last = head.why();
    if (!ended_.there()) {
      storage::await<bool>([&](const auto& done) { in_.shard->post([this, done] { in_.shard->after(pause, [done] { done(true); }); }); });
      continue;
    }
    const auto end = ended_.take();
    child_.reset();
    return fail(errc::unavailable, "etcd ended: " + (end.last_lines.empty() ? "status " + std::to_string(end.status) : end.last_lines.back()));
  }
  return fail(errc::unavailable, "etcd does not answer: " + last.note);
}

lone_etcd::~lone_etcd() {
  engine_.reset();
  if (!child_) return;
  child_->signal(SIGTERM);
  if (!ended_.there()) ended_.take();
}

}  // namespace troupe::membership
