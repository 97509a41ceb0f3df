#include "actors/apiserver/gate.hpp"
#include "actors/apiserver/resources/kind_keeper.hpp"
#include "actors/certificates/signer.hpp"
#include "actors/client/clients.hpp"
#include "actors/controllers/controllers.hpp"
#include "actors/datastore/shard.hpp"
#include "actors/front/front.hpp"
#include "actors/node/credentials.hpp"
#include "actors/node/node.hpp"
#include "actors/node_password/keeper.hpp"
#include "actors/registration/registrar.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "actors/supervisor/gate.hpp"
#include "actors/tunnel/switchboard.hpp"
#include "basis/log.hpp"

// Order: certificates and tokens -> engine -> shard -> kind keepers -> switchboard, gate, supervisor ->
// front listens -> keepers load -> basics -> registration opens -> controllers -> the server's own agent.
//
// Failures: what is not there when a server starts ends the start with a sentence; an engine that can no
// longer write ends the process (the service manager starts it again); every other actor lives as long
// as the server.

namespace troupe::node {

std::vector<std::string> problems(const server_config& config) {
  std::vector<std::string> out;
  if (!config.bind_address.empty() && !is_ip_address(config.bind_address)) out.emplace_back("--bind-address must be an IP address");
  if (!config.advertise_address.empty() && !is_ip_address(config.advertise_address)) out.emplace_back("--advertise-address must be an IP address");
  if (config.https_port == config.balancer_port && !config.disable_agent) out.emplace_back("--https-listen-port and --lb-server-port must differ");
  for (const auto& a : config.node_addresses)
    if (!is_ip_address(a)) out.emplace_back("--node-ip must be an IP address, and \"" + a + "\" is none");
  if (config.service_cidr.find('/') == std::string::npos) out.emplace_back("--service-cidr must be a network, as in 10.43.0.0/16");
  return out;
}

namespace {

using certificates::pki;

struct prepared_server {
  server_config config;
  node_name node;
  std::string address;              ///< Of this node, as others reach it.
  pki keys;
  cluster_passwords passwords;
  std::unique_ptr<storage::engine> engine;
  secret_text join_token;           ///< For the agent inside.
};

class server_state {
 public:
  static constexpr const char* name = "server";
  explicit server_state(rt::self<server_actor> self) : self_(self) {}

  void init(const rt::world& in, std::shared_ptr<prepared_server> with, observer tell) {
    world_ = &in;
    with_ = std::move(with);
    tell_ = std::move(tell);
    spawn_rooms();
    listen();
  }

  server_actor::behavior_type make_behavior() {
    return {
        [this](stop_node) { stop(); },
        [this](basics_stand) { open_registration(); },
        [this](inner_agent_ready& ready) { if (tell_.on_ready) tell_.on_ready(ready.node); },
    };
  }

 private:
  const server_config& config() const { return with_->config; }
  void step(const std::string& text) { if (tell_.on_step) tell_.on_step(text); }
  void give_up(const std::string& why) { if (tell_.on_refused) tell_.on_refused(why); }
  bool binds_all() const { return config().bind_address.empty() || config().bind_address == "0.0.0.0"; }
  endpoint advertised() const { return {config().advertise_address.empty() ? with_->address : config().advertise_address, config().https_port}; }

  client::api_actor client_as(std::string user, std::vector<std::string> groups) {
    auto made = client::make_local(*world_, caf::actor_cast<client::api_actor>(gate_), std::move(user), std::move(groups));
    rooms_.push_back(caf::actor_cast<caf::strong_actor_ptr>(made));
    return made;
  }
  template <class H>
  H keep(H made) {
    rooms_.push_back(caf::actor_cast<caf::strong_actor_ptr>(made));
    return made;
  }

  void spawn_rooms() {
    shard_ = datastore::make_shard(*world_, {}, std::move(with_->engine));
    std::vector<apiserver::kind_keeper_actor> namespaced;
    for (const auto& kind : model::schema::kinds()) {
      if (kind.storage != kind.index || kind.plural == "namespaces") continue;
      apiserver::keeper_config one;
      one.kind = &kind;
      one.services.cidr = config().service_cidr;
      auto keeper = keep(apiserver::make_kind_keeper(*world_, std::move(one), shard_));
      keepers_.emplace(kind.index, keeper);
      if (kind.namespaced) namespaced.push_back(keeper);
    }
    const auto* namespaces = model::schema::find("", "v1", "namespaces");
    apiserver::keeper_config one;
    one.kind = namespaces;
    one.told_of_namespaces = std::move(namespaced);
    keepers_.emplace(namespaces->index, keep(apiserver::make_kind_keeper(*world_, std::move(one), shard_)));

    switchboard_ = keep(tunnel::make_switchboard(*world_, {}));
    apiserver::gate_config api;
    api.build.git_version = config().version;
    api.build.server_address = to_string(advertised());
    api.bearer_server = with_->passwords.server;
    api.bearer_agent = with_->passwords.agent;
    api.kubelet_client = with_->keys.kubelet_client;
    api.kubelet_trust = with_->keys.server_ca.certificates;
    gate_ = keep(apiserver::make_gate(*world_, std::move(api), keepers_, switchboard_));

    signer_ = keep(certificates::make_signer(*world_, {with_->keys.client_ca, with_->keys.server_ca}));
    supervisor::gate_config edge;
    edge.server_ca = with_->keys.server_ca.certificates;
    edge.client_ca = with_->keys.client_ca.certificates;
    edge.server_password = with_->passwords.server;
    edge.agent_password = with_->passwords.agent;
    edge.config = agent_view();
    edge.servers = {to_string(advertised())};
    supervisor_ = keep(supervisor::make_gate(*world_, std::move(edge), signer_, switchboard_));

    front_ = front::make_front(*world_, {});
    auto edge_handler = caf::actor_cast<front::handler_actor>(supervisor_);
    for (const char* prefix : {"/ping", "/cacerts", "/v1-k3s"}) self_->send(front_, front::route_prefix{prefix, edge_handler});
    self_->send(front_, front::route_prefix{"/", caf::actor_cast<front::handler_actor>(gate_)});
  }

  /// /v1-k3s/config: K3s's names, Go's encodings.
  json agent_view() const {
    const auto network = [](const std::string& cidr) {
      const auto slash = cidr.find('/');
      const int bits = std::stoi(cidr.substr(slash + 1));
      std::string mask;
      for (int i = 0; i < 4; ++i) {
        const int here = std::clamp(bits - 8 * i, 0, 8);
        mask.push_back(static_cast<char>(0xff << (8 - here)));
      }
      return json{{"IP", cidr.substr(0, slash)}, {"Mask", to_base64(mask)}};
    };
    const auto& c = config();
    return {{"ClusterIPRange", network(c.cluster_cidr)}, {"ClusterIPRanges", json::array({network(c.cluster_cidr)})},
            {"ServiceIPRange", network(c.service_cidr)}, {"ServiceIPRanges", json::array({network(c.service_cidr)})},
            {"ServiceNodePortRange", {{"Base", 30000}, {"Size", 2768}}}, {"ClusterDNS", c.cluster_dns},
            {"ClusterDNSs", json::array({c.cluster_dns})}, {"ClusterDomain", c.cluster_domain}, {"DisableCCM", true},
            {"DisableNPC", true}, {"DisableKubeProxy", false}, {"DisableServiceLB", true}, {"EmbeddedRegistry", false},
            {"EgressSelectorMode", "agent"}, {"FlannelBackend", "none"}, {"FlannelIPv6Masq", false},
            {"FlannelExternalIP", false}, {"HTTPSPort", c.https_port}, {"SupervisorPort", c.https_port},
            {"SupervisorMetrics", false}, {"IPSECPSK", ""}, {"MinTLSVersion", ""}, {"CipherSuites", nullptr},
            {"SystemDefaultRegistry", ""}};
  }

  void listen() {
    auto tls = world_->tls->make_server({with_->keys.serving, with_->keys.client_ca.certificates});
    if (!tls.ok()) return give_up("the serving certificate cannot be used: " + tls.why().note);
    const endpoint at{config().bind_address.empty() ? "0.0.0.0" : config().bind_address, config().https_port};
    self_->request(front_, std::chrono::seconds(5), front::start_listening{at, *tls})
        .then([this](const endpoint& bound) { step("listening on " + to_string(bound)), load(); },
              [this](caf::error& why) { give_up(rt::reason(why).note); });
  }

  void load() {
    left_ = keepers_.size();
    auto sink = caf::actor_cast<apiserver::change_sink_actor>(gate_);
    for (auto& [kind, keeper] : keepers_)
      self_->request(keeper, caf::infinite, apiserver::start_keeping{sink})
          .then([this](model::revision_number at) { if (--left_ == 0) loaded(at); },
                [this](caf::error& why) { give_up("the datastore cannot be read: " + rt::reason(why).text()); });
  }

  void loaded(model::revision_number at) {
    step("objects loaded at revision " + std::to_string(at));
    controllers::basics_config with;
    with.advertised = advertised();
    with.service_address = config().service_cidr.substr(0, config().service_cidr.rfind('.')) + ".1";
    auto api = client_as("system:kube-controller-manager", {"system:masters"});
    keep(controllers::make_basics(*world_, std::move(with), api, [me = rt::strong<server_actor>(self_)] { rt::post(me, basics_stand{}); }));
  }

  void open_registration() {
    step("API ready");
    auto passwords = keep(node_password::make_keeper(*world_, {}, client_as("system:k3s-supervisor", {"system:masters"}),
                                                     keep(node_password::make_hasher(*world_))));
    auto registrar = keep(registration::make_registrar(*world_, {}, passwords, signer_, client_as("system:k3s-supervisor", {"system:masters"})));
    self_->send(supervisor_, supervisor::api_ready{registrar, caf::actor_cast<client::api_actor>(gate_)});

    auto api = client_as("system:kube-controller-manager", {"system:masters"});
    keep(controllers::make_namespaces(*world_, api));
    keep(controllers::make_waiting_pods(*world_, api));
    controllers::node_life_config life;
    life.grace = config().node_grace;
    life.every = config().node_check_every;
    if (!config().disable_agent) life.own_node = with_->node.text;
    keep(controllers::make_node_life(*world_, life, api, passwords));
    if (config().disable_agent) {
      if (tell_.on_ready) tell_.on_ready(with_->node);
      return;
    }
    start_own_agent();
  }

  void start_own_agent() {
    agent_config inner;
    static_cast<common_config&>(inner) = config();
    inner.node_name = with_->node.text;
    inner.with_node_id = false;  // resolved already
    inner.server = {binds_all() ? "127.0.0.1" : config().bind_address, config().https_port};
    inner.token = with_->join_token;
    inner.inside_server = true;
    inner.node_addresses = {with_->address};
    if (!config().node_addresses.empty()) inner.node_addresses = config().node_addresses;
    observer tell;
    tell.on_step = tell_.on_step;
    tell.on_wait = tell_.on_wait;
    tell.on_refused = tell_.on_refused;
    tell.on_ready = [me = rt::strong<server_actor>(self_)](const node_name& node) { rt::post(me, inner_agent_ready{node}); };
    auto started = start_agent(*world_, std::move(inner), std::move(tell), client_as("system:node:" + with_->node.text, {"system:nodes"}));
    if (!started.ok()) return give_up(started.why().note);
    agent_ = *started;
  }

  void stop() {
    if (std::exchange(stopping_, true)) return;
    if (agent_) self_->send(agent_, stop_node{});
    self_->send(front_, front::stop_listening{});
    for (const auto& room : rooms_)
      if (room != nullptr) caf::anon_send_exit(caf::actor_cast<caf::actor>(room), caf::exit_reason::user_shutdown);
    self_->request(shard_, std::chrono::seconds(5), datastore::close_datastore{})
        .then([this](bool) { stopped(); }, [this](caf::error&) { stopped(); });
  }

  void stopped() {
    rt::end(shard_);
    rt::end(front_);
    if (tell_.on_stopped) tell_.on_stopped();
    self_->quit(caf::exit_reason::user_shutdown);
  }

  rt::self<server_actor> self_;
  const rt::world* world_ = nullptr;
  std::shared_ptr<prepared_server> with_;
  observer tell_;
  datastore::shard_actor shard_;
  std::map<std::uint16_t, apiserver::kind_keeper_actor> keepers_;
  tunnel::switchboard_actor switchboard_;
  apiserver::gate_actor gate_;
  certificates::signer_actor signer_;
  supervisor::gate_actor supervisor_;
  front::front_actor front_;
  agent_actor agent_;
  std::vector<caf::strong_actor_ptr> rooms_;
  std::size_t left_ = 0;
  bool stopping_ = false;
};

result<std::shared_ptr<prepared_server>> prepare(const rt::world& in, server_config config, const observer& tell) {
  auto out = std::make_shared<prepared_server>();
  const auto step = [&](const std::string& text) { if (tell.on_step) tell.on_step(text); };
  auto node = resolve_name(in, config);
  if (!node.ok()) return node.why();
  out->node = *node;
  const bool given = !config.bind_address.empty() && config.bind_address != "0.0.0.0" && config.bind_address != "::";
  out->address = !config.node_addresses.empty() ? config.node_addresses.front()
                 : given                         ? config.bind_address
                                                 : in.machine->facts(config.data_folder).default_address;
  const std::string folder = config.data_folder + "/server";
  if (auto made = in.files->make_folder(folder, 0700); !made.ok())
    return fail(made.why().code, "the data directory " + config.data_folder + " cannot be used: " + made.why().note + "; choose another with --data-dir");
  // First, because only one process can hold it: a second server must not touch the first one's files.
  auto engine = in.open_engine("sqlite", folder + "/db/state.db");
  if (!engine.ok()) return engine.why();
  out->engine = std::move(*engine);
  step("datastore open at revision " + std::to_string(out->engine->status().head));
  certificates::pki_config pki;
  pki.folder = folder + "/tls";
  pki.cluster_domain = config.cluster_domain;
  pki.dns_names = {node->text};
  pki.addresses = {out->address, config.service_cidr.substr(0, config.service_cidr.rfind('.')) + ".1"};
  if (given) pki.addresses.push_back(config.bind_address);
  pki.addresses.insert(pki.addresses.end(), config.node_addresses.begin(), config.node_addresses.end());
  if (!config.advertise_address.empty()) pki.addresses.push_back(config.advertise_address);
  for (const auto& san : config.tls_sans) (is_ip_address(san) ? pki.addresses : pki.dns_names).push_back(san);
  auto keys = certificates::load_or_make(in, pki);
  if (!keys.ok()) return keys.why();
  out->keys = std::move(*keys);
  const auto digest = in.issuer->ca_digest(out->keys.server_ca.certificates);
  auto passwords = settle_passwords(in, config, digest);
  if (!passwords.ok()) return passwords.why();
  out->passwords = std::move(*passwords);
  out->join_token = secret_text("K10" + digest + "::node:" + std::string(out->passwords.agent.reveal()));
  if (auto written = write_kubeconfig(in, config, out->keys); !written.ok())
    return fail(written.why().code, "the admin kubeconfig " + config.kubeconfig_path + " cannot be written: " + written.why().note + "; choose another place with --write-kubeconfig");
  step("certificates and tokens ready");
  out->config = std::move(config);
  return out;
}

}  // namespace

result<server_actor> start_server(const rt::world& in, server_config config, observer tell) {
  auto with = prepare(in, std::move(config), tell);
  if (!with.ok()) return with.why();
  std::string detail = (*with)->node.text;
  return rt::spawn_pinned<server_actor, server_state>(in, std::move(detail), in, std::move(*with), std::move(tell));
}

}  // namespace troupe::node
