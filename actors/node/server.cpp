#include "actors/apiserver/gate.hpp"
#include "actors/apiserver/resources/kind_keeper.hpp"
#include "actors/certificates/signer.hpp"
#include "actors/client/clients.hpp"
#include "actors/controllers/controllers.hpp"
#include "actors/controllers/deploy/deployer.hpp"
#include "actors/datastore/shard.hpp"
#include "actors/front/front.hpp"
#include "actors/controllers/servers.hpp"
#include "actors/election/candidate.hpp"
#include "actors/membership/bootstrap.hpp"
#include "actors/membership/joiner.hpp"
#include "actors/membership/keeper.hpp"
#include "actors/node/prepare.hpp"
#include "actors/node/node.hpp"
#include "actors/node/office/office.hpp"
#include "actors/node/reach.hpp"
#include "actors/node/renewer.hpp"
#include "actors/node/upkeep/authorities.hpp"
#include "actors/node/upkeep/mover.hpp"
#include "actors/node/upkeep/reset.hpp"
#include "actors/node/upkeep/stores.hpp"
#include "actors/node_password/keeper.hpp"
#include "actors/registration/registrar.hpp"
#include "actors/revocation/keeper.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "actors/supervisor/gate.hpp"
#include "basis/log.hpp"

// Order, alone: engine -> certificates and tokens -> shard -> kind keepers -> switchboard, gate, supervisor ->
// front listens -> keepers load -> basics -> registration opens -> controllers -> the server's own agent.
// Order, one of several: joiner finds the cluster -> certificates and tokens -> keeper starts etcd, supervisor and front
// listen -> etcd has a leader -> shard -> kind keepers, gate -> as above; controllers only while this server leads.
//
// Failures: what is not there when a server starts ends the start with a sentence; an engine that can no
// longer write ends the process (the service manager starts it again); every other actor lives as long
// as the server.

namespace troupe::node {

namespace {

class server_state {
 public:
  static constexpr const char* name = "server";
  explicit server_state(rt::self<server_actor> self) : self_(self) {}

  void init(const rt::world& in, std::shared_ptr<prepared_server> with, observer tell) {
    world_ = &in;
    on_ = std::move(with->on);
    keys_ = std::move(with->keys);
    moves_ = with->moves;
    tell_ = std::move(tell);
    switch (on_.kept_in) {
      case store::sqlite:
      case store::rocksdb: return stand_up(std::move(with->engine));
      case store::embedded_etcd: return on_.joining ? find_cluster() : keep_member();
      case store::external_etcd: return read_bootstrap();
    }
  }

  server_actor::behavior_type make_behavior() {
    return {
        [this](stop_node) { stop(); },
        [this](basics_stand) { open_registration(); },
        [this](inner_agent_ready& ready) {
          if (presence_) self_->send(presence_, controllers::node_registered{});
          if (tell_.on_ready) tell_.on_ready(ready.node);
        },
        [this](bootstrap_read& got) { take_bootstrap(*got.what); },
        [this](bootstrap_due) { if (external_) ask_bootstrap(); },
        [this](cluster_founded done) { done.by_us ? enter_cluster() : again(); },
        [this](membership::cluster_found& found) { take_cluster(*found.bootstrap); },
        [this](membership::joining_refused& no) { give_up(no.why + (on_.rejoining ? "; the token that this server has had so far is in " + on_.folder + "/token" : "")); },
        [this](membership::datastore_ready& now) { open_etcd(now.access); },
        [this](membership::keeper_waits& now) { wait_for(now.what); },
        [this](election::term_began) { start_controllers(); },
        [this](election::term_ended) { stop_controllers(); },
        [this](store_moved& done) { take_moved(done); },
    };
  }

 private:
  const server_config& config() const { return on_.config; }
  bool shared() const { return on_.kept_in == store::embedded_etcd || on_.kept_in == store::external_etcd; }
  void step(const std::string& text) { if (tell_.on_step) tell_.on_step(text); }
  void give_up(const std::string& why) { if (tell_.on_refused) tell_.on_refused(why); }
  void wait_for(const std::string& what) {
    if (tell_.on_wait) tell_.on_wait(what);
    if (supervisor_ && !gate_) self_->send(supervisor_, supervisor::still_waiting{what});
  }
  endpoint advertised() const { return on_.advertised(); }

  // --- a store that is shared ------------------------------------------------------------------

  void find_cluster() {
    membership::joiner_config with;
    with.at = config().server;
    with.token = config().token;
    with.critical = agent_view(config());
    with.critical_flags = critical_flags();
    joiner_ = keep(membership::make_joiner(*world_, std::move(with), caf::actor_cast<membership::owner_actor>(rt::strong<server_actor>(self_))));
    self_->send(joiner_, membership::start_joining{});
  }

  void take_cluster(const json& bootstrap) {
    if (auto done = take_joined_bootstrap(*world_, on_, bootstrap); !done.ok()) return give_up(done.why().note);
    step("cluster found at " + to_string(config().server));
    keep_member();
  }

  bool settle() {
    if (auto adopted = adopt_authorities(*world_, on_.folder); !adopted.ok()) return give_up(adopted.why().note), false;
    auto keys = settle_keys(*world_, on_);
    if (!keys.ok()) return give_up(keys.why().note), false;
    keys_ = std::move(*keys);
    step("certificates and tokens ready");
    return true;
  }

  void keep_member() {
    if (!settle()) return;
    auto chosen = settle_timers(*world_, on_);
    if (!chosen.ok()) return give_up("etcd's timers cannot be settled: " + chosen.why().note);
    auto with = member_config(on_, keys_, *chosen);
    // A member that lost its place finds it again through the server it joined by.
    if (with.join && !joiner_) find_quietly();
    members_ = membership::make_keeper(*world_, std::move(with), caf::actor_cast<membership::members_actor>(joiner_),
                                       caf::actor_cast<membership::owner_actor>(rt::strong<server_actor>(self_)));
    make_edge();
    listen();
  }
  void find_quietly() {
    membership::joiner_config with;
    with.at = config().server;
    with.token = config().token;
    joiner_ = keep(membership::make_joiner(*world_, std::move(with), membership::owner_actor{}));
  }

  void open_etcd(const storage::etcd_access& access) {
    if (shard_ || mover_ || stopping_) return;   // etcd came back; the engine found it by itself
    auto engine = world_->open_etcd(access);
    if (!engine.ok()) return give_up("the datastore cannot be used: " + engine.why().note);
    step("etcd has a leader and counts this server's vote");
    if (!moves_) return stand_up(std::move(*engine));
    wait_for("its objects to be moved to etcd");
    mover_ = keep(make_mover(*world_, on_.folder, std::move(*engine), caf::actor_cast<moved_actor>(rt::strong<server_actor>(self_))));
  }
  void take_moved(store_moved& done) {
    if (stopping_) return;
    if (!done.why.empty()) return give_up(done.why);
    step(done.what);
    stand_up(std::move(*done.engine));
  }

  // Somebody else's etcd: what makes us the same cluster as our fellows lies in it, under the token.
  void read_bootstrap() {
    auto access = external_access(*world_, config());
    if (!access.ok()) return give_up(access.why().note);
    wait_for("the datastore at " + config().datastore_endpoint);
    auto engine = world_->open_etcd(*access);
    if (!engine.ok()) return give_up("the datastore cannot be used: " + engine.why().note);
    external_ = std::shared_ptr<storage::engine>(std::move(*engine));
    ask_bootstrap();
  }
  void ask_bootstrap() {
    external_->range({"/bootstrap/", storage::after_prefix("/bootstrap/"), 0, 0}, [me = rt::strong<server_actor>(self_)](result<storage::page> got) {
      rt::post(me, bootstrap_read{std::make_shared<result<storage::page>>(std::move(got))});
    });
  }
  void again() {
    world_->shard->after(std::chrono::milliseconds(500), [me = rt::strong<server_actor>(self_)] { rt::post(me, bootstrap_due{}); });
  }
  void take_bootstrap(const result<storage::page>& got) {
    if (stopping_) return;
    if (!got.ok()) {
      wait_for("the datastore at " + config().datastore_endpoint + ": " + got.why().text());
      return again();
    }
    const auto found = take_stored_bootstrap(*world_, on_, got->records);
    if (!found.ok()) return give_up(found.why().note);
    if (*found) step("cluster found in the datastore");
    if (!settle()) return;
    if (*found) return enter_cluster();
    // Nobody's yet. Servers that start side by side have each made keys by now: whose are written down first, founds it,
    // and the others read again and take those.
    auto founding = sealed_bootstrap(*world_, on_, keys_.passwords.server);
    if (!founding.ok()) return give_up("the cluster's files cannot be kept in the datastore: " + founding.why().note);
    std::vector<storage::operation> one;
    one.push_back(std::move(*founding));
    external_->commit(std::move(one), [me = rt::strong<server_actor>(self_)](storage::committed_batch done) {
      rt::post(me, cluster_founded{done.outcomes.at(0).what == storage::outcome::kind::committed});
    });
  }

  void enter_cluster() {
    if (stopping_) return;
    if (supervisor_ == nullptr) make_edge(), listen();
    // The engine has one owner from here on.
    external_.reset();
    auto access = external_access(*world_, config());
    auto engine = access.ok() ? world_->open_etcd(*access) : result<std::unique_ptr<storage::engine>>(access.why());
    if (!engine.ok()) return give_up("the datastore cannot be used: " + engine.why().note);
    stand_up(std::move(*engine));
  }

  // --- the rooms -------------------------------------------------------------------------------

  void stand_up(std::unique_ptr<storage::engine> engine) {
    shard_ = datastore::make_shard(*world_, {}, std::move(engine));
    make_api();
    if (supervisor_ == nullptr) make_edge(), listen();
    else open_api(), load();
  }

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

  const apiserver::kind_keeper_actor& secrets_keeper() const { return keepers_.at(model::schema::find("", "v1", "secrets")->index); }

  void make_api() {
    std::vector<apiserver::kind_keeper_actor> namespaced;
    for (const auto& kind : model::schema::kinds()) {
      if (kind.storage != kind.index || kind.plural == "namespaces" || kind.asked_only) continue;
      apiserver::keeper_config one;
      one.kind = &kind;
      one.shared = shared();
      one.services.cidr = config().service_cidr;
      if (kind.plural == "secrets") one.envelope = secrets::envelope_of(keys_.encryption ? &*keys_.encryption : nullptr);
      auto keeper = keep(apiserver::make_kind_keeper(*world_, std::move(one), shard_));
      keepers_.emplace(kind.index, keeper);
      if (kind.namespaced) namespaced.push_back(keeper);
    }
    const auto* namespaces = model::schema::find("", "v1", "namespaces");
    apiserver::keeper_config one;
    one.kind = namespaces;
    one.shared = shared();
    one.told_of_namespaces = std::move(namespaced);
    keepers_.emplace(namespaces->index, keep(apiserver::make_kind_keeper(*world_, std::move(one), shard_)));

    if (!reach_.egress) reach_ = make_reach(*world_, on_);
    apiserver::gate_config api;
    api.shared = shared();
    api.build.git_version = config().version;
    api.build.server_address = to_string(advertised());
    api.guard = guard_of(on_, keys_);
    api.kubelet_client = keys_.pki.kubelet_client;
    api.kubelet_trust = keys_.pki.server_ca.certificates;
    gate_ = keep(apiserver::make_gate(*world_, std::move(api), keepers_, caf::actor_cast<tunnel::dialer_actor>(reach_.egress)));

    // What an earlier life with servers beside this one agreed on with them holds no more.
    if (!shared()) return rt::post(shard_, datastore::commit_operation{{storage::operation::kind::erase, secrets::keys_key, {}, 0}});
    self_->send(shard_, datastore::watch_standing{caf::actor_cast<datastore::standing_listener_actor>(gate_)});
    // First, because what the servers agreed on may be sealed by an authority that this one has yet to hear of.
    tokens_ = caf::actor_cast<secrets::token_changer_actor>(keep(secrets::make_token_keeper(*world_, token_config_of(*world_, on_, keys_, password_changer()), caf::actor_cast<datastore::writer_actor>(shard_))));
    shared_keys_ = keep(secrets::make_key_keeper(*world_, keys_config_of(*world_, on_, keys_), caf::actor_cast<datastore::writer_actor>(shard_),
                                                 caf::actor_cast<secrets::rewriter_actor>(secrets_keeper()), client_as("system:k3s-supervisor", {"system:masters"})));
  }

  std::function<result<secrets::passwords_changed>(const secret_text& wanted)> password_changer() {
    return [in = world_, folder = on_.folder, gate = gate_, supervisor = supervisor_, digest = world_->issuer->ca_digest(keys_.pki.server_ca.certificates)](
               const secret_text& wanted) -> result<secrets::passwords_changed> {
      auto now = change_token(*in, folder, digest, wanted);
      if (!now.ok()) return now.why();
      rt::post(gate, secrets::passwords_changed{now->server, now->agent});
      rt::post(supervisor, secrets::passwords_changed{now->server, now->agent});
      return secrets::passwords_changed{now->server, now->agent};
    };
  }

  /// Port 6443 without the API: what agents and other servers ask before it stands.
  void make_edge() {
    if (!reach_.egress) reach_ = make_reach(*world_, on_);
    signer_ = keep(certificates::make_signer(*world_, {keys_.pki.client_ca, keys_.pki.server_ca, config().certificate_life}));
    auto edge = edge_of(*world_, on_, keys_);
    edge.carrier = caf::actor_cast<egress::carrier_actor>(reach_.egress);
    if (on_.kept_in == store::embedded_etcd) edge.members = caf::actor_cast<membership::members_actor>(members_);
    supervisor_ = keep(supervisor::make_gate(*world_, std::move(edge), signer_, reach_.switchboard));
    front_ = front::make_front(*world_, {});
    auto edge_handler = caf::actor_cast<front::handler_actor>(supervisor_);
    for (const char* prefix : {"/ping", "/cacerts", "/v1-k3s", "/db"}) self_->send(front_, front::route_prefix{prefix, edge_handler});
    if (gate_) open_api();
    else self_->send(front_, front::route_prefix{"/", edge_handler});
  }
  void open_api() { self_->send(front_, front::route_prefix{"/", caf::actor_cast<front::handler_actor>(gate_)}); }

  void listen() {
    auto tls = world_->tls->make_server({keys_.pki.serving, keys_.pki.client_ca.certificates});
    if (!tls.ok()) return give_up("the serving certificate cannot be used: " + tls.why().note);
    const endpoint at{config().bind_address.empty() ? "0.0.0.0" : config().bind_address, config().https_port};
    self_->request(front_, std::chrono::seconds(5), front::start_listening{at, *tls})
        .then([this](const endpoint& bound) {
                step("listening on " + to_string(bound));
                if (gate_ && !loading_) load();
              },
              [this](caf::error& why) { give_up(rt::reason(why).note); });
  }

  void load() {
    loading_ = true;
    if (!shared_keys_) return load_objects();
    self_->request(shared_keys_, caf::infinite, secrets::learn_keys{}).then([this](bool) { load_objects(); }, [this](caf::error& why) { give_up(rt::reason(why).note); });
  }
  void load_objects() {
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
    with.shared = shared();
    if (!config().disable_dns) with.dns_address = config().cluster_dns;
    with.service_address = config().service_cidr.substr(0, config().service_cidr.rfind('.')) + ".1";
    auto api = client_as("system:kube-controller-manager", {"system:masters"});
    keep(controllers::make_basics(*world_, std::move(with), api, [me = rt::strong<server_actor>(self_)] { rt::post(me, basics_stand{}); }));
  }

  void open_registration() {
    step("API ready");
    open_reach(*world_, reach_, on_, client_as("system:apiserver", {"system:masters"}), shared() ? &keys_ : nullptr);
    auto passwords = keep(node_password::make_keeper(*world_, {}, client_as("system:k3s-supervisor", {"system:masters"}),
                                                     keep(node_password::make_hasher(*world_))));
    auto registrar = keep(registration::make_registrar(*world_, {}, passwords, signer_, client_as("system:k3s-supervisor", {"system:masters"})));
    auto vault = keep(secrets::make_vault(*world_, {on_.folder, std::move(keys_.encryption), password_changer(), authority_changer(*world_, on_.folder), shared_keys_, tokens_}, caf::actor_cast<secrets::rewriter_actor>(secrets_keeper())));
    self_->send(supervisor_, supervisor::api_ready{registrar, caf::actor_cast<client::api_actor>(gate_), vault});

    auto taking = snapshots_for(*world_, on_, keys_);
    if (!taking.ok()) return give_up("snapshots cannot be prepared: " + taking.why().note);
    self_->send(supervisor_, supervisor::snapshots_ready{keep(snapshots::make_keeper(*world_, std::move(*taking), shard_))});

    // Whoever has to act when a node's right to be here ends.
    keep(revocation::make_keeper(*world_, client_as("system:k3s-supervisor", {"system:masters"}),
                                 {caf::actor_cast<revocation::listener_actor>(front_), caf::actor_cast<revocation::listener_actor>(reach_.switchboard),
                                  caf::actor_cast<revocation::listener_actor>(registrar)}));
    std::vector<certificates::shower_actor> showers{caf::actor_cast<certificates::shower_actor>(gate_)};
    if (reach_.peers) showers.push_back(caf::actor_cast<certificates::shower_actor>(reach_.peers));
    keep(make_renewer(*world_, on_, keys_.pki, front_, std::move(showers)));
    controllers::deployer_config deploy{on_.folder + "/manifests", {config().disabled_manifests.begin(), config().disabled_manifests.end()}};
    keep(controllers::make_deployer(*world_, std::move(deploy), client_as("system:k3s-supervisor", {"system:masters"})));
    passwords_ = passwords;
    if (shared()) compete();
    else start_controllers();
    if (config().disable_agent) {
      if (tell_.on_ready) tell_.on_ready(on_.node);
      return;
    }
    start_own_agent();
  }

  // --- who leads -------------------------------------------------------------------------------

  void compete() {
    auto api = client_as("system:kube-controller-manager", {"system:masters"});
    presence_ = controllers::make_presence(*world_, presence_of(*world_, on_, members_ != nullptr), api);
    election::candidate_config with;
    with.self = on_.node.text + "_" + to_string(advertised());
    candidate_ = election::make_candidate(*world_, std::move(with), api, caf::actor_cast<election::office_actor>(rt::strong<server_actor>(self_)));
  }

  void start_controllers() {
    if (stopping_ || !office_.empty()) return;
    const auto as = [this](std::string user, std::vector<std::string> groups) { return client_as(std::move(user), std::move(groups)); };
    const auto before = static_cast<std::ptrdiff_t>(rooms_.size());
    office_ = open_office(*world_, {config(), on_.node, shared(), as, passwords_, shard_, caf::actor_cast<membership::remover_actor>(members_), keys_.pki.client_ca, keys_.pki.server_ca, keys_.pki.server_ca.certificates});
    // Their clients end with them: terms come and go as long as the server lives.
    office_.insert(office_.end(), rooms_.begin() + before, rooms_.end());
    rooms_.resize(static_cast<std::size_t>(before));
  }
  void stop_controllers() {
    for (const auto& one : std::exchange(office_, {})) caf::anon_send_exit(caf::actor_cast<caf::actor>(one), caf::exit_reason::user_shutdown);
  }

  void start_own_agent() {
    agent_config inner;
    static_cast<common_config&>(inner) = config();
    inner.node_name = on_.node.text;
    inner.with_node_id = false;  // resolved already
    inner.server = {on_.binds_all() ? "127.0.0.1" : config().bind_address, config().https_port};
    inner.token = keys_.join_token;
    inner.inside_server = true;
    inner.node_addresses = {on_.address};
    if (!config().node_addresses.empty()) inner.node_addresses = config().node_addresses;
    observer tell;
    tell.on_step = tell_.on_step;
    tell.on_wait = tell_.on_wait;
    tell.on_refused = tell_.on_refused;
    tell.on_ready = [me = rt::strong<server_actor>(self_)](const node_name& node) { rt::post(me, inner_agent_ready{node}); };
    auto started = start_agent(*world_, std::move(inner), std::move(tell), client_as("system:node:" + on_.node.text, {"system:nodes"}));
    if (!started.ok()) return give_up(started.why().note);
    agent_ = *started;
  }

  // --- the end ---------------------------------------------------------------------------------

  void stop() {
    if (std::exchange(stopping_, true)) return;
    // The others need not wait for what this one held: but it does not wait long for them to hear it.
    left_ = 0;
    const auto said = [this] { if (--left_ == 0) close(); };
    constexpr auto patience = std::chrono::milliseconds(400);
    if (candidate_) {
      ++left_;
      self_->request(candidate_, patience, election::resign{}).then([said](bool) { said(); }, [said](caf::error&) { said(); });
    }
    if (presence_) {
      ++left_;
      self_->request(presence_, patience, controllers::say_goodbye{}).then([said](bool) { said(); }, [said](caf::error&) { said(); });
    }
    if (left_ == 0) close();
  }

  void close() {
    stop_controllers();
    if (candidate_) rt::end(candidate_);
    if (presence_) rt::end(presence_);
    if (agent_) self_->send(agent_, stop_node{});
    if (front_) self_->send(front_, front::stop_listening{});
    rooms_.insert(rooms_.end(), reach_.all.begin(), reach_.all.end());
    for (const auto& room : rooms_)
      if (room != nullptr) caf::anon_send_exit(caf::actor_cast<caf::actor>(room), caf::exit_reason::user_shutdown);
    external_.reset();
    if (!shard_) return end_member();
    self_->request(shard_, std::chrono::seconds(5), datastore::close_datastore{})
        .then([this](bool) { end_member(); }, [this](caf::error&) { end_member(); });
  }

  void end_member() {
    if (!members_) return stopped();
    self_->request(members_, std::chrono::milliseconds(800), membership::end_keeping{})
        .then([this](bool) { stopped(); }, [this](caf::error&) { stopped(); });
  }

  void stopped() {
    if (members_) rt::end(members_);
    if (shard_) rt::end(shard_);
    if (front_) rt::end(front_);
    if (tell_.on_stopped) tell_.on_stopped();
    self_->quit(caf::exit_reason::user_shutdown);
  }

  rt::self<server_actor> self_;
  const rt::world* world_ = nullptr;
  ground on_;
  server_keys keys_;
  observer tell_;
  std::shared_ptr<storage::engine> external_;   ///< Until the shard has one: only the bootstrap data is read.
  membership::joiner_actor joiner_;
  membership::keeper_actor members_;
  mover_actor mover_;
  datastore::shard_actor shard_;
  secrets::key_keeper_actor shared_keys_;     ///< Of a shared store only, and likewise:
  secrets::token_changer_actor tokens_;
  std::map<std::uint16_t, apiserver::kind_keeper_actor> keepers_;
  node_reach reach_;
  apiserver::gate_actor gate_;
  certificates::signer_actor signer_;
  supervisor::gate_actor supervisor_;
  front::front_actor front_;
  agent_actor agent_;
  node_password::keeper_actor passwords_;
  election::candidate_actor candidate_;
  controllers::presence_actor presence_;
  std::vector<caf::strong_actor_ptr> office_;   ///< Those who act only while this server leads.
  std::vector<caf::strong_actor_ptr> rooms_;
  std::size_t left_ = 0;
  bool stopping_ = false, loading_ = false, moves_ = false;
};

}  // namespace

result<server_actor> start_server(const rt::world& in, server_config config, observer tell) {
  auto with = prepare(in, std::move(config), tell);
  if (!with.ok()) return with.why();
  std::string detail = (*with)->on.node.text;
  return rt::spawn_pinned<server_actor, server_state>(in, std::move(detail), in, std::move(*with), std::move(tell));
}

}  // namespace troupe::node
