#include "tests/harness/cluster.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <algorithm>

#include "actors/client/clients.hpp"
#include "basis/log.hpp"
#include "tests/harness/servers/etcd_child.hpp"

namespace troupe::harness {

namespace {
constexpr const char* runtime_socket = "/run/twin.sock";   // nobody listens there: open_runtime leads to the twin
}

cluster::cluster(std::uint64_t seed) : dice_(rng(seed).fork("cluster")), run_(seed) {
  network_ = net::sim::make_network(run_.plan(), rng(seed).fork("network"), *parse_rfc3339("2026-01-01T00:00:00Z"));
  log::set_sink([this](const log::record& line) {
    std::string text(line.event);
    for (const auto& f : line.fields) text += " " + f.key + "=" + f.value;
    run_.note(text);
    if (listener) listener(text);
    log_.push_back(std::move(text));
  });
}

cluster::~cluster() {
  for (auto& [name, p] : processes_)
    if (p->running) crash(name, net::sim::loss::reset);
  run_.run_for(std::chrono::seconds(1));
  log::set_sink(nullptr);
}

storage::sim::shared_store& cluster::share_store() {
  store_ = std::make_unique<storage::sim::shared_store>(run_.plan(), dice_.fork("store"));
  return *store_;
}

storage::sim::etcd_group& cluster::embed_etcd() {
  etcd_ = std::make_unique<storage::sim::etcd_group>(run_.plan(), dice_.fork("etcd"));
  return *etcd_;
}

void cluster::add_server(const std::string& name, const std::string& address, const std::string& second) {
  auto p = std::make_unique<process>();
  p->name = name;
  auto addresses = std::vector<std::string>{address};
  if (!second.empty()) addresses.push_back(second);
  p->on = &network_->add(name, addresses);
  disks_[name] = std::make_shared<storage::memory_disk>();
  processes_.emplace(name, std::move(p));
}

void cluster::add_agent(const std::string& name, const std::string& address, const std::string& node_name, const std::string& server) {
  auto p = std::make_unique<process>();
  p->name = name;
  p->on = &network_->add(name, {address});
  node_names_[name] = node_name;
  server_of_[name] = server;
  processes_.emplace(name, std::move(p));
}

net::sim::container_machine& cluster::equip(const std::string& name, const std::string& pod_network) {
  auto& p = *processes_.at(name);
  p.machine = std::make_unique<net::sim::container_machine>(run_.plan(), dice_.fork(name).fork("machine"), p.on->wall());
  p.machine->pod_network = pod_network;
  return *p.machine;
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
  w.open_etcd = [this, &p](const storage::etcd_access&) -> result<std::unique_ptr<storage::engine>> { return store_->open(p.name); };
  if (etcd_) {
    auto& child = children_[p.name];
    if (!child) child = make_etcd_child(*etcd_, p.name, p.on->disk());
    w.processes = child.get();
    w.open_cluster = [this, &p](const storage::etcd_access& with) -> result<std::unique_ptr<storage::cluster>> { return etcd_->open_cluster(p.name, with); };
    w.open_etcd = [this, &p](const storage::etcd_access& with) -> result<std::unique_ptr<storage::engine>> { return etcd_->open_engine(p.name, with); };
  }
  if (p.machine) w.open_runtime = [&p](const std::string&) -> result<std::unique_ptr<net::cri::runtime>> { return p.machine->connect(); };
  w.give_up = [&p](const std::string& why) { p.refused = why; };
}

void cluster::start(const std::string& name) {
  auto& p = *processes_.at(name);
  if (p.starts > 0) network_->restart(name);
  ++p.starts;
  p.running = true;
  p.ready = false;
  p.refused.clear();
  p.waits.clear();
  wire(p);
  if (node_names_.contains(name)) start_agent(p);
  else start_server(p);
}

void cluster::start_server(process& p) {
  node::server_config with;
  with.node_name = p.name;
  with.token = secret_text(password);
  if (p.machine) with.container_runtime_endpoint = runtime_socket;
  if (store_) with.datastore_endpoint = "https://10.0.9.9:2379";
  if (dress) dress(p.name, with);
  node::observer tell;
  tell.on_wait = [&p](const std::string& what) { p.waits = what; };
  tell.on_ready = [&p](const node_name&) { p.ready = true; };
  tell.on_refused = [&p](const std::string& why) { p.refused = why; };
  const auto started = node::start_server(*p.world, std::move(with), std::move(tell));
  if (!started.ok()) p.refused = started.why().text();
}

void cluster::start_agent(process& p) {
  node::agent_config with;
  with.node_name = node_names_.at(p.name);
  with.server = {server_of_.at(p.name), 6443};
  with.token = secret_text(password);
  if (p.machine) with.container_runtime_endpoint = runtime_socket;
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
  if (store_) store_->crash(name);
  if (etcd_) etcd_->crash(name);
  network_->crash(name, how);
  for (const auto& actor : std::exchange(p.actors, {}))
    caf::anon_send_exit(caf::actor_cast<caf::actor>(actor), caf::exit_reason::kill);
  past_worlds_.push_back(std::move(p.world));
  // What the dead process had on its way is let through before anything else happens: it reaches nobody.
  run_.run_until([] { return false; }, duration::zero());
}

client::api_actor cluster::api(const std::string& server) const {
  const auto& p = *processes_.at(server);
  if (!p.running) return {};
  // The supervisor has a gate, too, and which of them is made first depends on where objects are kept.
  const auto serves = [](const caf::strong_actor_ptr& one) {
    const auto* local = dynamic_cast<caf::local_actor*>(caf::actor_cast<caf::abstract_actor*>(one));
    if (local == nullptr || std::string_view(local->name()) != "gate") return false;
    const auto types = local->message_types();
    return std::any_of(types.begin(), types.end(), [](const std::string& type) { return type.find("api_call") != std::string::npos; });
  };
  const auto gate = std::find_if(p.actors.rbegin(), p.actors.rend(), serves);
  return gate == p.actors.rend() ? client::api_actor() : caf::actor_cast<client::api_actor>(*gate);
}

void cluster::call(const std::string& server, client::api_call what, answered done) {
  const auto to = api(server);
  if (!to) return done(nullptr);
  what.user = "admin";
  what.groups = {"system:masters"};
  run_.system().spawn([to, what = std::move(what), done = std::move(done)](caf::event_based_actor* self, int) mutable {
    self->request(to, caf::infinite, std::move(what))
        .then([done](const client::api_answer& got) { done(&got); }, [done](caf::error&) { done(nullptr); });
  }, 0);   // an argument: tests/tidy/ubsan.supp says why
}

std::vector<std::string> cluster::said(const std::string& event) const {
  std::vector<std::string> out;
  for (const auto& line : log_)
    if (line.starts_with(event)) out.push_back(line);
  return out;
}

}  // namespace troupe::harness
