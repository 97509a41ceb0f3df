#include "tests/harness/cluster.hpp"

#include <caf/actor_cast.hpp>
#include <caf/send.hpp>

#include "basis/log.hpp"

namespace troupe::harness {

cluster::cluster(std::uint64_t seed) : dice_(rng(seed).fork("cluster")), run_(seed) {
  network_ = net::sim::make_network(run_.plan(), rng(seed).fork("network"), *parse_rfc3339("2026-01-01T00:00:00Z"));
  log::set_sink([this](const log::record& line) {
    std::string text(line.event);
    for (const auto& f : line.fields) text += " " + f.key + "=" + f.value;
    run_.note(text);
    log_.push_back(std::move(text));
  });
}

cluster::~cluster() {
  for (auto& [name, p] : processes_)
    if (p->running) crash(name, net::sim::loss::reset);
  run_.run_for(std::chrono::seconds(1));
  log::set_sink(nullptr);
}

void cluster::add_server(const std::string& name, const std::string& address) {
  auto p = std::make_unique<process>();
  p->name = name;
  p->on = &network_->add(name, {address});
  disks_[name] = std::make_shared<storage::memory_disk>();
  processes_.emplace(name, std::move(p));
}

void cluster::add_agent(const std::string& name, const std::string& address, const std::string& node_name) {
  auto p = std::make_unique<process>();
  p->name = name;
  p->on = &network_->add(name, {address});
  node_names_[name] = node_name;
  processes_.emplace(name, std::move(p));
}

void cluster::wire(process& p) {
  p.world = std::make_unique<rt::world>();
  auto& w = *p.world;
  w.system = &run_.system();
  w.simulated = true;
  w.born = [&p](const caf::strong_actor_ptr& actor) { p.actors.push_back(actor); };
  w.shard = &p.on->on();
  w.dialer = &p.on->dials();
  w.acceptor = &p.on->accepts();
  w.tls = &p.on->tls();
  w.issuer = &p.on->issuer();
  w.files = &p.on->disk();
  w.machine = &p.on->facts();
  w.wall = &p.on->wall();
  w.chance = &p.on->chance();
  w.dice = dice_.fork(p.name).fork(std::to_string(p.starts));
  w.open_engine = [this, &p](const std::string&, const std::string&) -> result<std::unique_ptr<storage::engine>> {
    auto made = std::make_unique<storage::sim::sim_engine>(run_.plan(), dice_.fork(p.name + "/disk").fork(std::to_string(p.starts)), disks_.at(p.name));
    p.engine = made.get();
    return std::unique_ptr<storage::engine>(std::move(made));
  };
  w.give_up = [&p](const std::string& why) { p.refused = why; };
}

void cluster::start(const std::string& name) {
  auto& p = *processes_.at(name);
  if (p.starts > 0) network_->restart(name);
  ++p.starts;
  p.running = true;
  p.ready = false;
  p.refused.clear();
  wire(p);
  if (node_names_.contains(name)) start_agent(p);
  else start_server(p);
}

void cluster::start_server(process& p) {
  node::server_config with;
  with.node_name = p.name;
  with.token = secret_text(password);
  node::observer tell;
  tell.on_ready = [&p](const node_name&) { p.ready = true; };
  tell.on_refused = [&p](const std::string& why) { p.refused = why; };
  const auto started = node::start_server(*p.world, std::move(with), std::move(tell));
  if (!started.ok()) p.refused = started.why().text();
}

void cluster::start_agent(process& p) {
  node::agent_config with;
  with.node_name = node_names_.at(p.name);
  with.server = {server_address, 6443};
  with.token = secret_text(password);
  node::observer tell;
  tell.on_ready = [&p](const node_name&) { p.ready = true; };
  tell.on_refused = [&p](const std::string& why) { p.refused = why; };
  const auto started = node::start_agent(*p.world, std::move(with), std::move(tell));
  if (!started.ok()) p.refused = started.why().text();
}

void cluster::crash(const std::string& name, net::sim::loss how) {
  auto& p = *processes_.at(name);
  if (!p.running) return;
  p.running = p.ready = false;
  if (p.engine) p.engine->crash();
  p.engine = nullptr;
  network_->crash(name, how);
  for (const auto& actor : std::exchange(p.actors, {}))
    caf::anon_send_exit(caf::actor_cast<caf::actor>(actor), caf::exit_reason::kill);
  past_worlds_.push_back(std::move(p.world));
  // What the dead process had on its way is let through before anything else happens: it reaches nobody.
  run_.run_until([] { return false; }, duration::zero());
}

std::vector<std::string> cluster::said(const std::string& event) const {
  std::vector<std::string> out;
  for (const auto& line : log_)
    if (line.starts_with(event)) out.push_back(line);
  return out;
}

}  // namespace troupe::harness
