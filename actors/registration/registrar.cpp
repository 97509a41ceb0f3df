#include "actors/registration/registrar.hpp"

#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::registration {
namespace {

using promise = caf::typed_response_promise<certificates::issued_certificate>;

class registrar_state {
 public:
  static constexpr const char* name = "registrar";
  explicit registrar_state(rt::self<registrar_actor> self) : self_(self) {}

  void init(registrar_config config, node_password::verifier_actor verifier, certificates::signer_actor signer,
            client::api_actor api) {
    config_ = config;
    verifier_ = std::move(verifier);
    signer_ = std::move(signer);
    api_ = std::move(api);
  }
  registrar_actor::behavior_type make_behavior() {
    return {
        [this](register_node& ask) { return admit(std::move(ask)); },
        [this](revocation::revocations_changed& news) { revoked_ = std::move(news.now); },
    };
  }

 private:
  caf::result<certificates::issued_certificate> admit(register_node ask) {
    if (const auto why = revoked_->refusal(ask.wanted.node)) {
      log::warn("registration.node_refused", {{"node", ask.wanted.node.text}, {"from", ask.remote}, {"why", "revoked"}});
      return rt::refuse(errc::forbidden, *why);
    }
    auto job = std::make_shared<register_node>(std::move(ask));
    auto answer = self_->make_response_promise<certificates::issued_certificate>();
    if (job->by_node_identity) check_node(job, answer);
    else verify(job, answer);
    return answer;
  }

  /// A certificate alone is good only while its Node exists: deleting a node takes its identity away.
  void check_node(const std::shared_ptr<register_node>& job, promise answer) {
    client::api_call call{"GET", "/api/v1/nodes/" + job->wanted.node.text, "", "application/json",
                          "system:k3s-supervisor", {"system:masters"}};
    self_->request(api_, config_.sign_limit, std::move(call))
        .then([this, job, answer](const client::api_answer& got) mutable {
          if (got.ok()) return verify(job, answer);
          if (got.status == 404) answer.deliver(rt::refuse(errc::unauthorized, "the node " + job->wanted.node.text + " is gone"));
          else answer.deliver(rt::refuse(errc::unavailable, "the API cannot be asked"));
        }, [answer](caf::error& why) mutable { answer.deliver(std::move(why)); });
  }

  void verify(const std::shared_ptr<register_node>& job, promise answer) {
    self_->request(verifier_, config_.verify_limit, node_password::verify_password{job->wanted.node, job->password})
        .then([this, job, answer](node_password::verdict said) mutable {
          if (said == node_password::verdict::refused) return look_up_rival(job, answer);
          sign(job, answer);
        }, [answer](caf::error& why) mutable { answer.deliver(std::move(why)); });
  }

  // Two machines of one name, most often: both addresses tell which.
  void look_up_rival(const std::shared_ptr<register_node>& job, promise answer) {
    client::api_call call{"GET", "/api/v1/nodes/" + job->wanted.node.text, "", "application/json",
                          "system:k3s-supervisor", {"system:masters"}};
    self_->request(api_, config_.sign_limit, std::move(call))
        .then([this, job, answer](const client::api_answer& got) mutable {
          const auto object = got.ok() ? parse_json(got.body) : result<json>(errc::not_found, "");
          refuse(*job, object.ok() ? first_address(*object) : std::string(), answer);
        }, [this, job, answer](caf::error&) mutable { refuse(*job, {}, answer); });
  }
  static std::string first_address(const json& node) {
    const auto& all = dig(node, "status", "addresses");
    if (all.is_array())
      for (const auto& one : all)
        if (text_or(dig(one, "type")) == "InternalIP") return text_or(dig(one, "address"));
    return {};
  }

  void refuse(const register_node& job, const std::string& rival, promise& answer) {
    log::warn("registration.node_refused", {{"node", job.wanted.node.text}, {"from", job.remote}, {"registered_at", rival}});
    const auto at = parse_endpoint(job.remote);
    const auto here = !job.wanted.addresses.empty() ? job.wanted.addresses.front() : at.ok() ? at->host : job.remote;
    answer.deliver(rt::refuse(errc::forbidden,
        "node password rejected for " + job.wanted.node.text + ": another machine" + (rival.empty() ? "" : " (" + rival + ")") + " registered this name, or this one (" + here +
        ") lost its /etc/rancher/node/password; delete the node (kubectl delete node " + job.wanted.node.text +
        ") to free the name, or join with --with-node-id"));
  }

  void sign(const std::shared_ptr<register_node>& job, promise answer) {
    self_->request(signer_, config_.sign_limit, std::move(job->wanted))
        .then([answer](certificates::issued_certificate& got) mutable { answer.deliver(std::move(got)); },
              [answer](caf::error& why) mutable { answer.deliver(std::move(why)); });
  }

  rt::self<registrar_actor> self_;
  registrar_config config_;
  node_password::verifier_actor verifier_;
  certificates::signer_actor signer_;
  client::api_actor api_;
  std::shared_ptr<const revocation::revoked_nodes> revoked_ = std::make_shared<const revocation::revoked_nodes>();
};

}  // namespace

registrar_actor make_registrar(const rt::world& in, registrar_config config, node_password::verifier_actor verifier,
                               certificates::signer_actor signer, client::api_actor api) {
  return rt::spawn<registrar_actor, registrar_state>(in, "", config, std::move(verifier), std::move(signer), std::move(api));
}

}  // namespace troupe::registration
