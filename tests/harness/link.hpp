// The agent's link alone, simulated: the product's balancer and connections on one computer, and servers that are as small
// as can be: TLS, /readyz and an answer that names the server and how often it has answered this connection.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/balancer/balancer.hpp"
#include "actors/connection/connection.hpp"
#include "net/http/client.hpp"
#include "net/http/server.hpp"
#include "net/sim/network.hpp"
#include "tests/harness/stage.hpp"

namespace troupe::testing {

/// A server of the simulated network: "s1" at 10.0.0.1 and so on, port 6443.
class small_server {
 public:
  small_server(net::sim::network& net, net::tls::issuer& issuer, const net::tls::identity& ca, const std::string& name, const std::string& address, wall_time now);
  void start();                       ///< After a stop or a crash of the computer too.
  void stop(net::sim::loss how);      ///< The process dies.
  const std::string name;
  const endpoint at;
  bool ready = true;                  ///< What /readyz says.
  bool mute = false;                  ///< It accepts and never answers: a frozen process.
  std::size_t asked = 0;              ///< Requests other than probes.
  std::size_t open() const { return served_.size(); }

 private:
  struct one;
  net::sim::network& net_;
  net::sim::computer& on_;
  std::shared_ptr<const net::tls::server_context> context_;
  std::unique_ptr<net::listener> door_;
  std::map<std::uint64_t, std::unique_ptr<net::http::server_connection>> served_;
  std::vector<net::stream_ptr> silent_;
  std::vector<net::http::exchange_ptr> held_;   ///< Asked while it was mute.
  std::uint64_t numbers_ = 0;
};

/// Client connections through the balancer, on the agent's computer: TLS and one request after the other on each.
class small_client {
 public:
  small_client(net::sim::computer& on, const net::tls::identity& self, const std::string& trust, endpoint to);
  using answered = std::function<void(const std::string& server)>;   ///< "" when no answer came.
  /// One request, on the kept connection when there is one. `done` comes exactly once.
  void ask(duration patience, answered done);
  bool connected() const { return connection_ && connection_->open(); }
  std::size_t cuts = 0;   ///< Connections that ended under us.

 private:
  void send(duration patience, std::shared_ptr<answered> done);
  net::sim::computer& on_;
  std::shared_ptr<const net::tls::client_context> tls_;
  endpoint to_;
  std::shared_ptr<net::http::client_connection> connection_;
};

class link_stage {
 public:
  explicit link_stage(std::uint64_t seed, std::size_t servers, const std::function<void(balancer::balancer_config&)>& adjust = {});
  ~link_stage();
  small_server& operator[](std::size_t number) { return *servers_.at(number - 1); }
  std::size_t count() const { return servers_.size(); }
  /// The balancer is told of these, by number, with a newer generation.
  void list(const std::vector<std::size_t>& numbers);
  balancer::roster_view view();
  std::string state_of(std::size_t number);
  small_client client();
  bool until(const std::function<bool()>& done, duration limit = std::chrono::seconds(30)) { return on.run.run_until(done, limit); }

  stage on;
  std::unique_ptr<net::sim::network> net;
  net::sim::computer* agent = nullptr;
  balancer::balancer_actor balancer;
  std::string published;              ///< The last snapshot.
  std::uint64_t generation = 0;

 private:
  std::vector<std::unique_ptr<small_server>> servers_;
  net::tls::identity ca_, self_;
};

}  // namespace troupe::testing
