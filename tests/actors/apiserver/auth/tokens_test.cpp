#include "actors/apiserver/auth/account_tokens.hpp"

#include <doctest/doctest.h>

#include "actors/apiserver/auth/pod_admission.hpp"
#include "net/tls/openssl.hpp"

using namespace troupe;
using namespace troupe::apiserver;

namespace {

const auto now = *parse_rfc3339("2026-01-01T00:00:00Z");

struct maker {
  std::unique_ptr<net::tls::issuer> issuer = net::tls::make_openssl_issuer();
  secret_text key = issuer->make_key();
  account_tokens tokens = with(key.reveal());
  account_tokens with(std::string_view keys, std::string name = "https://issuer") {
    return {*issuer, {std::move(name), {"https://issuer", "k3s"}, secret_text(std::string(keys))}};
  }
};

account_claims claims() {
  account_claims out;
  out.ns = "shop", out.account = "web", out.uid = "u-1";
  out.audiences = {"https://issuer"};
  out.issued = now, out.expires = now + std::chrono::hours(1);
  out.bound = {"Pod", "p", "u-2"};
  out.node = "n1", out.node_uid = "u-3";
  out.id = "id";
  return out;
}

}  // namespace

TEST_CASE("a token that was issued is believed and says what was said, until it expires") {
  maker m;
  const auto token = m.tokens.issue(claims());
  REQUIRE(token.ok());
  CHECK(account_tokens::looks_like_one(*token));
  const auto got = m.tokens.read(*token, now + std::chrono::minutes(59));
  REQUIRE(got.ok());
  CHECK(got->ns == "shop");
  CHECK(got->account == "web");
  CHECK(got->uid == "u-1");
  CHECK(got->bound.kind == "Pod");
  CHECK(got->bound.uid == "u-2");
  CHECK(got->node == "n1");
  CHECK(m.tokens.read(*token, now + std::chrono::hours(1)).why().note == "service account token has expired");
  CHECK_FALSE(m.tokens.read(*token, now - std::chrono::hours(2)).ok());
}

TEST_CASE("what was altered, signed by somebody else, unsigned, or of another issuer is not believed") {
  maker m, other;
  const auto token = *m.tokens.issue(claims());
  for (std::size_t i = 0; i < token.size(); i += 17) {
    auto altered = token;
    altered[i] = altered[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(m.tokens.read(altered, now).ok());
  }
  CHECK_FALSE(m.tokens.read(*other.tokens.issue(claims()), now).ok());
  CHECK_FALSE(m.with(m.key.reveal(), "https://elsewhere").read(token, now).ok());
  // {"alg":"none"} and HS256 are the old tricks.
  const auto body = token.substr(token.find('.'), token.rfind('.') - token.find('.') + 1);
  for (const char* head : {"eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzI1NiJ9"}) {
    CHECK_FALSE(m.tokens.read(head + body, now).ok());
    CHECK_FALSE(m.tokens.read(head + body + "AAAA", now).ok());
  }
  for (const char* nonsense : {"", ".", "..", "ey..", "ey.ey.ey", "eyJ9.e30.e30", "K10abc::server:x"}) CHECK_FALSE(m.tokens.read(nonsense, now).ok());
  CHECK_FALSE(m.tokens.read("ey" + std::string(100'000, 'a') + "..", now).ok());
}

TEST_CASE("the first key signs and every key is believed, so that keys can be changed without a break") {
  maker m, fresh;
  const auto old = *m.tokens.issue(claims());
  const auto both = m.with(std::string(fresh.key.reveal()) + std::string(m.key.reveal()));
  CHECK(both.read(old, now).ok());
  const auto token = *both.issue(claims());
  CHECK(both.read(token, now).ok());
  CHECK_FALSE(m.tokens.read(token, now).ok());
  const auto keys = *parse_json(both.key_set());
  CHECK(keys["keys"].size() == 2);
  CHECK(keys["keys"][0]["alg"] == "ES256");
  CHECK(text_or(dig(*parse_json(both.discovery("10.0.0.1:6443")), "jwks_uri")) == "https://10.0.0.1:6443/openid/v1/jwks");
  const account_tokens none(*m.issuer, {"https://issuer", {}, secret_text()});
  CHECK(none.issue(claims()).why().code == errc::unavailable);
}

TEST_CASE("a token lives as long as it was asked to, a pod's for a year, and no shorter than ten minutes") {
  const auto account = *parse_json(R"({"metadata":{"name":"web","namespace":"shop","uid":"u-1"}})");
  const token_config config{"https://issuer", {"https://issuer"}, secret_text()};
  const auto plan = [&](const char* spec) { return plan_token(account, *parse_json(spec), config, now); };
  CHECK(plan("{}")->expires == now + std::chrono::hours(1));
  CHECK(plan("{}")->audiences == std::vector<std::string>{"https://issuer"});
  CHECK(plan(R"({"expirationSeconds":600,"audiences":["vault"]})")->audiences == std::vector<std::string>{"vault"});
  CHECK(plan(R"({"expirationSeconds":3607,"boundObjectRef":{"kind":"Pod","name":"p"}})")->expires == now + std::chrono::hours(24 * 365));
  CHECK(plan(R"({"expirationSeconds":3607})")->expires == now + std::chrono::seconds(3607));
  CHECK(plan(R"({"expirationSeconds":599})").why().note == "may not specify a duration less than 10 minutes");
  CHECK_FALSE(plan(R"({"boundObjectRef":{"kind":"Service","name":"p"}})").ok());
}

TEST_CASE("a Secret that asks for its account's token has it at once, keeps it, and goes with the account") {
  const auto& secrets = *schema::find("", "v1", "secrets");
  token_surroundings around;
  int issued = 0;
  around.account = [](const std::string& ns, const std::string& name) -> std::optional<json> {
    if (ns != "n" || name != "bot") return std::nullopt;
    return *parse_json(R"({"metadata":{"name":"bot","uid":"a-1"}})");
  };
  around.root_ca = [](const std::string&) { return std::string("PEM"); };
  around.issue = [&](const json& account, const std::string& secret, const std::string& uid) -> result<std::string> {
    return text_or(dig(account, "metadata", "name")) + "/" + secret + "/" + uid + "/" + std::to_string(++issued);
  };
  const auto made = [](const char* account, const char* type = "kubernetes.io/service-account-token") {
    return json{{"type", type}, {"metadata", {{"name", "s"}, {"namespace", "n"}, {"uid", "s-1"}, {"annotations", {{"kubernetes.io/service-account.name", account}}}}}};
  };
  auto secret = made("bot");
  REQUIRE_FALSE(admit_token_secret(secrets, secret, around).has_value());
  CHECK(secret["data"] == json{{"token", to_base64("bot/s/s-1/1")}, {"ca.crt", to_base64("PEM")}, {"namespace", to_base64("n")}});
  CHECK(secret["metadata"]["annotations"]["kubernetes.io/service-account.uid"] == "a-1");
  CHECK(secret["metadata"]["ownerReferences"] == *parse_json(R"([{"apiVersion":"v1","kind":"ServiceAccount","name":"bot","uid":"a-1"}])"));
  const auto before = secret;
  around.fresh = false;
  REQUIRE_FALSE(admit_token_secret(secrets, secret, around).has_value());
  CHECK(secret == before);
  secret["data"].erase("token");   // who replaces it without one gets another
  REQUIRE_FALSE(admit_token_secret(secrets, secret, around).has_value());
  CHECK(secret["data"]["token"] == to_base64("bot/s/s-1/2"));
  auto orphan = made("gone");
  REQUIRE_FALSE(admit_token_secret(secrets, orphan, around).has_value());
  CHECK(orphan == made("gone"));
  around.fresh = true;
  CHECK(admit_token_secret(secrets, orphan, around)->message == "secrets \"s\" is forbidden: error looking up service account n/gone: serviceaccount \"gone\" not found");
  auto other = made("bot", "Opaque");
  REQUIRE_FALSE(admit_token_secret(secrets, other, around).has_value());
  CHECK(other == made("bot", "Opaque"));
}

TEST_CASE("a pod gets its account's token once per container that has none, and its priority; a missing account refuses it") {
  const auto& pods = *schema::find("", "v1", "pods");
  pod_surroundings around;
  around.account = [](const std::string&, const std::string& name) -> std::optional<json> {
    if (name == "silent") return *parse_json(R"({"automountServiceAccountToken":false})");
    if (name == "default") return *parse_json(R"({"imagePullSecrets":[{"name":"pull"}]})");
    return std::nullopt;
  };
  around.priority_class = [](const std::string& name) -> std::optional<json> {
    if (name != "high") return std::nullopt;
    return *parse_json(R"({"metadata":{"name":"high"},"value":1000,"preemptionPolicy":"Never"})");
  };
  around.default_priority_class = []() -> std::optional<json> { return std::nullopt; };
  const auto pod = [](const char* spec) { return json{{"metadata", {{"name", "p"}, {"namespace", "n"}, {"uid", "0-1"}}}, {"spec", *parse_json(spec)}}; };
  auto plain = pod(R"({"initContainers":[{"name":"i"}],"containers":[{"name":"a"},{"name":"b","volumeMounts":[{"name":"own","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}]}]})");
  REQUIRE_FALSE(admit_pod(pods, plain, around).has_value());
  const auto& spec = plain["spec"];
  CHECK(spec["serviceAccountName"] == "default");
  CHECK(spec["volumes"].size() == 1);
  CHECK(spec["containers"][0]["volumeMounts"][0]["name"] == spec["volumes"][0]["name"]);
  CHECK(spec["initContainers"][0]["volumeMounts"].size() == 1);
  CHECK(spec["containers"][1]["volumeMounts"].size() == 1);
  CHECK(spec["imagePullSecrets"][0]["name"] == "pull");
  CHECK(spec["priority"] == 0);
  auto quiet = pod(R"({"serviceAccountName":"silent","priorityClassName":"high","containers":[{"name":"a"}]})");
  REQUIRE_FALSE(admit_pod(pods, quiet, around).has_value());
  CHECK_FALSE(quiet["spec"].contains("volumes"));
  CHECK(quiet["spec"]["priority"] == 1000);
  CHECK(quiet["spec"]["preemptionPolicy"] == "Never");
  auto lost = pod(R"({"serviceAccountName":"nobody","containers":[{"name":"a"}]})");
  CHECK(admit_pod(pods, lost, around)->message == "pods \"p\" is forbidden: error looking up service account n/nobody: serviceaccount \"nobody\" not found");
  auto unknown = pod(R"({"priorityClassName":"nope","containers":[{"name":"a"}]})");
  CHECK(admit_pod(pods, unknown, around)->message == "pods \"p\" is forbidden: no PriorityClass with name nope was found");
}
