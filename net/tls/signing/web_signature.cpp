#include "net/tls/signing/web_signature.hpp"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>

#include "basis/bytes.hpp"

namespace troupe::net::tls {
namespace {

constexpr int coordinate_bytes = 32;

using digest_ptr = std::unique_ptr<EVP_MD_CTX, freed_by<EVP_MD_CTX_free>>;
using number_ptr = std::unique_ptr<BIGNUM, freed_by<BN_free>>;
using pair_ptr = std::unique_ptr<ECDSA_SIG, freed_by<ECDSA_SIG_free>>;

bool is_elliptic(EVP_PKEY* key) { return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_bits(key) == 256; }
bool is_rsa(EVP_PKEY* key) { return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA; }

const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string web_base64(std::string_view data) {
  auto out = to_base64(data);
  while (!out.empty() && out.back() == '=') out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

std::string number_of(EVP_PKEY* key, const char* name, int width) {
  BIGNUM* got = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &got) != 1) return {};
  const number_ptr owned(got);
  std::string out(static_cast<std::size_t>(std::max(width, BN_num_bytes(got))), '\0');
  BN_bn2binpad(got, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
  return out;
}

std::string pair_bytes(const std::string& der) {
  const auto* at = raw(der);
  const pair_ptr both(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (!both) return {};
  std::string out(2 * coordinate_bytes, '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(both.get()), to, coordinate_bytes);
  BN_bn2binpad(ECDSA_SIG_get0_s(both.get()), to + coordinate_bytes, coordinate_bytes);
  return out;
}
std::string der_of(std::string_view pair) {
  const pair_ptr both(ECDSA_SIG_new());
  number_ptr r(BN_bin2bn(raw(pair), coordinate_bytes, nullptr)), s(BN_bin2bn(raw(pair) + coordinate_bytes, coordinate_bytes, nullptr));
  if (ECDSA_SIG_set0(both.get(), r.get(), s.get()) != 1) return {};
  static_cast<void>(r.release()), static_cast<void>(s.release());   // owned by the pair now
  unsigned char* out = nullptr;
  const int size = i2d_ECDSA_SIG(both.get(), &out);
  if (size <= 0) return {};
  std::string text(reinterpret_cast<char*>(out), static_cast<std::size_t>(size));
  OPENSSL_free(out);
  return text;
}

}  // namespace

result<std::string> sign_web(EVP_PKEY* key, std::string_view text) {
  if (!is_elliptic(key) && !is_rsa(key)) return fail(errc::unsupported, "tokens are signed with P-256 or RSA keys only");
  const digest_ptr context(EVP_MD_CTX_new());
  std::size_t size = 0;
  std::string out;
  bool ok = EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
            EVP_DigestSign(context.get(), nullptr, &size, raw(text), text.size()) == 1;
  out.resize(size);
  ok = ok && EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, raw(text), text.size()) == 1;
  if (!ok) return fail(errc::internal, "signing a token: " + openssl_reason());
  out.resize(size);
  return is_rsa(key) ? out : pair_bytes(out);
}

bool verify_web(EVP_PKEY* key, std::string_view text, std::string_view signature) {
  std::string der;
  if (is_elliptic(key)) {
    if (signature.size() != 2 * coordinate_bytes) return false;
    der = der_of(signature);
    signature = der;
  } else if (!is_rsa(key)) {
    return false;
  }
  const digest_ptr context(EVP_MD_CTX_new());
  const bool ok = EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
                  EVP_DigestVerify(context.get(), raw(signature), signature.size(), raw(text), text.size()) == 1;
  ERR_clear_error();
  return ok;
}

result<web_key> describe_web(EVP_PKEY* key) {
  if (is_rsa(key))
    return web_key{"RS256", {{"kty", "RSA"}, {"n", web_base64(number_of(key, OSSL_PKEY_PARAM_RSA_N, 0))},
                             {"e", web_base64(number_of(key, OSSL_PKEY_PARAM_RSA_E, 0))}}};
  if (!is_elliptic(key)) return fail(errc::unsupported, "tokens are signed with P-256 or RSA keys only");
  return web_key{"ES256", {{"kty", "EC"}, {"crv", "P-256"},
                           {"x", web_base64(number_of(key, OSSL_PKEY_PARAM_EC_PUB_X, coordinate_bytes))},
                           {"y", web_base64(number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y, coordinate_bytes))}}};
}

}  // namespace troupe::net::tls
