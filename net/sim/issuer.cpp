#include <algorithm>

#include "basis/bytes.hpp"
#include "basis/ids.hpp"
#include "net/sim/crypto.hpp"
#include "net/tls/password.hpp"

namespace troupe::net::sim {
namespace {

using tls::backdate;
constexpr std::string_view key_label = "EC PRIVATE KEY", public_label = "PUBLIC KEY", certificate_label = "CERTIFICATE";

std::vector<std::string> texts(const json& list) {
  std::vector<std::string> out;
  if (list.is_array())
    for (const auto& each : list) out.push_back(text_or(each));
  return out;
}

class symbolic_issuer final : public tls::issuer {
 public:
  symbolic_issuer(key_book& keys, entropy& chance) : keys_(keys), chance_(chance) {}

  secret_text make_key() override {
    const auto secret = to_hex(chance_.draw(16));
    keys_.enter(secret);
    return secret_text(armoured(key_label, {{"secret", secret}}));
  }
  result<std::string> public_key_of(const secret_text& key) override {
    auto secret = secret_of(key);
    if (!secret) return secret.why();
    return armoured(public_label, {{"public_key", keys_.enter(*secret)}});
  }
  result<std::string> make_request(const secret_text& key) override {
    auto secret = secret_of(key);
    if (!secret) return secret.why();
    json out{{"public_key", keys_.enter(*secret)}};
    out["signature"] = key_book::sign(*secret, signed_part(out));
    return to_text(out);
  }
  result<std::string> read_request(std::string_view der) override {
    auto read = parse_json(der);
    if (!read || !read->is_object()) return fail(errc::invalid, "a certificate request cannot be read");
    const auto key = text_or(dig(*read, "public_key"));
    if (!keys_.verify(key, signed_part(*read), text_or(dig(*read, "signature"))))
      return fail(errc::invalid, "a certificate request is not signed by its own key");
    return armoured(public_label, {{"public_key", key}});
  }

  result<tls::identity> make_ca(const std::string& common_name, wall_time now, duration validity) override {
    tls::identity out;
    out.key = make_key();
    const auto secret = *secret_of(out.key);
    json made{{"authority", true}, {"common_name", common_name}, {"serial", "00"}, {"public_key", keys_.enter(secret)}, {"use", "both"}};
    made["issuer"] = made["public_key"];
    made["not_before"] = to_rfc3339(now - backdate);
    made["not_after"] = to_rfc3339(now - backdate + validity);
    made["signature"] = key_book::sign(secret, signed_part(made));
    out.certificates = armoured(certificate_label, made);
    return out;
  }

  result<std::string> sign(const tls::leaf_request& leaf, const tls::identity& ca, wall_time now, duration validity) override {
    const auto bundle = blocks(ca.certificates, certificate_label);
    const auto key = blocks(leaf.public_key, public_label);
    auto secret = secret_of(ca.key);
    if (!secret) return secret.why();
    if (bundle.empty() || key.empty()) return fail(errc::invalid, "a certificate or public key cannot be read");
    if (text_or(dig(bundle.front(), "public_key")) != keys_.enter(*secret))
      return fail(errc::invalid, "the authority's key does not fit its certificate");
    for (const auto& each : leaf.addresses)
      if (!is_ip_address(each)) return fail(errc::invalid, "an address for a certificate cannot be read");
    const auto ca_from = parse_rfc3339(text_or(dig(bundle.front(), "not_before")));
    auto serial = chance_.draw(8);
    serial[0] = static_cast<char>((serial[0] & 0x7f) | 1);
    json made{{"common_name", leaf.common_name}, {"organizations", leaf.organizations}, {"dns_names", leaf.dns_names},
              {"addresses", leaf.addresses}, {"serial", to_hex(serial)}, {"public_key", dig(key.front(), "public_key")},
              {"issuer", dig(bundle.front(), "public_key")}};
    made["use"] = leaf.use == tls::usage::client ? "client" : leaf.use == tls::usage::server ? "server" : "both";
    made["not_before"] = to_rfc3339(ca_from ? std::max(now - backdate, *ca_from) : now - backdate);
    made["not_after"] = to_rfc3339(now + validity);
    made["signature"] = key_book::sign(*secret, signed_part(made));
    return armoured(certificate_label, made) + ca.certificates;
  }

  result<tls::certificate_facts> read(std::string_view pem) override {
    const auto bundle = blocks(pem, certificate_label);
    if (bundle.empty()) return fail(errc::invalid, "there is no certificate in the PEM text");
    const auto& first = bundle.front();
    tls::certificate_facts out;
    out.common_name = text_or(dig(first, "common_name"));
    out.organizations = texts(dig(first, "organizations"));
    out.dns_names = texts(dig(first, "dns_names"));
    out.addresses = texts(dig(first, "addresses"));
    out.serial = text_or(dig(first, "serial"));
    out.public_key = armoured(public_label, {{"public_key", dig(first, "public_key")}});
    auto from = parse_rfc3339(text_or(dig(first, "not_before"))), to = parse_rfc3339(text_or(dig(first, "not_after")));
    if (!from || !to) return fail(errc::invalid, "a certificate has no time");
    out.not_before = *from;
    out.not_after = *to;
    return out;
  }

  bool is_signed_by(std::string_view pem, std::string_view ca_bundle) override {
    const auto leaf = blocks(pem, certificate_label);
    if (leaf.empty()) return false;
    return std::ranges::any_of(blocks(ca_bundle, certificate_label), [&](const json& ca) {
      return dig(ca, "authority") == json(true) && dig(leaf.front(), "issuer") == dig(ca, "public_key") &&
             keys_.verify(text_or(dig(ca, "public_key")), signed_part(leaf.front()), text_or(dig(leaf.front(), "signature")));
    });
  }

  std::string ca_digest(std::string_view pem) override {
    const auto bundle = blocks(pem, certificate_label);
    if (bundle.size() > 1)
      for (const auto& each : bundle)
        if (dig(each, "issuer") == dig(each, "public_key")) return to_hex(digest(to_text(each)));
    return to_hex(digest(pem));
  }
  std::string sha256(std::string_view data) override { return digest(data); }

  result<std::string> sign_text(const secret_text& key, std::string_view text) override {
    auto secret = secret_of(key);
    if (!secret) return secret.why();
    return key_book::sign(*secret, std::string(text));
  }
  bool verify_text(std::string_view public_key, std::string_view text, std::string_view signature) override {
    const auto read = blocks(public_key, public_label);
    return !read.empty() && keys_.verify(text_or(dig(read.front(), "public_key")), std::string(text), std::string(signature));
  }
  result<tls::web_key> describe_key(std::string_view public_key) override {
    const auto read = blocks(public_key, public_label);
    if (read.empty()) return fail(errc::invalid, "a public key cannot be read");
    return tls::web_key{"ES256", {{"kty", "EC"}, {"crv", "P-256"}, {"x", text_or(dig(read.front(), "public_key"))}, {"y", ""}}};
  }

  std::string hash_password(std::string_view password, std::string_view salt8) override {
    tls::password_hash out;
    out.salt = std::string(salt8);
    out.key = cheap(password, out.salt);
    return tls::write_password_hash(out);
  }
  result<bool> verify_password(std::string_view password, std::string_view stored) override {
    auto read = tls::read_password_hash(stored);
    if (!read) return read.why();
    return cheap(password, read->salt) == read->key;
  }

 private:
  static std::string cheap(std::string_view password, const std::string& salt) {
    const auto half = digest(salt + std::string(password));
    return half + digest(half);
  }
  static result<std::string> secret_of(const secret_text& key) {
    const auto read = blocks(key.reveal(), key_label);
    auto secret = read.empty() ? std::string() : text_or(dig(read.front(), "secret"));
    if (secret.empty()) return fail(errc::invalid, "a private key cannot be read");
    return secret;
  }

  key_book& keys_;
  entropy& chance_;
};

}  // namespace

std::unique_ptr<tls::issuer> make_symbolic_issuer(key_book& keys, entropy& chance) {
  return std::make_unique<symbolic_issuer>(keys, chance);
}

}  // namespace troupe::net::sim
