#include <openssl/err.h>

#include "basis/ids.hpp"
#include "net/tls/openssl.hpp"
#include "net/tls/session.hpp"

namespace troupe::net::tls {
namespace {

/// K3s's default list for TLS 1.2; the three suites of TLS 1.3 are always on.
constexpr const char* cipher_list =
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr unsigned char http11[] = "\x08http/1.1";
constexpr unsigned http11_size = 9;
constexpr long ticket_seconds = 3600;

struct openssl_server final : server_context {
  context_ptr ssl;
};
struct openssl_client final : client_context {
  context_ptr ssl;
  std::string server_name;
  bool verify = false;
};

int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* theirs,
                    unsigned theirs_size, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, size, http11, http11_size, theirs, theirs_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

int number(version v) { return v == version::tls12 ? TLS1_2_VERSION : TLS1_3_VERSION; }

result<context_ptr> make_context(const SSL_METHOD* method, const provider_options& with) {
  ERR_clear_error();
  context_ptr out(SSL_CTX_new(method));
  if (!out || SSL_CTX_set_min_proto_version(out.get(), number(with.lowest)) != 1 ||
      SSL_CTX_set_max_proto_version(out.get(), number(with.highest)) != 1 ||
      SSL_CTX_set_cipher_list(out.get(), cipher_list) != 1)
    return fail(errc::internal, "making a TLS context: " + openssl_reason());
  SSL_CTX_set_mode(out.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(out.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(out.get(), SSL_SESS_CACHE_OFF);  // Tickets need no memory of ours.
  SSL_CTX_set_timeout(out.get(), ticket_seconds);
  return out;
}

result<void> use_identity(SSL_CTX* context, const identity& self) {
  auto chain = read_certificates(self.certificates);
  if (!chain) return chain.why();
  auto key = read_key(self.key.reveal());
  if (!key) return key.why();
  if (SSL_CTX_use_certificate(context, chain->front().get()) != 1)
    return fail(errc::invalid, "a certificate cannot be used: " + openssl_reason());
  for (std::size_t i = 1; i < chain->size(); ++i) SSL_CTX_add1_chain_cert(context, (*chain)[i].get());
  if (SSL_CTX_use_PrivateKey(context, key->get()) != 1)
    return fail(errc::invalid, "the key does not fit its certificate: " + openssl_reason());
  return {};
}

/// Any certificate of the bundle is an anchor, also one that is no root, as in Go.
result<void> use_trust(SSL_CTX* context, std::string_view pem, bool announce) {
  auto bundle = read_certificates(pem);
  if (!bundle) return bundle.why();
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const auto& each : *bundle) {
    X509_STORE_add_cert(store, each.get());
    if (announce) SSL_CTX_add_client_CA(context, each.get());
  }
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

class openssl_provider final : public provider {
 public:
  explicit openssl_provider(provider_options with) : with_(with) {}

  result<std::shared_ptr<const server_context>> make_server(const server_options& with) override {
    auto context = make_context(TLS_server_method(), with_);
    if (!context) return context.why();
    auto out = std::make_shared<openssl_server>();
    out->ssl = std::move(*context);
    SSL_CTX* ssl = out->ssl.get();
    if (auto used = use_identity(ssl, with.self); !used) return used.why();
    if (!with.client_trust.empty()) {
      if (auto used = use_trust(ssl, with.client_trust, true); !used) return used.why();
      SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, nullptr);  // Asked for; whoever has none is nobody.
    }
    SSL_CTX_set_session_id_context(ssl, reinterpret_cast<const unsigned char*>("troupe"), 6);
    SSL_CTX_set_num_tickets(ssl, 1);
    SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, nullptr);
    SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
    return std::shared_ptr<const server_context>(std::move(out));
  }

  result<std::shared_ptr<const client_context>> make_client(const client_options& with) override {
    auto context = make_context(TLS_client_method(), with_);
    if (!context) return context.why();
    auto out = std::make_shared<openssl_client>();
    out->ssl = std::move(*context);
    out->server_name = with.server_name;
    SSL_CTX* ssl = out->ssl.get();
    if (!with.self.empty())
      if (auto used = use_identity(ssl, with.self); !used) return used.why();
    if (!with.trust.empty()) {
      if (auto used = use_trust(ssl, with.trust, false); !used) return used.why();
      SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
      out->verify = true;
    }
    SSL_CTX_set_alpn_protos(ssl, http11, http11_size);
    return std::shared_ptr<const client_context>(std::move(out));
  }

  void accept(shard& on, stream_ptr raw, std::shared_ptr<const server_context> as, secured done) override {
    const auto& context = static_cast<const openssl_server&>(*as);
    ssl_ptr ssl(SSL_new(context.ssl.get()));
    SSL_set_accept_state(ssl.get());
    std::make_shared<session>(on, std::move(raw), std::move(ssl), std::move(as), true, std::move(done))->begin();
  }

  void connect(shard& on, stream_ptr raw, std::shared_ptr<const client_context> as, secured done) override {
    const auto& context = static_cast<const openssl_client&>(*as);
    ssl_ptr ssl(SSL_new(context.ssl.get()));
    SSL_set_connect_state(ssl.get());
    const auto& name = context.server_name;
    const bool literal = is_ip_address(name);
    if (!literal && !name.empty()) SSL_set_tlsext_host_name(ssl.get(), name.c_str());
    if (context.verify && !name.empty()) {
      X509_VERIFY_PARAM* param = SSL_get0_param(ssl.get());
      X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
      if (literal) X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str());
      else X509_VERIFY_PARAM_set1_host(param, name.data(), name.size());
    }
    std::make_shared<session>(on, std::move(raw), std::move(ssl), std::move(as), false, std::move(done))->begin();
  }

 private:
  provider_options with_;
};

}  // namespace

std::unique_ptr<provider> make_openssl_provider(provider_options with) {
  return std::make_unique<openssl_provider>(with);
}

}  // namespace troupe::net::tls
