#include "tests/harness/link.hpp"

namespace troupe::testing {

small_server::small_server(net::sim::network& net, net::tls::issuer& issuer, const net::tls::identity& ca, const std::string& n, const std::string& address, wall_time now)
    : name(n), at{address, 6443}, net_(net), on_(net.add(n, {address})) {
  net::tls::leaf_request leaf;
  leaf.common_name = name;
  leaf.addresses = {"127.0.0.1", address};
  leaf.use = net::tls::usage::server;
  auto key = issuer.make_key();
  leaf.public_key = *issuer.public_key_of(key);
  const auto made = issuer.sign(leaf, ca, now, net::tls::leaf_validity);
  context_ = *on_.tls().make_server({{*made, key}, ca.certificates});
}

void small_server::start() {
  if (!on_.up()) net_.restart(name);
  auto how = std::make_shared<net::http::server_config>();
  how->on_request = [this](net::http::request ask, const net::http::exchange_ptr& to) {
    if (mute) return held_.push_back(to);
    net::http::response out;
    if (ask.path == "/readyz") {
      out.status = ready ? 200 : 503;
      out.body = bytes(std::string(ready ? "ok" : "readyz check failed"));
    } else {
      ++asked;
      out.body = bytes(name);
    }
    to->respond(std::move(out));
  };
  how->on_error = [](int status, const std::string&) { return net::http::response{status, {}, {}}; };
  auto opened = on_.accepts().listen(at, [this, how](net::stream_ptr raw) {
    if (mute) return silent_.push_back(std::move(raw));   // the kernel accepts for a process that is frozen
    on_.tls().accept(on_.on(), std::move(raw), context_, [this, how](result<net::stream_ptr> safe) {
      if (!safe.ok()) return;
      const auto number = ++numbers_;
      auto mine = std::make_shared<net::http::server_config>(*how);
      mine->on_end = [this, number] { served_.erase(number); };
      served_[number] = net::http::serve(on_.on(), std::move(*safe), mine);
    });
  });
  REQUIRE_MESSAGE(opened.ok(), opened.why().text());
  door_ = std::move(*opened);
}

void small_server::stop(net::sim::loss how) {
  net_.crash(name, how);
  door_.reset();
  served_.clear();
  silent_.clear();
  held_.clear();
  mute = false;
}

small_client::small_client(net::sim::computer& on, const net::tls::identity& self, const std::string& trust, endpoint to) : on_(on), to_(std::move(to)) {
  tls_ = *on.tls().make_client({trust, "127.0.0.1", self});
}

void small_client::ask(duration patience, answered done) {
  auto shared = std::make_shared<answered>(std::move(done));
  if (connection_ && connection_->idle()) return send(patience, std::move(shared));
  connection_.reset();
  on_.dials().dial(to_, patience, [this, patience, shared](result<net::stream_ptr> raw) {
    if (!raw.ok()) return (*shared)("");
    on_.tls().connect(on_.on(), std::move(*raw), tls_, [this, patience, shared](result<net::stream_ptr> safe) {
      if (!safe.ok()) return ++cuts, (*shared)("");
      connection_ = net::http::attach(on_.on(), std::move(*safe));
      send(patience, shared);
    });
  });
}

void small_client::send(duration patience, std::shared_ptr<answered> done) {
  net::http::request what;
  what.method = "GET";
  what.path = "/who";
  net::http::fetch(*connection_, what, "balancer", patience, [this, done](result<net::http::response> got) {
    if (got.ok() && got->status == 200) return (*done)(std::string(got->body.view()));
    ++cuts;
    // We stand inside the connection's own call.
    on_.on().post([dead = std::move(connection_)] {});
    (*done)("");
  });
}

link_stage::link_stage(std::uint64_t seed, std::size_t servers, const std::function<void(balancer::balancer_config&)>& adjust) : on(seed) {
  net = net::sim::make_network(on.run.plan(), rng(seed).fork("network"), *parse_rfc3339("2026-01-01T00:00:00Z"));
  agent = &net->add("agent", {"10.0.1.1"});
  auto& issuer = agent->issuer();
  const auto now = agent->wall().now();
  ca_ = *issuer.make_ca("ca", now, net::tls::ca_validity);
  net::tls::leaf_request leaf;
  leaf.common_name = "system:node:agent";
  self_.key = issuer.make_key();
  leaf.public_key = *issuer.public_key_of(self_.key);
  self_.certificates = *issuer.sign(leaf, ca_, now, net::tls::leaf_validity);
  for (std::size_t i = 1; i <= servers; ++i) {
    servers_.push_back(std::make_unique<small_server>(*net, issuer, ca_, "s" + std::to_string(i), "10.0.0." + std::to_string(i), now));
    servers_.back()->start();
  }
  auto& w = on.world;
  w.shard = &agent->on();
  w.dialer = &agent->dials();
  w.acceptor = &agent->accepts();
  w.tls = &agent->tls();
  w.issuer = &issuer;
  w.wall = &agent->wall();
  w.publish = [this](const std::string&, std::string text) { published = std::move(text); };
  balancer::balancer_config with;
  with.fallback = servers_.front()->at;
  with.self = {"agent-" + std::to_string(seed)};
  with.connect = [this](const endpoint& at, connection::owner_actor owner) {
    connection::connection_config to;
    to.at = at;
    to.trust = ca_.certificates;
    to.self = self_;
    return connection::make_connection(on.world, std::move(to), std::move(owner));
  };
  if (adjust) adjust(with);
  balancer = on.show(balancer::make_balancer(w, std::move(with)));
  REQUIRE(on.ask<endpoint>(balancer, balancer::start_balancing{{"127.0.0.1", 6444}}).ok());
}

// The actors end while the network that they hold ports of still stands; so do the servers.
link_stage::~link_stage() {
  rt::end(balancer);
  on.run.run_for(std::chrono::milliseconds(1));
}

void link_stage::list(const std::vector<std::size_t>& numbers) {
  balancer::set_roster what{{}, ++generation};
  for (const auto n : numbers) what.servers.push_back(servers_.at(n - 1)->at);
  rt::post(balancer, std::move(what));
}

balancer::roster_view link_stage::view() { return *on.ask<balancer::roster_view>(balancer, balancer::show_roster{}); }

std::string link_stage::state_of(std::size_t number) {
  static constexpr const char* words[] = {"unknown", "ready", "unready", "lost"};
  for (const auto& r : view().rows)
    if (r.at == servers_.at(number - 1)->at) return std::string(words[static_cast<int>(r.state)]) + (r.draining ? " draining" : r.fallback ? " fallback" : "");
  return "absent";
}

small_client link_stage::client() { return small_client(*agent, self_, ca_.certificates, {"127.0.0.1", 6444}); }

}  // namespace troupe::testing
