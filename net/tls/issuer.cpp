#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <ctime>

#include "basis/bytes.hpp"
#include "basis/check.hpp"
#include "net/tls/handles.hpp"
#include "net/tls/openssl.hpp"
#include "net/tls/password.hpp"
#include "net/tls/signing/web_signature.hpp"

namespace troupe::net::tls {
namespace {

constexpr std::size_t password_key_bytes = 64;

std::time_t seconds_of(wall_time at) { return std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::seconds>(at)); }

std::string pem_of(X509* certificate) {
  const bio_ptr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate);
  return text_of(out.get());
}

bool add_extension(X509* to, X509* by, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, by, to, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_nconf_nid(nullptr, &context, kind, value.c_str());
  if (extension == nullptr) return false;
  const bool ok = X509_add_ext(to, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return ok;
}

/// Subject alternative names are built by hand: OpenSSL's text form would let a name hold a comma.
bool add_names(X509* to, const leaf_request& leaf) {
  std::unique_ptr<GENERAL_NAMES, freed_by<GENERAL_NAMES_free>> names(GENERAL_NAMES_new());
  for (const auto& each : leaf.dns_names) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, each.data(), static_cast<int>(each.size()));
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    sk_GENERAL_NAME_push(names.get(), name);
  }
  for (const auto& each : leaf.addresses) {
    ASN1_OCTET_STRING* raw = a2i_IPADDRESS(each.c_str());
    if (raw == nullptr) return false;
    GENERAL_NAME* name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, GEN_IPADD, raw);
    sk_GENERAL_NAME_push(names.get(), name);
  }
  return sk_GENERAL_NAME_num(names.get()) == 0 ||
         X509_add1_ext_i2d(to, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

bool add_entry(X509_NAME* to, const char* kind, const std::string& text, int set) {
  return X509_NAME_add_entry_by_txt(to, kind, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text.data()),
                                    static_cast<int>(text.size()), -1, set) == 1;
}

/// What a leaf is shown with: its authority's bundle, what is signed by itself last. Whoever trusts only an older root must meet
/// the certificate that leads there first: OpenSSL takes the first that fits and does not turn back.
std::string shown_above(const std::vector<certificate_ptr>& bundle) {
  std::string out, roots;
  for (const auto& each : bundle)
    (X509_check_issued(each.get(), each.get()) == X509_V_OK ? roots : out) += pem_of(each.get());
  ERR_clear_error();
  return out + roots;
}

error openssl_error(const char* doing) { return fail(errc::internal, std::string(doing) + ": " + openssl_reason()); }

/// The chain's root by K3s's rule, or null: from the first certificate along authority key ids.
const X509* root_of(const std::vector<certificate_ptr>& bundle) {
  const X509* at = bundle.front().get();
  for (std::size_t steps = 0; steps <= bundle.size(); ++steps) {
    const ASN1_OCTET_STRING* authority = X509_get0_authority_key_id(const_cast<X509*>(at));
    const ASN1_OCTET_STRING* subject = X509_get0_subject_key_id(const_cast<X509*>(at));
    if (authority == nullptr || (subject != nullptr && ASN1_OCTET_STRING_cmp(authority, subject) == 0)) return at;
    const X509* above = nullptr;
    for (const auto& each : bundle) {
      const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(each.get());
      if (each.get() != at && id != nullptr && ASN1_OCTET_STRING_cmp(authority, id) == 0) above = each.get();
    }
    if (above == nullptr) return nullptr;
    at = above;
  }
  return nullptr;
}

std::string digest(std::string_view data) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  CHECK_THAT(EVP_Digest(data.data(), data.size(), out, &size, EVP_sha256(), nullptr) == 1);
  return std::string(reinterpret_cast<char*>(out), size);
}

std::string derive(std::string_view password, const password_hash& with, std::size_t size) {
  std::string out(size, '\0');
  const std::uint64_t n = 1ull << with.log2_n;
  const std::uint64_t memory = 128ull * with.r * (n + with.p + 2) + (1 << 20);
  const int ok = EVP_PBE_scrypt(password.data(), password.size(), reinterpret_cast<const unsigned char*>(with.salt.data()),
                                with.salt.size(), n, with.r, with.p, memory,
                                reinterpret_cast<unsigned char*>(out.data()), out.size());
  CHECK_THAT(ok == 1);
  return out;
}

class openssl_issuer final : public issuer {
 public:
  secret_text make_key() override {
    const key_ptr key(EVP_EC_gen("P-256"));
    CHECK_THAT(key != nullptr);
    const bio_ptr out(BIO_new(BIO_s_secmem()));
    CHECK_THAT(PEM_write_bio_PrivateKey_traditional(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
    return secret_text(text_of(out.get()));
  }

  result<std::string> public_key_of(const secret_text& key) override {
    auto read = read_key(key.reveal());
    if (!read) return read.why();
    return public_pem(read->get());
  }

  result<std::string> make_request(const secret_text& key) override {
    auto read = read_key(key.reveal());
    if (!read) return read.why();
    const request_ptr ask(X509_REQ_new());
    X509_REQ_set_version(ask.get(), 0);
    if (X509_REQ_set_pubkey(ask.get(), read->get()) != 1 || X509_REQ_sign(ask.get(), read->get(), EVP_sha256()) <= 0)
      return openssl_error("making a certificate request");
    unsigned char* raw = nullptr;
    const int size = i2d_X509_REQ(ask.get(), &raw);
    if (size <= 0) return openssl_error("writing a certificate request");
    std::string out(reinterpret_cast<char*>(raw), static_cast<std::size_t>(size));
    OPENSSL_free(raw);
    return out;
  }

  result<std::string> read_request(std::string_view der) override {
    auto at = reinterpret_cast<const unsigned char*>(der.data());
    const request_ptr ask(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
    if (!ask) return fail(errc::invalid, "a certificate request cannot be read: " + openssl_reason());
    EVP_PKEY* key = X509_REQ_get0_pubkey(ask.get());
    if (key == nullptr || X509_REQ_verify(ask.get(), key) != 1) {
      ERR_clear_error();
      return fail(errc::invalid, "a certificate request is not signed by its own key");
    }
    return public_pem(key);
  }

  result<identity> make_ca(const std::string& common_name, wall_time now, duration validity) override {
    identity out;
    out.key = make_key();
    auto key = read_key(out.key.reveal());
    if (!key) return key.why();
    const certificate_ptr made(X509_new());
    X509* x = made.get();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 0);
    ASN1_TIME_set(X509_getm_notBefore(x), seconds_of(now - backdate));
    ASN1_TIME_set(X509_getm_notAfter(x), seconds_of(now - backdate + validity));
    const bool ok = add_entry(X509_get_subject_name(x), "CN", common_name, 0) &&
                    X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 && X509_set_pubkey(x, key->get()) == 1 &&
                    add_extension(x, x, NID_key_usage, "critical,digitalSignature,keyEncipherment,keyCertSign") &&
                    add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE") &&
                    add_extension(x, x, NID_subject_key_identifier, "hash") &&
                    X509_sign(x, key->get(), EVP_sha256()) > 0;
    if (!ok) return openssl_error("making a certificate authority");
    out.certificates = pem_of(x);
    return out;
  }

  result<std::string> sign(const leaf_request& leaf, const identity& ca, wall_time now, duration validity) override {
    auto bundle = read_certificates(ca.certificates);
    if (!bundle) return bundle.why();
    auto ca_key = read_key(ca.key.reveal());
    if (!ca_key) return ca_key.why();
    auto key = read_public_key(leaf.public_key);
    if (!key) return key.why();
    X509* by = bundle->front().get();
    if (X509_check_private_key(by, ca_key->get()) != 1) {
      ERR_clear_error();
      return fail(errc::invalid, "the authority's key does not fit its certificate");
    }
    const certificate_ptr made(X509_new());
    X509* x = made.get();
    X509_set_version(x, X509_VERSION_3);
    std::uint64_t serial = 0;
    CHECK_THAT(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), (serial >> 1) | 1);
    const auto from = std::max(now - backdate, time_of(X509_get0_notBefore(by)));
    ASN1_TIME_set(X509_getm_notBefore(x), seconds_of(from));
    ASN1_TIME_set(X509_getm_notAfter(x), seconds_of(now + validity));
    X509_NAME* subject = X509_get_subject_name(x);
    bool ok = true;
    for (std::size_t i = 0; i < leaf.organizations.size(); ++i)
      ok = ok && add_entry(subject, "O", leaf.organizations[i], i == 0 ? 0 : -1);  // One set, as Go writes it.
    const char* use = leaf.use == usage::client   ? "clientAuth"
                      : leaf.use == usage::server ? "serverAuth"
                                                  : "serverAuth,clientAuth";
    ok = ok && add_entry(subject, "CN", leaf.common_name, 0) &&
         X509_set_issuer_name(x, X509_get_subject_name(by)) == 1 && X509_set_pubkey(x, key->get()) == 1 &&
         add_extension(x, by, NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
         add_extension(x, by, NID_ext_key_usage, use) &&
         add_extension(x, by, NID_authority_key_identifier, "keyid:always");
    if (!ok) return openssl_error("making a certificate");
    if (!add_names(x, leaf)) {
      ERR_clear_error();
      return fail(errc::invalid, "an address for a certificate cannot be read");
    }
    if (X509_sign(x, ca_key->get(), EVP_sha256()) <= 0) return openssl_error("signing a certificate");
    return pem_of(x) + shown_above(*bundle);
  }

  result<certificate_facts> read(std::string_view pem) override {
    auto bundle = read_certificates(pem);
    if (!bundle) return bundle.why();
    X509* x = bundle->front().get();
    peer_identity subject;
    read_subject(x, subject);
    certificate_facts out;
    out.common_name = subject.common_name;
    out.organizations = subject.organizations;
    out.serial = subject.serial;
    out.not_before = time_of(X509_get0_notBefore(x));
    out.not_after = time_of(X509_get0_notAfter(x));
    out.public_key = public_pem(X509_get0_pubkey(x));
    read_names(x, out);
    return out;
  }

  bool is_signed_by(std::string_view pem, std::string_view ca_bundle) override {
    auto leaf = read_certificates(pem);
    auto above = read_certificates(ca_bundle);
    if (!leaf || !above) return false;
    for (const auto& each : *above)
      if (X509_check_ca(each.get()) == 1 && X509_check_issued(each.get(), leaf->front().get()) == X509_V_OK &&
          X509_verify(leaf->front().get(), X509_get0_pubkey(each.get())) == 1)
        return true;
    ERR_clear_error();
    return false;
  }

  std::string ca_digest(std::string_view pem) override {
    auto bundle = read_certificates(pem);
    if (!bundle || bundle->size() == 1) return to_hex(digest(pem));
    const X509* root = root_of(*bundle);
    if (root == nullptr) return to_hex(digest(pem));
    unsigned char* raw = nullptr;
    const int size = i2d_X509(root, &raw);
    const std::string der(reinterpret_cast<char*>(raw), size > 0 ? static_cast<std::size_t>(size) : 0);
    OPENSSL_free(raw);
    return to_hex(digest(der));
  }

  std::string sha256(std::string_view data) override { return digest(data); }

  result<std::string> sign_text(const secret_text& key, std::string_view text) override {
    auto read = read_key(key.reveal());
    if (!read) return read.why();
    return sign_web(read->get(), text);
  }
  bool verify_text(std::string_view public_key, std::string_view text, std::string_view signature) override {
    auto read = read_public_key(public_key);
    return read.ok() && verify_web(read->get(), text, signature);
  }
  result<web_key> describe_key(std::string_view public_key) override {
    auto read = read_public_key(public_key);
    if (!read) return read.why();
    return describe_web(read->get());
  }

  std::string hash_password(std::string_view password, std::string_view salt8) override {
    password_hash out;
    out.salt = std::string(salt8);
    out.key = derive(password, out, password_key_bytes);
    return write_password_hash(out);
  }

  result<bool> verify_password(std::string_view password, std::string_view stored) override {
    auto hash = read_password_hash(stored);
    if (!hash) return hash.why();
    return secret_text::same_in_constant_time(derive(password, *hash, hash->key.size()), hash->key);
  }

 private:
  static void read_names(X509* from, certificate_facts& into) {
    const std::unique_ptr<GENERAL_NAMES, freed_by<GENERAL_NAMES_free>> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(from, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
      const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
      if (name->type == GEN_DNS) {
        into.dns_names.emplace_back(reinterpret_cast<const char*>(name->d.dNSName->data),
                                    static_cast<std::size_t>(name->d.dNSName->length));
      } else if (name->type == GEN_IPADD) {
        const auto* raw = name->d.iPAddress;
        into.addresses.push_back(address_text({reinterpret_cast<const char*>(raw->data), static_cast<std::size_t>(raw->length)}));
      }
    }
  }
  static std::string address_text(std::string_view raw) {
    if (raw.size() != 4 && raw.size() != 16) return {};
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(raw.size() == 4 ? AF_INET : AF_INET6, raw.data(), text, sizeof text);
    return text;
  }
};

}  // namespace

std::unique_ptr<issuer> make_openssl_issuer() { return std::make_unique<openssl_issuer>(); }

}  // namespace troupe::net::tls
