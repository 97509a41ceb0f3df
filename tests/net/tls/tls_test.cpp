#include "basis/clock.hpp"
#include "net/asio/real.hpp"
#include "net/tls/openssl.hpp"
#include "tests/net/contract.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {

using stage_maker = std::unique_ptr<test::stage> (*)();

struct authority {
  explicit authority(test::stage& on) : issuer(&on.issuer()), now(on.calendar()) {}
  tls::issuer* issuer;
  wall_time now;
  tls::identity ca = *issuer->make_ca("test-ca@1", now, tls::ca_validity);

  tls::identity leaf(tls::leaf_request ask, duration validity = tls::leaf_validity) {
    const auto at = now;
    tls::identity out;
    out.key = issuer->make_key();
    ask.public_key = *issuer->public_key_of(out.key);
    out.certificates = *issuer->sign(ask, ca, at, validity);
    return out;
  }
  tls::identity server() {
    return leaf({.common_name = "k3s", .dns_names = {"server.test", "localhost"}, .addresses = {"127.0.0.1", "::1"},
                 .use = tls::usage::server});
  }
  tls::identity client() {
    return leaf({.common_name = "system:node:a", .organizations = {"extra", "system:nodes"}, .use = tls::usage::client});
  }
};

struct outcome {
  result<stream_ptr> near = fail(errc::internal, "none"), far = fail(errc::internal, "none");
  std::string far_error() const { return far.ok() ? "" : far.why().text(); }
};

/// Secures both ends of a connection; either end may fail.
outcome secure(test::stage& at, tls::provider& near, const tls::client_options& ask, tls::provider& far,
               const tls::server_options& offer) {
  outcome out;
  auto ends = test::connect(at);
  auto server = far.make_server(offer);
  auto client = near.make_client(ask);
  REQUIRE_MESSAGE(server.ok(), server.why().text());
  REQUIRE_MESSAGE(client.ok(), client.why().text());
  bool near_done = false, far_done = false;
  far.accept(at.on(), std::move(ends.far), *server, [&](result<stream_ptr> s) {
    out.far = std::move(s);
    far_done = true;
  });
  near.connect(at.on(), std::move(ends.near), *client, [&](result<stream_ptr> s) {
    out.near = std::move(s);
    near_done = true;
  });
  REQUIRE(at.until([&] { return near_done && far_done; }));
  return out;
}

/// A stage whose connections are TLS sessions, so that they are held to the contract of streams.
class tls_stage final : public test::stage, dialer, acceptor {
 public:
  explicit tls_stage(tls::provider_options with)
      : tls_stage(test::make_real_stage(), tls::make_openssl_provider(with)) {}
  tls_stage(std::unique_ptr<test::stage> inner, std::unique_ptr<tls::provider> provider)
      : inner_(std::move(inner)), ca_(*inner_), owned_(std::move(provider)), provider_(owned_ ? owned_.get() : &inner_->tls()),
        server_(*provider_->make_server({ca_.server(), {}})),
        client_(*provider_->make_client({ca_.ca.certificates, "127.0.0.1", {}})) {}
  shard& on() override { return inner_->on(); }
  dialer& dials() override { return *this; }
  acceptor& accepts() override { return *this; }
  endpoint anywhere() const override { return inner_->anywhere(); }
  bool until(const std::function<bool()>& done) override { return inner_->until(done); }
  void settle() override { inner_->settle(); }

  void dial(const endpoint& at, duration patience, dialed done) override {
    inner_->dials().dial(at, patience, [this, done = std::make_shared<dialed>(std::move(done))](result<stream_ptr> s) {
      if (!s) return (*done)(std::move(s));
      provider_->connect(on(), std::move(*s), client_, [done](result<stream_ptr> t) { (*done)(std::move(t)); });
    });
  }
  result<std::unique_ptr<listener>> listen(const endpoint& at, accepted on_stream) override {
    return inner_->accepts().listen(at, [this, on_stream](stream_ptr s) {
      provider_->accept(on(), std::move(s), server_, [on_stream](result<stream_ptr> t) {
        if (t) on_stream(std::move(*t));
      });
    });
  }

  tls::provider& tls() override { return *provider_; }
  tls::issuer& issuer() override { return inner_->issuer(); }
  wall_time calendar() const override { return inner_->calendar(); }

 private:
  std::unique_ptr<test::stage> inner_;
  authority ca_;
  std::unique_ptr<tls::provider> owned_;
  tls::provider* provider_;
  std::shared_ptr<const tls::server_context> server_;
  std::shared_ptr<const tls::client_context> client_;
};

}  // namespace

TEST_CASE("a TLS 1.3 session keeps the contract of streams") {
  test::check_contract([] { return std::make_unique<tls_stage>(tls::provider_options{}); });
}

TEST_CASE("a TLS 1.2 session keeps the contract of streams") {
  test::check_contract([] { return std::make_unique<tls_stage>(tls::provider_options{.highest = tls::version::tls12}); });
}

TEST_CASE("a symbolic session keeps the contract of streams") {
  test::check_contract([] { return std::make_unique<tls_stage>(test::make_sim_stage(), nullptr); });
}

namespace {
/// What is promised of every provider, on the stage it belongs to.
void check_identity(stage_maker make, tls::provider* given) {
  const auto at = make();
  authority ca(*at);
  auto* tls = given ? given : &at->tls();
  {
    auto known = secure(*at, *tls, {ca.ca.certificates, "server.test", ca.client()}, *tls,
                        {ca.server(), ca.ca.certificates});
    REQUIRE_MESSAGE(known.far.ok(), known.far_error());
    CHECK((*known.far)->peer().verified);
    CHECK((*known.far)->peer().common_name == "system:node:a");
    CHECK((*known.far)->peer().organizations == std::vector<std::string>{"extra", "system:nodes"});
    CHECK_FALSE((*known.far)->peer().serial.empty());
    CHECK((*known.far)->peer().server_name == "server.test");
    CHECK((*known.near)->peer().verified);
    CHECK((*known.near)->peer().common_name == "k3s");
    auto nobody = secure(*at, *tls, {ca.ca.certificates, "127.0.0.1", {}}, *tls, {ca.server(), ca.ca.certificates});
    REQUIRE(nobody.far.ok());
    CHECK_FALSE((*nobody.far)->peer().verified);
    CHECK((*nobody.far)->peer().common_name.empty());
    CHECK((*nobody.far)->peer().server_name.empty());
  }
}

void check_refusals(stage_maker make) {
  const auto at = make();
  authority ca(*at), other(*at);
  auto* tls = &at->tls();
  const auto refused = [&](const tls::client_options& ask, const tls::identity& self) {
    auto out = secure(*at, *tls, ask, *tls, {self, {}});
    REQUIRE_FALSE(out.near.ok());
    CHECK(out.near.code() == errc::untrusted);
    CHECK_FALSE(out.far.ok());
    CHECK(out.far.code() == errc::untrusted);  // The alert tells the server.
    return out.near.why().note;
  };
  CHECK(refused({other.ca.certificates, "server.test", {}}, ca.server()).find("certificate") != std::string::npos);
  CHECK(refused({ca.ca.certificates, "elsewhere.test", {}}, ca.server()).find("hostname mismatch") != std::string::npos);
  CHECK(refused({ca.ca.certificates, "127.0.0.9", {}}, ca.server()).find("IP address mismatch") != std::string::npos);
  CHECK(refused({ca.ca.certificates, "k3s", {}}, ca.leaf({.common_name = "k3s", .use = tls::usage::server}))
            .find("hostname mismatch") != std::string::npos);  // The common name is no name.
  CHECK(refused({ca.ca.certificates, "", {}}, ca.client()).find("purpose") != std::string::npos);
  const auto old = ca.leaf({.common_name = "k3s", .dns_names = {"a.test"}, .use = tls::usage::server}, -1h / 2);
  CHECK(refused({ca.ca.certificates, "a.test", {}}, old).find("expired") != std::string::npos);
}

void check_no_trust(stage_maker make) {
  const auto at = make();
  authority ca(*at);
  auto* tls = &at->tls();
  auto out = secure(*at, *tls, {"", "nowhere.test", {}}, *tls, {ca.server(), {}});
  REQUIRE(out.near.ok());
  CHECK_FALSE((*out.near)->peer().verified);
}

void check_client_refused(stage_maker make, tls::provider* given) {
  const auto at = make();
  authority ca(*at), other(*at);
  auto* tls = given ? given : &at->tls();
  {
    auto out = secure(*at, *tls, {ca.ca.certificates, "server.test", other.client()}, *tls,
                      {ca.server(), ca.ca.certificates});
    REQUIRE_FALSE(out.far.ok());
    CHECK(out.far.code() == errc::untrusted);
    test::recorder near;
    if (out.near.ok()) {  // TLS 1.3 clients are done before the server has judged.
      (*out.near)->start(&near);
      REQUIRE(at->until([&] { return near.closes == 1; }));
      CHECK(near.end->code == errc::untrusted);
    } else {
      CHECK(out.near.code() == errc::untrusted);
    }
  }
}

void check_invalid(stage_maker make) {
  const auto at = make();
  authority ca(*at), other(*at);
  auto* tls = &at->tls();
  CHECK(tls->make_server({{"", secret_text("")}, {}}).code() == errc::invalid);
  CHECK(tls->make_server({{ca.server().certificates, other.issuer->make_key()}, {}}).code() == errc::invalid);
  CHECK(tls->make_client({"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "a", {}}).code() == errc::invalid);
  CHECK(tls->make_client({"no pem", "a", {}}).code() == errc::invalid);
}
}  // namespace

TEST_CASE("a client certificate tells who asks, none tells nothing, and the name asked for is known") {
  for (const auto highest : {tls::version::tls12, tls::version::tls13})
    check_identity(test::make_real_stage, tls::make_openssl_provider({.highest = highest}).get());
  check_identity(test::make_sim_stage, nullptr);
}

TEST_CASE("a server is refused for a wrong authority, a wrong name, a wrong use or its age, and the note says why") {
  check_refusals(test::make_real_stage);
  check_refusals(test::make_sim_stage);
}

TEST_CASE("without trust nothing is verified, and the session works") {
  check_no_trust(test::make_real_stage);
  check_no_trust(test::make_sim_stage);
}

TEST_CASE("a client certificate of another authority ends the session, in either version") {
  for (const auto highest : {tls::version::tls12, tls::version::tls13})
    check_client_refused(test::make_real_stage, tls::make_openssl_provider({.highest = highest}).get());
  check_client_refused(test::make_sim_stage, nullptr);
}

TEST_CASE("keys, certificates and trust that cannot be read are invalid, not a crash") {
  check_invalid(test::make_real_stage);
  check_invalid(test::make_sim_stage);
}

TEST_CASE("what is no TLS ends the handshake, plain HTTP with an explanation") {
  const auto at = test::make_real_stage();
  authority ca(*at);
  auto* tls = &at->tls();
  auto server = tls->make_server({ca.server(), {}});
  for (const std::string text : {"GET / HTTP/1.1\r\nhost: a\r\n\r\n", "\x16\x03\x01\xff\xff garbage", ""}) {
    auto ends = test::connect(*at);
    std::optional<error> why;
    test::recorder near;
    ends.near->start(&near);
    tls->accept(at->on(), std::move(ends.far), *server, [&](result<stream_ptr> s) { why = s.why(); });
    ends.near->write(text);
    if (text.empty() || text[0] != 'G') ends.near->close();
    REQUIRE(at->until([&] { return why && near.closes == 1; }));
    CHECK(why->code == errc::closed);
    if (text[0] == 'G') CHECK(near.text.find("HTTP request to an HTTPS server") != std::string::npos);
  }
}
