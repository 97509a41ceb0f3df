#include "actors/supervisor/gate.hpp"

#include "actors/apiserver/respond.hpp"
#include "actors/membership/joining.hpp"
#include "actors/registration/bootstrap_token.hpp"
#include "actors/registration/token.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "actors/supervisor/snapshot_requests.hpp"
#include "basis/log.hpp"

namespace troupe::supervisor {
namespace {

using apiserver::respond_error;
using apiserver::respond_text;
using net::http::exchange_ptr;
using request_ptr = std::shared_ptr<net::http::request>;

struct caller {
  std::string name;                     ///< "node", "server", "system:node:x" ...
  bool server = false, agent = false;   ///< By password.
  std::string node;                     ///< By certificate: the node's name.
};

apiserver::api_error refusal(int code, std::string reason, std::string message) {
  apiserver::api_error out;
  out.code = code;
  out.reason = std::move(reason);
  out.message = std::move(message);
  if (code == 503 || code == 429) out.retry_after_s = 1;
  return out;
}

class gate_state {
 public:
  static constexpr const char* name = "gate";
  explicit gate_state(rt::self<gate_actor> self) : self_(self) {}

  void init(const rt::world& in, gate_config config, certificates::signer_actor signer,
            tunnel::switchboard_actor switchboard) {
    world_ = &in;
    config_ = std::move(config);
    signer_ = std::move(signer);
    switchboard_ = std::move(switchboard);
  }

  gate_actor::behavior_type make_behavior() {
    return {
        [this](front::request_arrived& got) { arrive(std::move(got.ask), std::move(got.answer)); },
        [this](still_waiting& now) { waiting_ = "the server is starting: it waits for " + now.what; },
        [this](secrets::passwords_changed& now) { use_passwords(now); },
        [this](snapshots_ready& now) { snapshots_ = std::move(now.keeper); },
        [this](api_ready& now) { registrar_ = std::move(now.registrar), api_ = std::move(now.api), vault_ = std::move(now.vault); },
    };
  }

 private:
  void arrive(const request_ptr& ask, const exchange_ptr& to) {
    if (ask->path == "/ping") return respond_text(*to, 200, "pong");
    if (ask->path == "/cacerts") return respond_text(*to, 200, config_.server_ca);
    if (const auto token = bootstrap_token(*ask); !token.empty() && !ask->peer.verified) return look_up_token(token, ask, to);
    auto who = identify(*ask);
    if (!who) return respond_error(*to, refusal(401, "Unauthorized", "not authorized"));
    serve(*who, ask, to);
  }

  /// A bootstrap token given as K3s's agents give it; empty when there is none.
  static std::string bootstrap_token(const net::http::request& ask) {
    const auto given = ask.headers.get("authorization");
    if (given.size() < 8 || (!given.starts_with("Bearer ") && !given.starts_with("bearer "))) return {};
    const auto token = given.substr(7);
    return registration::is_bootstrap_token(token) ? std::string(token) : std::string();
  }
  void look_up_token(const std::string& token, const request_ptr& ask, const exchange_ptr& to) {
    if (!api_) return respond_error(*to, not_ready());
    if (open_ >= config_.open_max) return respond_error(*to, refusal(429, "TooManyRequests", "Too many requests"));
    ++open_;
    const std::string path = "/api/v1/namespaces/kube-system/secrets/" + std::string(registration::bootstrap_prefix) + token.substr(0, 6);
    self_->request(api_, std::chrono::seconds(5), client::api_call{"GET", path, "", "application/json", "system:k3s-supervisor", {"system:masters"}})
        .then([this, token, ask, to](const client::api_answer& got) {
          --open_;
          const auto object = got.ok() ? parse_json(got.body) : result<json>(errc::not_found, "there is no such token");
          const auto holder = object.ok() ? registration::judge_bootstrap_token(*object, token, world_->wall->now()) : result<registration::bootstrap_user>(object.why());
          if (holder.ok()) return serve({holder->name, false, true, {}}, ask, to);
          log::info("supervisor.bootstrap_token_refused", {{"id", token.substr(0, 6)}, {"from", to_string(ask->remote)}, {"why", holder.why().note}});
          if (got.status != 200 && got.status != 404) return respond_error(*to, not_ready());
          respond_error(*to, refusal(401, "Unauthorized", "the bootstrap token " + token.substr(0, 6) + " is not accepted: it is unknown or has expired; `troupe token list` on a server shows those there are"));
        }, [this, to](caf::error&) { --open_, respond_error(*to, not_ready()); });
  }

  void serve(const caller& given, const request_ptr& ask, const exchange_ptr& to) {
    const auto* who = &given;
    if (ask->method == "CONNECT") return carry(*ask, to);
    if (ask->path == "/db/info") return list_members(*who, to);
    if (ask->path == "/db/snapshot") return order_snapshots(*who, *ask, to);
    // The API itself comes here only as long as it does not stand.
    if (!ask->path.starts_with("/v1-k3s")) return respond_error(*to, refusal(503, "ServiceUnavailable", waiting_));
    const std::string path = ask->path.substr(std::string_view("/v1-k3s").size());
    if (path == "/connect") return connect(*who, *ask, to);
    if (!who->agent && !who->server && who->node.empty()) return respond_error(*to, refusal(403, "Forbidden", "forbidden"));
    if (path == "/server-bootstrap") return hand_over(*who, to);
    if (path == "/token") return change_token(*who, *ask, to);
    if (path == "/cert/cacerts") return replace_authorities(*who, *ask, to);
    if (path.starts_with("/encrypt/")) return encrypt(*who, path, *ask, to);
    if (path == "/config") return respond_json(*to, to_text(config_.config));
    if (path == "/client-ca.crt") return respond_text(*to, 200, config_.client_ca);
    if (path == "/server-ca.crt") return respond_text(*to, 200, config_.server_ca);
    if (path == "/readyz") return registrar_ ? respond_text(*to, 200, "ok") : respond_error(*to, not_ready());
    if (path == "/apiservers") return list_servers(to);
    if (open_ >= config_.open_max) return respond_error(*to, refusal(429, "TooManyRequests", "Too many requests"));
    using certificates::purpose;
    if (path == "/serving-kubelet.crt") return enrol(*who, purpose::kubelet_serving, *ask, to);
    if (path == "/client-kubelet.crt") return enrol(*who, purpose::kubelet_client, *ask, to);
    if (path == "/client-kube-proxy.crt") return sign({purpose::kube_proxy, {}, {}, std::move(ask->body)}, to);
    if (path == "/client-k3s-controller.crt") return sign({purpose::k3s_controller, {}, {}, std::move(ask->body)}, to);
    respond_error(*to, refusal(404, "NotFound", "the server could not find the requested resource"));
  }

  static apiserver::api_error not_ready() { return refusal(503, "ServiceUnavailable", "runtime core not ready"); }
  static void respond_json(net::http::exchange& to, std::string body) {
    apiserver::respond_body(to, 200, "application/json", std::move(body));
  }

  /// Nothing when a credential was given and is wrong; a caller without rights when none was given.
  /// A right password counts even beside a stale certificate, and the other way round.
  std::optional<caller> identify(const net::http::request& ask) const {
    if (const auto* given = ask.headers.find("authorization")) {
      std::string plain;
      const bool basic = given->size() > 6 && (given->starts_with("Basic ") || given->starts_with("basic ")) &&
                         from_base64(std::string_view(*given).substr(6), plain);
      const auto colon = plain.find(':');
      if (basic && colon != std::string::npos) {
        const auto password = digest(std::string_view(plain).substr(colon + 1));
        const auto user = plain.substr(0, colon);
        const bool server = secret_text::same_in_constant_time(password, digest(config_.server_password.reveal()));
        const bool agent = secret_text::same_in_constant_time(password, digest(config_.agent_password.reveal()));
        if (server && (user == "server" || user.empty())) return caller{"server", true, true, {}};
        if ((server || agent) && user == "node") return caller{"node", false, true, {}};
      }
      if (!ask.peer.verified) return std::nullopt;
    }
    if (!ask.peer.verified) return caller{};
    caller out{ask.peer.common_name, false, false, {}};
    constexpr std::string_view prefix = "system:node:";
    const auto& groups = ask.peer.organizations;
    if (out.name.starts_with(prefix) && std::find(groups.begin(), groups.end(), "system:nodes") != groups.end())
      out.node = out.name.substr(prefix.size());
    return out;
  }
  // Lengths must not show, so digests are compared and not the texts.
  std::string digest(std::string_view text) const { return world_->issuer->sha256(text); }

  // --- certificates of nodes -------------------------------------------------------------------

  void enrol(const caller& who, certificates::purpose what, net::http::request& ask, const exchange_ptr& to) {
    const auto password = ask.headers.get("k3s-node-password");
    if (ask.headers.get("k3s-node-name").empty() || password.empty())
      return respond_error(*to, refusal(400, "BadRequest", "the headers k3s-Node-Name and k3s-Node-Password are required"));
    auto node = parse_node_name(ask.headers.get("k3s-node-name"));
    if (!node.ok()) return respond_error(*to, refusal(400, "BadRequest", node.why().note));
    if (!who.node.empty() && who.node != node->text)
      return respond_error(*to, refusal(400, "BadRequest", "the certificate belongs to node " + who.node + ", not to " + node->text));
    std::vector<std::string> addresses;
    std::string list(ask.headers.get("k3s-node-ip"));
    for (std::size_t from = 0; from < list.size();) {
      const auto comma = std::min(list.find(',', from), list.size());
      auto one = list.substr(from, comma - from);
      if (!is_ip_address(one)) return respond_error(*to, refusal(400, "BadRequest", "k3s-Node-IP holds something that is no address"));
      addresses.push_back(std::move(one));
      from = comma + 1;
    }
    if (!registrar_) return respond_error(*to, not_ready());
    ++open_;
    registration::register_node order{{what, *node, std::move(addresses), std::move(ask.body)}, secret_text(std::string(password)),
                                      to_string(ask.remote), !who.agent && !who.node.empty()};
    self_->request(registrar_, caf::infinite, std::move(order))
        .then([this, to](certificates::issued_certificate& got) { --open_, respond_text(*to, 200, got.pem); },
              [this, to](caf::error& why) { --open_, respond_failure(*to, rt::reason(why)); });
  }

  void sign(certificates::sign_certificate order, const exchange_ptr& to) {
    ++open_;
    self_->request(signer_, std::chrono::seconds(5), std::move(order))
        .then([this, to](certificates::issued_certificate& got) { --open_, respond_text(*to, 200, got.pem); },
              [this, to](caf::error& why) { --open_, respond_failure(*to, rt::reason(why)); });
  }

  static void respond_failure(net::http::exchange& to, const error& why) {
    switch (why.code) {
      case errc::forbidden: return respond_error(to, refusal(403, "Forbidden", why.note));
      case errc::unauthorized: return respond_error(to, refusal(401, "Unauthorized", why.note));
      case errc::invalid: return respond_error(to, refusal(400, "BadRequest", why.note));
      case errc::not_found: return respond_error(to, refusal(404, "NotFound", why.note));
      case errc::conflict: return respond_error(to, refusal(409, "Conflict", why.note));
      case errc::already_exists: return respond_error(to, refusal(409, "AlreadyExists", why.note));
      case errc::overloaded: return respond_error(to, refusal(429, "TooManyRequests", why.note));
      default: return respond_error(to, refusal(503, "ServiceUnavailable", why.note));
    }
  }

  // --- servers and tunnels ---------------------------------------------------------------------

  void list_servers(const exchange_ptr& to) {
    if (!api_) return respond_json(*to, to_text(json(config_.servers)));
    client::api_call call{"GET", "/api/v1/namespaces/default/endpoints/kubernetes", "", "application/json",
                          "system:k3s-supervisor", {"system:masters"}};
    self_->request(api_, std::chrono::seconds(5), std::move(call))
        .then([this, to](const client::api_answer& got) {
          json out = json::array();
          if (const auto object = parse_json(got.body); got.ok() && object.ok())
            for (const auto& subset : dig(*object, "subsets"))
              for (const auto& address : dig(subset, "addresses"))
                for (const auto& port : dig(subset, "ports"))
                  out.push_back(to_string(endpoint{text_or(dig(address, "ip")), port.value("port", std::uint16_t{6443})}));
          respond_json(*to, to_text(out.empty() ? json(config_.servers) : out));
        }, [this, to](caf::error&) { respond_json(*to, to_text(json(config_.servers))); });
  }

  // The keys of the whole cluster: for a server that knows the server's password, and for nobody else.
  void hand_over(const caller& who, const exchange_ptr& to) {
    if (!who.server) return respond_error(*to, refusal(403, "Forbidden", "only the server's token opens this"));
    if (!config_.bootstrap)
      return respond_error(*to, refusal(503, "ServiceUnavailable", "this server keeps its objects for itself alone; restart it with --cluster-init to let others join"));
    auto data = config_.bootstrap();
    if (!data.ok()) return respond_error(*to, refusal(500, "InternalError", "the cluster's files cannot be read: " + data.why().note));
    log::info("supervisor.bootstrap_handed_over", {{"to", "a server that joins"}});
    respond_json(*to, std::move(*data));
  }

  void list_members(const caller& who, const exchange_ptr& to) {
    if (!who.server) return respond_error(*to, refusal(403, "Forbidden", "only the server's token opens this"));
    if (!config_.members) return respond_error(*to, refusal(404, "NotFound", "this server runs no etcd"));
    self_->request(config_.members, std::chrono::seconds(5), membership::list_members{})
        .then([to](const membership::member_list& got) { respond_json(*to, to_text(membership::members_json(got.members))); },
              [to](caf::error& why) { respond_failure(*to, rt::reason(why)); });
  }

  void order_snapshots(const caller& who, const net::http::request& ask, const exchange_ptr& to) {
    if (!who.server) return respond_error(*to, refusal(403, "Forbidden", "only the server's token opens this"));
    if (ask.method != "POST") return respond_error(*to, refusal(405, "MethodNotAllowed", "snapshots are asked for with POST"));
    if (!snapshots_) return respond_error(*to, refusal(503, "ServiceUnavailable", waiting_));
    auto order = parse_snapshot_request(ask.body);
    if (!order.ok()) return respond_error(*to, refusal(400, "BadRequest", order.why().note));
    std::visit([&](auto& what) { relay_order(std::move(what), to); }, *order);
  }
  template <class Order>
  void relay_order(Order what, const exchange_ptr& to) {
    const auto refused = [to](caf::error& why) { respond_failure(*to, rt::reason(why)); };
    auto asked = self_->request(snapshots_, caf::infinite, std::move(what));
    if constexpr (std::is_same_v<Order, snapshots::list_snapshots>)
      asked.then([to](const snapshots::snapshot_list& got) { respond_json(*to, to_text(list_json(got))); }, refused);
    else
      asked.then([to](const snapshots::snapshot_changes& got) { respond_json(*to, to_text(changes_json(got))); }, refused);
  }

  void use_passwords(secrets::passwords_changed& now) { config_.server_password = std::move(now.server), config_.agent_password = std::move(now.agent); }

  // The next request is judged by the new password.
  void change_token(const caller& who, const net::http::request& ask, const exchange_ptr& to) {
    if (!who.server) return respond_error(*to, refusal(403, "Forbidden", "only the server's token opens this"));
    if (!vault_) return respond_error(*to, not_ready());
    if (ask.method != "PUT") return respond_error(*to, refusal(405, "MethodNotAllowed", "method not allowed"));
    const auto wanted = parse_json(ask.body);
    const auto token = wanted.ok() ? text_or(dig(*wanted, "newToken")) : std::string();
    if (token.empty()) return respond_error(*to, refusal(400, "BadRequest", "the body must be {\"newToken\":\"...\"}"));
    self_->request(vault_, caf::infinite, secrets::change_token{secret_text(token)})
        .then([this, to](secrets::passwords_changed& now) {
          use_passwords(now);
          respond_text(*to, 200, "");
        }, [to](caf::error& why) { respond_failure(*to, rt::reason(why)); });
  }

  // As K3s's: bootstrap data with the new files; they are used from the next start on.
  void replace_authorities(const caller& who, const net::http::request& ask, const exchange_ptr& to) {
    if (!who.server) return respond_error(*to, refusal(403, "Forbidden", "only the server's token opens this"));
    if (ask.method != "PUT") return respond_error(*to, refusal(405, "MethodNotAllowed", "method not allowed"));
    if (!vault_) return respond_error(*to, not_ready());
    auto offered = parse_json(ask.body);
    if (!offered.ok()) return respond_error(*to, refusal(400, "BadRequest", "the body is no JSON: " + offered.why().note));
    const bool force = ask.query == "force=true" || ask.query == "force=1";
    self_->request(vault_, caf::infinite, secrets::replace_authorities{std::move(*offered), force})
        .then([to](bool) { respond_text(*to, 204, ""); }, [to](caf::error& why) { respond_failure(*to, rt::reason(why)); });
  }

  void encrypt(const caller& who, const std::string& path, const net::http::request& ask, const exchange_ptr& to) {
    if (!who.server) return respond_error(*to, refusal(403, "Forbidden", "only the server's token opens this"));
    if (!vault_) return respond_error(*to, not_ready());
    const auto told = [to](const secrets::encryption_told& got) { respond_json(*to, to_text(got.status)); };
    const auto failed = [to](const caf::error& why) { respond_failure(*to, rt::reason(why)); };
    if (path == "/encrypt/status" && ask.method == "GET") {
      self_->request(vault_, caf::infinite, secrets::tell_encryption{}).then(told, failed);
      return;
    }
    if (path != "/encrypt/config") return respond_error(*to, refusal(404, "NotFound", "the server could not find the requested resource"));
    if (ask.method != "PUT") return respond_error(*to, refusal(405, "MethodNotAllowed", "method not allowed"));
    auto wanted = parse_json(ask.body);
    if (!wanted.ok()) return respond_error(*to, refusal(400, "BadRequest", "the body is no JSON: " + wanted.why().note));
    self_->request(vault_, caf::infinite, secrets::change_encryption{std::move(*wanted)}).then(told, failed);
  }

  // As K3s's API server reaches nodes, and one server another one's: by a certificate of system:masters.
  void carry(const net::http::request& ask, const exchange_ptr& to) {
    const auto& groups = ask.peer.organizations;
    if (!ask.peer.verified || std::find(groups.begin(), groups.end(), "system:masters") == groups.end())
      return respond_error(*to, refusal(403, "Forbidden", "CONNECT is for the cluster's own servers"));
    auto at = parse_endpoint(ask.path);
    if (!at.ok()) return respond_error(*to, refusal(400, "BadRequest", "CONNECT needs HOST:PORT"));
    if (!config_.carrier) return respond_error(*to, refusal(503, "ServiceUnavailable", waiting_));
    self_->send(config_.carrier, egress::carry_stream{std::move(*at), to, ask.headers.find(egress::peer_header) != nullptr});
  }

  void connect(const caller& who, const net::http::request& ask, const exchange_ptr& to) {
    if (who.node.empty()) return respond_error(*to, refusal(401, "Unauthorized", "a tunnel needs the certificate of a node"));
    if (!net::websocket::is_upgrade(ask)) return respond_error(*to, refusal(400, "BadRequest", "expected a WebSocket upgrade"));
    auto over = net::websocket::accept(*world_->shard, ask, *to, "", *world_->chance);
    if (!over) return;
    self_->send(switchboard_, tunnel::session_arrived{{who.node}, std::make_shared<net::websocket::connection_ptr>(std::move(over))});
  }

  rt::self<gate_actor> self_;
  const rt::world* world_ = nullptr;
  gate_config config_;
  certificates::signer_actor signer_;
  tunnel::switchboard_actor switchboard_;
  registration::registrar_actor registrar_;
  client::api_actor api_;
  snapshots::snapshots_actor snapshots_;
  secrets::vault_actor vault_;
  std::string waiting_ = "the server is starting";
  std::size_t open_ = 0;
};

}  // namespace

gate_actor make_gate(const rt::world& in, gate_config config, certificates::signer_actor signer,
                     tunnel::switchboard_actor switchboard) {
  return rt::spawn_pinned<gate_actor, gate_state>(in, "supervisor", in, std::move(config), std::move(signer), std::move(switchboard));
}

}  // namespace troupe::supervisor
