#include <algorithm>

#include "actors/balancer/balancer.hpp"
#include "actors/balancer/status.hpp"
#include "actors/client/clients.hpp"
#include "actors/connection/connection.hpp"
#include "actors/endpoints/refresher.hpp"
#include "actors/front/front.hpp"
#include "actors/kubelet/kubelet.hpp"
#include "actors/node/network/network.hpp"
#include "actors/node/node.hpp"
#include "actors/node/workload/no_runtime.hpp"
#include "actors/node/workload/workload.hpp"
#include "actors/registration/enrolment.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "actors/tunnel/pod_rules.hpp"
#include "actors/tunnel/session.hpp"
#include "basis/log.hpp"

// enrolment --enrolled--> agent --+--> balancer (unless inside a server) --> a connection per server
//                                 +--> remote api client, through the balancer
//                                 +--> kubelet's port 10250
//                                 +--> a tunnel session per server
//                                 +--> refresher: the list of servers, for balancer and tunnels
//                                 +--> the pods' network, where containers run
//                                 '--> kubelet, last
//
// Failures: an enrolment that is refused ends the agent; a port in use ends it; everything that can come
// back (servers, tunnels) is retried by its own actor.

namespace troupe::node {

result<node_name> resolve_name(const rt::world& in, const common_config& config) {
  std::string text = config.node_name.empty() ? in.machine->facts(config.data_folder).hostname : config.node_name;
  auto name = parse_node_name(text);
  if (!name.ok() || !config.with_node_id) return name;
  auto id = registration::load_node_id(in, config.identity_folder);
  if (!id.ok()) return id.why();
  return parse_node_name(name->text + "-" + *id);
}

std::vector<std::string> problems(const agent_config& config) {
  std::vector<std::string> out;
  if (config.server.host.empty()) out.emplace_back("--server is required: the address of any server, as in https://10.0.0.1:6443");
  if (config.token.empty()) out.emplace_back("--token is required: take it from <data-dir>/server/node-token on a server");
  if (!config.bind_address.empty() && !is_ip_address(config.bind_address)) out.emplace_back("--bind-address must be an IP address");
  const bool own_loopback = config.server.host == "localhost" || config.server.host == (config.bind_address.starts_with("127.") ? config.bind_address : "127.0.0.1");
  if (own_loopback && config.server.port == config.balancer_port) out.emplace_back("--server must not be this agent's own load balancer");
  for (const auto& a : config.node_addresses)
    if (!is_ip_address(a)) out.emplace_back("--node-ip must be an IP address, and \"" + a + "\" is none");
  return out;
}

namespace {

class agent_state {
 public:
  static constexpr const char* name = "agent";
  explicit agent_state(rt::self<agent_actor> self) : self_(self) {}

  void init(const rt::world& in, agent_config config, node_name node, observer tell, client::api_actor api) {
    world_ = &in;
    config_ = std::move(config);
    node_ = std::move(node);
    tell_ = std::move(tell);
    api_ = std::move(api);
    if (config_.node_addresses.empty()) config_.node_addresses = {own_address()};
    registration::enrolment_config with;
    with.servers = {config_.server};
    // Where the first server is away, those it once told of may admit us.
    if (!config_.inside_server)
      for (auto& one : endpoints::kept_servers(*in.files, servers_file(), config_.server))
        if (one != config_.server) with.servers.push_back(std::move(one));
    with.token = config_.token;
    with.node = node_;
    with.addresses = config_.node_addresses;
    with.identity_folder = config_.identity_folder;
    with.agent_folder = config_.data_folder + "/agent";
    enrolment_ = registration::make_enrolment(in, std::move(with), caf::actor_cast<registration::applicant_actor>(rt::strong<agent_actor>(self_)));
    self_->send(enrolment_, registration::start_enrolment{});
    if (tell_.on_wait) tell_.on_wait("the server at " + to_string(config_.server) + " to admit this node");
  }

  agent_actor::behavior_type make_behavior() {
    return {
        [this](stop_node) { stop(); },
        [this](registration::enrolled& got) { grant_ ? renew(std::move(got.what)) : begin_work(std::move(got)); },
        [this](registration::enrolment_refused& no) { give_up(no.why); },
        [this](tunnel::tunnel_state& news) { hear_tunnel(news); },
        [this](kubelet::node_readiness& news) { hear_kubelet(news); },
        [this](endpoints::servers_settled& news) { take_servers(news.servers); },
    };
  }

 private:
  std::string own_address() const {
    const bool given = !config_.bind_address.empty() && config_.bind_address != "0.0.0.0" && config_.bind_address != "::";
    return given ? config_.bind_address : world_->machine->facts(config_.data_folder).default_address;
  }
  std::string bind_address() const { return config_.bind_address.empty() ? "0.0.0.0" : config_.bind_address; }
  /// With an address of its own an agent keeps to it, so several fit on one machine.
  std::string loopback() const { return config_.bind_address.starts_with("127.") ? config_.bind_address : "127.0.0.1"; }

  std::string servers_file() const { return config_.data_folder + "/agent/etc/k3s-agent-load-balancer.json"; }

  void step(const std::string& text) { if (tell_.on_step) tell_.on_step(text); }
  void give_up(const std::string& why) { if (tell_.on_refused) tell_.on_refused(why); }

  static std::shared_ptr<const registration::grant> bounded(std::shared_ptr<const registration::grant> grant) {
    if (grant->servers.size() <= endpoints::servers_max) return grant;
    auto out = std::make_shared<registration::grant>(*grant);
    out->servers.resize(endpoints::servers_max);
    return out;
  }

  void begin_work(registration::enrolled got) {
    grant_ = bounded(std::move(got.what));
    step("node " + node_.text + (got.fresh ? " enrolled" : " starts with what it last knew"));
    open_port();
  }

  // Certificates have been renewed, or a server has answered at last. What is open goes on as it was opened.
  void renew(std::shared_ptr<const registration::grant> grant) {
    grant_ = bounded(std::move(grant));
    auto tls = world_->tls->make_server({grant_->kubelet_serving, grant_->client_ca});
    if (tls.ok() && port_) self_->send(port_, front::replace_identity{*tls});
    for (const auto& s : sessions_) self_->send(s.second, tunnel::use_identity{grant_->server_ca, grant_->kubelet_client});
    if (remote_) self_->send(remote_, client::use_identity{grant_->server_ca, grant_->kubelet_client});
  }

  // The kubelet's port comes first: nobody shall be told of a node that cannot be reached.
  void open_port() {
    auto tls = world_->tls->make_server({grant_->kubelet_serving, grant_->client_ca});
    if (!tls.ok()) return give_up("the kubelet's certificate cannot be used: " + tls.why().note);
    port_ = front::make_front(*world_, {1000});
    kubelet_port_ = kubelet::make_port(*world_, node_);
    self_->send(port_, front::route_prefix{"/", caf::actor_cast<front::handler_actor>(kubelet_port_)});
    self_->request(port_, std::chrono::seconds(5), front::start_listening{{bind_address(), config_.kubelet_port}, *tls})
        .then([this](const endpoint& at) { step("kubelet listens on " + to_string(at)), open_balancer(at); },
              [this](caf::error& why) { give_up("the kubelet's port: " + rt::reason(why).note); });
  }

  void open_balancer(const endpoint& kubelet_at) {
    open_tunnels(kubelet_at);
    if (config_.inside_server) return start_kubelet();
    make_balancer();
    self_->send(balancer_, balancer::set_roster{grant_->servers, 1});
    self_->request(balancer_, std::chrono::seconds(5), balancer::start_balancing{{loopback(), config_.balancer_port}})
        .then([this](const endpoint& at) {
          step("load balancer listens on " + to_string(at));
          open_api_port(at);
          client::remote_config with;
          with.at = at;
          with.server_name = "127.0.0.1";
          with.trust = grant_->server_ca;
          with.self = grant_->kubelet_client;
          remote_ = client::make_remote(*world_, std::move(with));
          api_ = caf::actor_cast<client::api_actor>(remote_);
          start_kubelet();
        }, [this](caf::error& why) { give_up("the load balancer's port: " + rt::reason(why).note); });
  }

  /// What servers may dial through us, by the cluster's egress mode.
  void make_rules(const endpoint& kubelet_at) {
    rules_ = std::make_shared<tunnel::dial_rules>();
    rules_->kubelet_port = kubelet_at.port;
    rules_->kubelet = kubelet_at;
    if (kubelet_at.host == "0.0.0.0" || kubelet_at.host == "::") rules_->kubelet.host = "127.0.0.1";
    rules_->own_addresses = config_.node_addresses;
    const auto mode = text_or(dig(grant_->config, "EgressSelectorMode"));
    rules_->by_pod = mode == "pod";
    if (mode == "cluster") rules_->cluster.push_back(tunnel::network_of(dig(grant_->config, "ClusterIPRange")));
    if (mode == "cluster" || mode == "pod") config_.node_labels["egress.k3s.io/cluster"] = "true";
  }

  void make_balancer() {
    balancer::balancer_config with;
    with.fallback = config_.server;
    with.self = node_;
    with.connect = [world = world_, grant = grant_](const endpoint& at, connection::owner_actor owner) {
      connection::connection_config to;
      to.at = at;
      to.trust = grant->server_ca;   // /readyz is for everybody: no certificate of ours that could end
      return connection::make_connection(*world, std::move(to), std::move(owner));
    };
    balancer_ = balancer::make_balancer(*world_, std::move(with));
  }

  // The API's own port beside the supervisor's, as K3s places it. Whatever else sits there was first: nothing depends on it.
  void open_api_port(const endpoint& beside) {
    if (config_.balancer_port < 2) return;
    const endpoint at{beside.host, static_cast<std::uint16_t>(config_.balancer_port - 1)};
    // A server of this machine belongs there, also while it is down: its place is not taken, and nobody dials himself.
    if (at.port == config_.server.port && (at.host == config_.server.host || config_.server.host == "localhost")) return;
    self_->request(balancer_, std::chrono::seconds(5), balancer::start_balancing{at})
        .then([this](const endpoint& bound) { step("load balancer also listens on " + to_string(bound)); },
              [](caf::error& why) { log::warn("agent.api_port_taken", {{"why", rt::reason(why).note}}); });
  }

  void open_tunnels(const endpoint& kubelet_at) {
    make_rules(kubelet_at);
    for (const auto& server : config_.inside_server ? std::vector<endpoint>{config_.server} : grant_->servers) open_tunnel(server);
  }

  void open_tunnel(const endpoint& server) {
    tunnel::session_config with;
    with.trust = grant_->server_ca;
    with.self = grant_->kubelet_client;
    with.rules = rules_;
    auto session = tunnel::make_session(*world_, std::move(with), caf::actor_cast<tunnel::tunnel_listener_actor>(rt::strong<agent_actor>(self_)));
    self_->send(session, tunnel::keep_tunnel{server});
    sessions_.emplace_back(server, std::move(session));
    tunnels_.push_back({server, false, world_->wall->now(), "not yet open"});
    publish_tunnels();
  }

  // Journey J3: a newer list of servers. New ones first; the removed take no new dials and lose their tunnels.
  void take_servers(const std::vector<endpoint>& servers) {
    if (balancer_) self_->send(balancer_, balancer::set_roster{servers, ++generation_});
    const auto is_listed = [&](const endpoint& at) { return std::find(servers.begin(), servers.end(), at) != servers.end(); };
    for (const auto& at : servers)
      if (std::none_of(sessions_.begin(), sessions_.end(), [&](const auto& s) { return s.first == at; })) {
        // A server's own agent reaches its server by loopback, under another address than the listed one.
        if (!(config_.inside_server && at.port == config_.server.port && is_own(at.host))) open_tunnel(at);
      }
    std::erase_if(sessions_, [&](const auto& s) {
      if (is_listed(s.first) || s.first == config_.server) return false;
      self_->send(s.second, tunnel::stop_tunnel{});
      std::erase_if(tunnels_, [&](const auto& t) { return t.server == s.first; });
      return true;
    });
    publish_tunnels();
  }
  bool is_own(const std::string& host) const {
    return host == config_.server.host || std::find(config_.node_addresses.begin(), config_.node_addresses.end(), host) != config_.node_addresses.end();
  }

  void start_kubelet() {
    if (rules_->by_pod) pod_rules_ = tunnel::make_pod_rules(*world_, rules_, node_, api_);
    endpoints::refresher_config follow;
    follow.first = config_.server;
    if (!config_.inside_server) follow.file = servers_file();
    refresher_ = endpoints::make_refresher(*world_, std::move(follow), api_, caf::actor_cast<endpoints::settled_actor>(rt::strong<agent_actor>(self_)));
    kubelet::kubelet_config with;
    with.facts.name = node_;
    with.facts.addresses = config_.node_addresses;
    with.facts.port = config_.kubelet_port;
    with.facts.version = config_.version;
    with.facts.labels = config_.node_labels;
    with.facts.taints = config_.node_taints;
    with.data_folder = config_.data_folder;
    with.heartbeat_every = config_.heartbeat_every;
    with.status_every = config_.status_every;
    auto work = settle_workload(*world_, config_);
    with.facts.runtime.wanted = work.ok();
    kubelet_ = kubelet::make_kubelet(*world_, std::move(with), api_, caf::actor_cast<kubelet::readiness_actor>(rt::strong<agent_actor>(self_)));
    self_->send(kubelet_, kubelet::start_kubelet{});
    const bool runs = work.ok();
    run_pods(std::move(work));
    if (runs || config_.network_alone) network_ = start_network(*world_, {config_, node_, grant_->config}, api_);
    if (tell_.on_wait) tell_.on_wait("the API to take node " + node_.text);
  }

  void do_without_pods(const std::string& why) {
    log::info("agent.runtime_off", {{"why", why}});
    // Who switched it off knows; where the machine lacks something, pods that come here all the same say what.
    if (!config_.disable_runtime && world_->open_runtime) no_runtime_ = make_no_runtime(*world_, node_, why, api_);
  }

  void run_pods(result<workload_plan> plan) {
    if (!plan.ok()) return do_without_pods(plan.why().note);
    auto made = start_workload(*world_, std::move(*plan), config_, node_, grant_->config, api_, kubelet_);
    if (!made.ok()) return give_up("the container runtime: " + made.why().note);
    workload_ = std::move(*made);
    self_->send(kubelet_port_, kubelet::use_pods{caf::actor_cast<kubelet::pod_source_actor>(workload_.roll)});
  }

  void hear_tunnel(const tunnel::tunnel_state& news) {
    if (news.up && !std::exchange(tunnel_told_, true)) step("tunnel to " + to_string(news.server) + " open");
    for (auto& t : tunnels_)
      if (t.server == news.server) t = {news.server, news.up, t.up == news.up ? t.since : world_->wall->now(), news.why};
    publish_tunnels();
    // A tunnel that came or went says that something has changed; what, a probe finds out.
    if (balancer_) self_->send(balancer_, balancer::doubt_server{news.server});
  }
  void publish_tunnels() {
    if (world_->publish) world_->publish("tunnels", to_text(balancer::render_tunnels(world_->wall->now(), tunnels_)));
  }

  void hear_kubelet(const kubelet::node_readiness& news) {
    if (!news.ready || std::exchange(ready_told_, true)) return;
    step("node " + node_.text + " is Ready");
    if (tell_.on_ready) tell_.on_ready(node_);
  }

  void stop() {
    for (const auto& s : sessions_) self_->send(s.second, tunnel::stop_tunnel{});
    if (refresher_) rt::end(refresher_);
    if (pod_rules_) rt::end(pod_rules_);
    if (enrolment_) rt::end(enrolment_);
    if (port_) rt::end(port_), rt::end(kubelet_port_);
    if (kubelet_) rt::end(kubelet_);
    end_workload(workload_);
    for (const auto& one : network_) caf::anon_send_exit(caf::actor_cast<caf::actor>(one), caf::exit_reason::user_shutdown);
    if (no_runtime_) rt::end(no_runtime_);
    if (balancer_) rt::end(balancer_), rt::end(api_);
    if (tell_.on_stopped) tell_.on_stopped();
    self_->quit(caf::exit_reason::user_shutdown);
  }

  rt::self<agent_actor> self_;
  const rt::world* world_ = nullptr;
  agent_config config_;
  node_name node_;
  observer tell_;
  client::api_actor api_;
  client::remote_actor remote_;
  registration::enrolment_actor enrolment_;
  std::shared_ptr<const registration::grant> grant_;
  front::front_actor port_;
  kubelet::port_actor kubelet_port_;
  balancer::balancer_actor balancer_;
  kubelet::kubelet_actor kubelet_;
  workload workload_;
  std::vector<caf::strong_actor_ptr> network_;   ///< What gives this node's pods their network; empty: nothing does.
  no_runtime_actor no_runtime_;
  endpoints::refresher_actor refresher_;
  std::shared_ptr<tunnel::dial_rules> rules_;
  client::reflected_actor pod_rules_;
  std::vector<std::pair<endpoint, tunnel::session_actor>> sessions_;
  std::vector<balancer::tunnel_facts> tunnels_;   ///< Of each session, what it last said.
  std::uint64_t generation_ = 1;
  bool tunnel_told_ = false, ready_told_ = false;
};

}  // namespace

result<agent_actor> start_agent(const rt::world& in, agent_config config, observer tell, client::api_actor api) {
  auto node = resolve_name(in, config);
  if (!node.ok()) return node.why();
  return rt::spawn_pinned<agent_actor, agent_state>(in, node->text, in, std::move(config), *node, std::move(tell), std::move(api));
}

}  // namespace troupe::node
