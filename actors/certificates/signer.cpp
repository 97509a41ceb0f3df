#include "actors/certificates/signer.hpp"

#include "actors/certificates/policy.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"

namespace troupe::certificates {
namespace {

class signer_state {
 public:
  static constexpr const char* name = "signer";
  explicit signer_state(rt::self<signer_actor>) {}
  void init(const rt::world& in, signer_config config) {
    issuer_ = in.issuer;
    wall_ = in.wall;
    config_ = std::move(config);
  }
  signer_actor::behavior_type make_behavior() {
    return {[this](sign_certificate& ask) { return sign(ask); }};
  }

 private:
  caf::result<issued_certificate> sign(const sign_certificate& ask) {
    auto open = issuer_->read_request(ask.request_der);
    if (!open.ok()) return rt::refuse(open.why());
    const auto& ca = ask.what == purpose::kubelet_serving ? config_.server_ca : config_.client_ca;
    auto pem = issuer_->sign(leaf_for(ask, *open), ca, wall_->now(), config_.validity);
    if (!pem.ok()) return rt::refuse(pem.why());
    return issued_certificate{std::move(*pem)};
  }
  net::tls::issuer* issuer_ = nullptr;
  const wall_clock* wall_ = nullptr;
  signer_config config_;
};

}  // namespace

signer_actor make_signer(const rt::world& in, signer_config config) {
  return rt::spawn<signer_actor, signer_state>(in, "", in, std::move(config));
}

}  // namespace troupe::certificates
