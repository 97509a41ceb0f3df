#include "actors/registration/registrar.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::registration;
using node_password::verdict;
using testing::stage;

namespace {
template <class H, class Ask, class Answer>
class scripted_state {
 public:
  static constexpr const char* name = "scripted";
  using script = std::function<caf::result<Answer>(Ask&)>;
  explicit scripted_state(rt::self<H>) {}
  void init(script say) { say_ = std::move(say); }
  typename H::behavior_type make_behavior() {
    return {[this](Ask& ask) { return say_(ask); }};
  }

 private:
  script say_;
};
using verifier = scripted_state<node_password::verifier_actor, node_password::verify_password, verdict>;
using signer = scripted_state<certificates::signer_actor, certificates::sign_certificate, certificates::issued_certificate>;

struct rig {
  rig() {
    registrar = on.show(make_registrar(
        on.world, {},
        on.show(rt::spawn<node_password::verifier_actor, verifier>(on.world, "", [this](node_password::verify_password& ask) -> caf::result<verdict> {
          done += "verify ";
          CHECK(ask.node.text == "n1");
          CHECK(ask.password.reveal() == "pass");
          if (!verified.ok()) return rt::refuse(verified.why());
          return *verified;
        })),
        on.show(rt::spawn<certificates::signer_actor, signer>(on.world, "", [this](certificates::sign_certificate& ask) -> caf::result<certificates::issued_certificate> {
          done += "sign ";
          if (ask.request_der == "bad") return rt::refuse(errc::invalid, "no request");
          return certificates::issued_certificate{"certificate of " + ask.node.text};
        })),
        testing::make_fake_api(on, script)));
  }
  result<certificates::issued_certificate> register_it(bool by_node = false, std::string request = "der") {
    done.clear();
    register_node ask;
    ask.wanted = {certificates::purpose::kubelet_client, {"n1"}, {}, std::move(request)};
    ask.password = secret_text("pass");
    ask.remote = "10.0.0.7:1234";
    ask.by_node_identity = by_node;
    return on.ask<certificates::issued_certificate>(registrar, std::move(ask));
  }
  result<verdict> verified = verdict::confirmed;
  std::string done;
  std::shared_ptr<testing::api_script> script = std::make_shared<testing::api_script>();
  stage on;
  registrar_actor registrar;
};
}  // namespace

TEST_CASE("a node whose password is enrolled or confirmed is given its certificate") {
  rig r;
  for (const auto said : {verdict::enrolled, verdict::confirmed}) {
    r.verified = said;
    const auto got = r.register_it();
    REQUIRE(got.ok());
    CHECK(got->pem == "certificate of n1");
    CHECK(r.done == "verify sign ");
  }
  CHECK(r.script->calls.empty());
}

TEST_CASE("a refused password is told the way out, and nothing is signed") {
  rig r;
  r.verified = verdict::refused;
  const auto got = r.register_it();
  REQUIRE(!got.ok());
  CHECK(got.code() == errc::forbidden);
  CHECK(got.why().note.find("kubectl delete node n1") != std::string::npos);
  CHECK(got.why().note.find("--with-node-id") != std::string::npos);
  CHECK(got.why().note.find("pass,") == std::string::npos);
  CHECK(r.done == "verify ");
}

TEST_CASE("a verifier in trouble lets nobody in and says what the trouble is") {
  rig r;
  for (const auto code : {errc::unavailable, errc::outcome_unknown, errc::overloaded}) {
    r.verified = fail(code, "why");
    CHECK(r.register_it().code() == code);
    CHECK(r.done == "verify ");
  }
}

TEST_CASE("a certificate alone counts only while its Node exists") {
  rig r;
  r.script->on_call = [](const client::api_call&) { return client::api_answer{200, "{}"}; };
  CHECK(r.register_it(true).ok());
  CHECK(r.script->calls.back().path == "/api/v1/nodes/n1");
  r.script->on_call = [](const client::api_call&) { return client::api_answer{404, "{}"}; };
  CHECK(r.register_it(true).code() == errc::unauthorized);
  CHECK(r.done.empty());
  r.script->on_call = [](const client::api_call&) { return client::api_answer{503, "{}"}; };
  CHECK(r.register_it(true).code() == errc::unavailable);
  r.script->on_call = [](const client::api_call&) { return fail(errc::timeout, ""); };
  CHECK(!r.register_it(true).ok());
  CHECK(r.done.empty());
}

TEST_CASE("what the signer refuses is refused as the signer says") {
  rig r;
  CHECK(r.register_it(false, "bad").code() == errc::invalid);
}
