#include "actors/controllers/signing/signing.hpp"

#include <map>
#include <set>

#include "actors/client/clients.hpp"
#include "actors/controllers/calls.hpp"
#include "actors/controllers/signing/rules.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/bytes.hpp"
#include "basis/log.hpp"

namespace troupe::controllers {
namespace {

constexpr const char* requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

class signing_state {
 public:
  static constexpr const char* name = "signing";
  explicit signing_state(rt::self<controller_actor> self) : self_(self) {}
  void init(const rt::world& in, signing_config config, client::api_actor api) {
    world_ = &in;
    config_ = std::move(config);
    api_ = std::move(api);
    reflector_ = client::make_reflector(in, {requests, ""}, api_, caf::actor_cast<client::reflected_actor>(rt::strong<controller_actor>(self_)));
    self_->delayed_send(rt::strong<controller_actor>(self_), config_.clean_every, tick_due{});
  }
  ~signing_state() { rt::end(reflector_); }

  controller_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { known_[got.key] = got.object, look(got.key, *got.object); },
        [this](client::object_lost& got) { known_.erase(got.key); },
        [](client::kind_synced) {},
        [this](tick_due) { clean(); },
    };
  }

 private:
  void look(const std::string& key, const json& request) {
    const auto as = signer_of(request);
    const auto state = state_of(request);
    if (!as || state == request_state::over || busy_.contains(key)) return;
    const auto names = names_in(request);
    if (state == request_state::pending) {
      if (const auto right = names.ok() ? approving_right(request, *names) : std::string(); !right.empty()) ask_right(key, request, right);
      return;
    }
    auto leaf = names.ok() ? leaf_of(*as, request, *names) : result<net::tls::leaf_request>(names.why());
    const auto der = der_in(request);
    auto public_key = der.ok() ? world_->issuer->read_request(*der) : result<std::string>(der.why());
    if (!leaf.ok() || !public_key.ok()) return refuse(key, leaf.ok() ? public_key.why().note : leaf.why().note);
    leaf->public_key = std::move(*public_key);
    const auto& ca = *as == signer_name::kubelet_serving ? config_.server_ca : config_.client_ca;
    auto pem = world_->issuer->sign(*leaf, ca, world_->wall->now(), validity_of(request, config_.validity));
    if (!pem.ok()) return refuse(key, pem.why().note);
    constexpr std::string_view end = "-----END CERTIFICATE-----\n";
    if (const auto cut = pem->find(end); cut != std::string::npos) pem->resize(cut + end.size());   // the leaf alone, as upstream
    log::info("controllers.certificate_issued", {{"request", key}, {"subject", leaf->common_name}});
    write(key, "/status", {{"certificate", to_base64(*pem)}});
  }

  static result<std::string> der_in(const json& request) {
    std::string pem;
    if (!from_base64(text_or(dig(request, "spec", "request")), pem)) return fail(errc::invalid, "it is no base64");
    return request_in(pem);
  }
  static result<asked_names> names_in(const json& request) {
    const auto der = der_in(request);
    return der.ok() ? read_names(*der) : result<asked_names>(der.why());
  }

  /// As upstream: who may create the subresource may have such a request approved.
  void ask_right(const std::string& key, const json& request, const std::string& right) {
    busy_.insert(key);
    json spec{{"user", dig(request, "spec", "username")}, {"groups", dig(request, "spec", "groups")},
              {"resourceAttributes", {{"group", "certificates.k8s.io"}, {"resource", "certificatesigningrequests"}, {"subresource", right}, {"verb", "create"}}}};
    const json body{{"apiVersion", "authorization.k8s.io/v1"}, {"kind", "SubjectAccessReview"}, {"spec", std::move(spec)}};
    call(self_, api_, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body, as_json, [this, key](const client::api_answer& got) {
      busy_.erase(key);
      const auto review = parse_json(got.body);
      if (!got.ok() || !review.ok() || dig(*review, "status", "allowed") != json(true)) return;
      write(key, "/approval", {{"conditions", json::array({condition("Approved", "AutoApproved", "Auto approving kubelet client certificate after SubjectAccessReview.")})}});
    });
  }
  json condition(const char* type, const char* reason, const std::string& message) const {
    const auto now = to_rfc3339(world_->wall->now());
    return {{"type", type}, {"status", "True"}, {"reason", reason}, {"message", message}, {"lastUpdateTime", now}, {"lastTransitionTime", now}};
  }
  void refuse(const std::string& key, const std::string& why) {
    log::warn("controllers.certificate_refused", {{"request", key}, {"why", why}});
    write(key, "/status", {{"conditions", json::array({condition("Failed", "SignerValidationFailure", why)})}});
  }
  void write(const std::string& key, const char* part, const json& status) {
    busy_.insert(key);
    call(self_, api_, "PATCH", std::string(requests) + "/" + key + part, json{{"status", status}}, as_strategic, [this, key](const client::api_answer& got) {
      busy_.erase(key);
      // It was not looked at while this was under way; the answer is newer than what the watch has told so far.
      auto now = parse_json(got.body);
      if (!got.ok() || !now.ok()) return;
      known_[key] = std::make_shared<const json>(std::move(*now));
      look(key, *known_[key]);
    });
  }

  void clean() {
    self_->delayed_send(rt::strong<controller_actor>(self_), config_.clean_every, tick_due{});
    for (const auto& [key, request] : known_) {
      if (!is_stale(*request, world_->wall->now())) {
        look(key, *request);   // whose writing failed
        continue;
      }
      const json body{{"preconditions", {{"uid", dig(*request, "metadata", "uid")}}}};
      call(self_, api_, "DELETE", std::string(requests) + "/" + key, body, as_json, [](const client::api_answer&) {});
    }
  }

  rt::self<controller_actor> self_;
  const rt::world* world_ = nullptr;
  signing_config config_;
  client::api_actor api_;
  client::watcher_actor reflector_;
  std::map<std::string, std::shared_ptr<const json>> known_;
  std::set<std::string> busy_;
};

}  // namespace

controller_actor make_signing(const rt::world& in, signing_config config, client::api_actor api) {
  return rt::spawn<controller_actor, signing_state>(in, "", in, std::move(config), std::move(api));
}

}  // namespace troupe::controllers
